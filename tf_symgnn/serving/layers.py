"""The layers of SymGNN as functions of a part of a glass: its own atoms, and others that they hear from."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.graph.tensors import INDEX_DTYPE
from tf_symgnn.model.symgnn import SymGNN

_INDEX, _COUNT = tf.TensorSpec([None], INDEX_DTYPE), tf.TensorSpec([], INDEX_DTYPE)


class LayerFunctions:
    """A SymGNN taken apart: level l of an atom or of a pair is its state after l layers, the last one a barrier, eV.

    Args:
        model: to predict with.

    Raises:
        InputError: the model is none whose states pass from layer to layer as SymGNN's do.
    """

    def __init__(self, model: tf.keras.Model):
        if not isinstance(model, SymGNN) or type(model).call is not SymGNN.call:
            raise InputError(
                "command line", "--memory", f"model {model.name}", "SymGNN or one that differs in encoding"
            )
        self._model = model
        self.depth = len(model.layers_)
        self.width = model.get_config()["width"]
        self.widest = max(model.get_config()["heads"]) * self.width
        states = tf.TensorSpec([None, self.width], model.compute_dtype)
        encoded = (tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 3], tf.float32))
        self._functions = [
            tf.function(self._layer(k), input_signature=(*((states, states) if k else encoded), _INDEX, _INDEX, _COUNT))
            for k in range(self.depth)
        ]

    def first(self, species: tf.Tensor, displacement: tf.Tensor, *pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Level 1 of own atoms and of their pairs.

        Args:
            species: i32[M], own atoms first.
            displacement: f32[E, 3] A, of the pairs that own atoms receive.
            pairs: source i32[E], target i32[E] ascending, and the number of own atoms.
        """
        return self._functions[0](species, displacement, *pairs)

    def next(self, level: int, nodes: tf.Tensor, edges: tf.Tensor, *pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The level after `level` of own atoms and of their pairs, from states [M, F] and [E, F] at that level."""
        return self._functions[level](nodes, edges, *pairs)

    def _layer(self, k: int) -> Callable:
        model = self._model

        def layer(of_atoms: tf.Tensor, of_pairs: tf.Tensor, source: tf.Tensor, target: tf.Tensor, own: tf.Tensor):
            graph = _adjacency(tf.shape(of_atoms)[0], source, target)
            real = tuple(tf.ones(tf.shape(x)[:1], model.compute_dtype) for x in (of_atoms, of_pairs))
            if k == 0:
                of_atoms = model.node_encoder(model.species_embedding(of_atoms), mask=real[0], training=False)
                displacement = tf.cast(of_pairs, model.compute_dtype)
                of_pairs = model.symmetrization(displacement, mask=real[1], training=False)
            of_atoms, of_pairs = model.layers_[k]((of_atoms, of_pairs), graph=graph, masks=real, training=False)
            of_atoms = of_atoms[:own]
            if k < self.depth - 1:
                return of_atoms, of_pairs
            decoded = model.decoder(of_atoms, mask=real[0][:own], training=False)
            return model.label_mean + model.label_std * tf.squeeze(model.readout(decoded), axis=-1), of_pairs[:0]

        return layer


def _adjacency(n_atoms: tf.Tensor, source: tf.Tensor, target: tf.Tensor) -> tfgnn.GraphTensor:
    """A graph without features: who hears from whom."""
    ends = {"source": (names.ATOMS, source), "target": (names.ATOMS, target)}
    neighbors = tfgnn.EdgeSet.from_fields(
        sizes=tf.shape(source, INDEX_DTYPE)[:1], adjacency=tfgnn.Adjacency.from_indices(**ends)
    )
    atoms = tfgnn.NodeSet.from_fields(sizes=n_atoms[tf.newaxis])
    return tfgnn.GraphTensor.from_pieces(node_sets={names.ATOMS: atoms}, edge_sets={names.NEIGHBORS: neighbors})
