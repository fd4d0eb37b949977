"""The layers of SymGNN as functions of a part of a glass: its own atoms, and others that they hear from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.graph.tensors import INDEX_DTYPE
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.symmetrization import ExactSymmetrization

# What level 1 is made of: species, and displacements in A.
_UNENCODED = (tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 3], tf.float32))
_PAIRS = (tf.TensorSpec([None], INDEX_DTYPE), tf.TensorSpec([None], INDEX_DTYPE), tf.TensorSpec([], INDEX_DTYPE))


class LayerFunctions:
    """A SymGNN taken apart: level l of an atom or of a pair is its state after l layers, the last one a barrier, eV.

    Args:
        model: to predict with.
    """

    def __init__(self, model: SymGNN):
        self._model, config = model, model.get_config()
        self._n_layers, self._width = len(model.layers_), config["width"]
        self._widest = max(config["heads"]) * self._width
        self._functions = [
            tf.function(self._level(k), input_signature=(*self._given(k), *_PAIRS)) for k in range(self.depth)
        ]

    @property
    def depth(self) -> int:
        """How many levels there are."""
        return self._n_layers

    @property
    def atom_width(self) -> int:
        """The most numbers of an atom's state."""
        return self._width

    @property
    def pair_width(self) -> int:
        """The most numbers of a pair's state."""
        return self._width

    def first(self, species: np.ndarray, displacement: np.ndarray, *pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Level 1 of own atoms and of their pairs.

        Args:
            species: i32[M], own atoms first.
            displacement: f32[E, 3] A, of the pairs that own atoms receive.
            pairs: source i32[E], target i32[E] ascending, and the number of own atoms.
        """
        return self._functions[0](species, displacement, *pairs)

    def next(self, level: int, nodes: tf.Tensor, edges: tf.Tensor, *pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The level after `level` of own atoms and of their pairs, from states [M, .] and [E, .] at that level."""
        return self._functions[level](nodes, edges, *pairs)

    def working_bytes(self, own: np.ndarray, around: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """What a step takes besides the states that are kept, by numbers of own atoms, of all atoms and of pairs."""
        # New states of pairs are made in parts and then joined; sums over pairs are as wide as all heads.
        of_pair = max(8 * self.pair_width, self._encoding_bytes)
        return pairs * of_pair + around * (8 * self._widest + 16 * self.atom_width)

    @property
    def _encoding_bytes(self) -> int:
        """What encoding takes of a pair at once: interpolation adds up four rows of its table."""
        return 20 * self._width if isinstance(self._model.symmetrization, ExactSymmetrization) else 0

    def _given(self, k: int) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """What level k + 1 is made of: level k, or species and displacements."""
        states = tf.TensorSpec([None, self._width], self._model.compute_dtype)
        return (states, states) if k else _UNENCODED

    def _level(self, k: int) -> Callable:
        def level(of_atoms: tf.Tensor, of_pairs: tf.Tensor, source: tf.Tensor, target: tf.Tensor, own: tf.Tensor):
            if k == 0:
                graph = part_of_glass(source, target, species=of_atoms, displacement=of_pairs)
                of_atoms, of_pairs, _ = self._model.encode(graph, training=False)
            of_atoms, of_pairs = self._pass_messages(k, of_atoms, of_pairs, source, target)
            if k < self.depth - 1:
                return of_atoms[:own], of_pairs
            return self._barrier(of_atoms[:own]), of_pairs[:0]

        return level

    def _pass_messages(self, layer: int, nodes: tf.Tensor, edges: tf.Tensor, source: tf.Tensor, target: tf.Tensor):
        graph = part_of_glass(source, target, n_atoms=tf.shape(nodes)[0])
        real = tuple(tf.ones(tf.shape(x)[:1], self._model.compute_dtype) for x in (nodes, edges))
        return self._model.layers_[layer]((nodes, edges), graph=graph, masks=real, training=False)

    def _barrier(self, nodes: tf.Tensor) -> tf.Tensor:
        return self._model.decode(nodes, mask=tf.ones(tf.shape(nodes)[:1], nodes.dtype), training=False)


def part_of_glass(
    source: tf.Tensor,
    target: tf.Tensor,
    *,
    n_atoms: tf.Tensor | None = None,
    species: tf.Tensor | None = None,
    displacement: tf.Tensor | None = None,
) -> tfgnn.GraphTensor:
    """A graph of who hears from whom, of `n_atoms` or with features species i32[M] and displacement f32[E, 3] A."""
    neighbors = tfgnn.EdgeSet.from_fields(
        sizes=tf.shape(source, INDEX_DTYPE)[:1],
        adjacency=tfgnn.Adjacency.from_indices(source=(names.ATOMS, source), target=(names.ATOMS, target)),
        features={} if displacement is None else {names.DISPLACEMENT: displacement},
    )
    atoms = tfgnn.NodeSet.from_fields(
        sizes=tf.shape(species, INDEX_DTYPE)[:1] if n_atoms is None else n_atoms[tf.newaxis],
        features={} if species is None else {names.SPECIES: species},
    )
    return tfgnn.GraphTensor.from_pieces(node_sets={names.ATOMS: atoms}, edge_sets={names.NEIGHBORS: neighbors})
