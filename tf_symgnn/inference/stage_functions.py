"""The stages of a model, compiled for parts of a glass: some atoms, and the atoms that send to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.glass_graph import local_index, received_pairs
from tf_symgnn.graph.slabs import ReceivedPairs, SlabbedGlass
from tf_symgnn.graph.tensors import INDEX_DTYPE, graph_of_features
from tf_symgnn.models.base import BarrierModel, Stage

# Atoms per call of the first stage. Its intermediate tensors, such as power spectra, are wider than any state.
ATOMS_AT_ONCE = 500

Tensors = dict[str, tf.Tensor]
Specs = dict[str, tf.TensorSpec]


class PartPairs(NamedTuple):
    """The pairs that the first atoms of a part of a glass receive.

    Attributes:
        source: i32[E], the atom of the part that sends each pair.
        target: i32[E], the atom that receives it, ascending.
        n_receivers: i32, the number of atoms that receive; others of the part only send.
    """

    source: tf.Tensor
    target: tf.Tensor
    n_receivers: tf.Tensor


class Receivers(NamedTuple):
    """Some atoms of a glass and the pairs that they receive: the input of a first stage.

    Attributes:
        atomic_numbers: i32[M].
        positions: f32[M, 3] A.
        target: i32[E], which of the atoms receives each pair, ascending.
        senders: i32[E], the atomic number of the atom that sends it.
        displacement: f32[E, 3] A.
        descriptors: f32[M, D], where D may be 0.
    """

    atomic_numbers: np.ndarray
    positions: np.ndarray
    target: np.ndarray
    senders: np.ndarray
    displacement: np.ndarray
    descriptors: np.ndarray

    @classmethod
    def of_graph(cls, graph: GlassGraph) -> Receivers:
        """Return all atoms of a graph."""
        senders = graph.atomic_numbers[graph.source]
        descriptors = _columns(graph.descriptors, graph.n_atoms)
        return cls(graph.atomic_numbers, graph.positions, graph.target, senders, graph.displacement, descriptors)

    @classmethod
    def of_slab(cls, slabbed: SlabbedGlass, slab: int, pairs: ReceivedPairs) -> Receivers:
        """Return the atoms of a slab, which receive `pairs`."""
        begin, stop = slabbed.splits[slab : slab + 2]
        numbers, positions = slabbed.atomic_numbers, slabbed.positions(begin, stop)
        descriptors = _columns(slabbed.descriptors, len(numbers))[begin:stop]
        return cls(numbers[begin:stop], positions, pairs.target, numbers[pairs.source], pairs.displacement, descriptors)

    @classmethod
    def joined(cls, parts: Sequence[Receivers]) -> Receivers:
        """Return the atoms of several parts, one after another."""
        begins = np.cumsum([0, *(len(part.atomic_numbers) for part in parts[:-1])]).astype(np.int32)
        shifted = [part._replace(target=part.target + begin) for part, begin in zip(parts, begins, strict=True)]
        return cls(*map(np.concatenate, zip(*shifted, strict=True)))

    def take(self, atoms: np.ndarray) -> Receivers:
        """Return some of the atoms, i64 in ascending order."""
        n_atoms = len(self.atomic_numbers)
        pairs = received_pairs(np.searchsorted(self.target, np.arange(n_atoms + 1)), atoms)
        target = local_index(atoms, n_atoms)[self.target[pairs]]
        return Receivers(
            self.atomic_numbers[atoms],
            self.positions[atoms],
            target,
            self.senders[pairs],
            self.displacement[pairs],
            self.descriptors[atoms],
        )

    def parts(self) -> Iterator[tuple[Tensors, Tensors, PartPairs]]:
        """Yield the inputs of calls of the first stage: features of atoms, features of pairs, ends of pairs.

        The first stage reads only the species of a sender, so one atom of each species represents all senders. Its
        position and descriptors are NaN, so that a stage that reads them predicts NaN.
        """
        species = np.unique(self.senders).astype(np.int32)
        sender = np.searchsorted(species, self.senders).astype(np.int32)
        no_position = np.full((len(species), 3), np.nan, np.float32)
        no_descriptors = np.full((len(species), self.descriptors.shape[1]), np.nan, np.float32)
        for begin in range(0, len(self.atomic_numbers), ATOMS_AT_ONCE):
            end = min(begin + ATOMS_AT_ONCE, len(self.atomic_numbers))
            number = np.int32(end - begin)
            received = slice(*np.searchsorted(self.target, (begin, end)))
            atoms = {
                names.SPECIES: tf.constant(np.concatenate([self.atomic_numbers[begin:end], species])),
                names.POSITION: tf.constant(np.concatenate([self.positions[begin:end], no_position])),
            }
            if self.descriptors.shape[1]:
                descriptors = np.concatenate([self.descriptors[begin:end], no_descriptors])
                atoms[names.DESCRIPTORS] = tf.constant(descriptors)
            pairs = {names.DISPLACEMENT: tf.constant(self.displacement[received])}
            ends = (sender[received] + number, self.target[received] - np.int32(begin), number)
            yield atoms, pairs, PartPairs(*map(tf.constant, ends))


class StageFunctions:
    """The stages of a model as functions of a part of a glass.

    Level l of an atom or of a pair is its state after l stages, as named tensors. The last level is the energy barrier,
    eV.

    Args:
        model: the model.

    Raises:
        InputError: the model's forward pass has no stages.
    """

    def __init__(self, model: BarrierModel):
        stages = model.stages()
        if not stages:
            expected = "a model whose forward pass is made of stages of one hop"
            raise InputError("command line", "--memory", f"model {model.name}", expected)
        self._stages = stages
        atoms: Specs = {
            names.SPECIES: tf.TensorSpec([None], tf.int32),
            names.POSITION: tf.TensorSpec([None, 3], tf.float32),
        }
        if model.n_descriptors:
            atoms[names.DESCRIPTORS] = tf.TensorSpec([None, model.n_descriptors], tf.float32)
        pairs: Specs = {names.DISPLACEMENT: tf.TensorSpec([None, 3], tf.float32)}
        self._states = [(atoms, pairs)]  # specs, level by level
        self._functions = []
        for stage in stages:
            function = tf.function(_of_part(stage)).get_concrete_function(*self._states[-1], _PAIRS)
            self._functions.append(function)
            self._states.append(tuple(map(_specs, function.structured_outputs)))

    @property
    def depth(self) -> int:
        """Return the number of levels."""
        return len(self._stages)

    def state_bytes(self, level: int) -> tuple[int, int]:
        """Return the bytes of the state of an atom and of a pair at a level."""
        atom_bytes, pair_bytes = (sum(map(_row_bytes, specs.values())) for specs in self._states[level])
        return atom_bytes, pair_bytes

    def first(self, receivers: Receivers) -> tuple[Tensors, Tensors]:
        """Return level 1 of atoms and of the pairs that they receive."""
        states = [self._functions[0](*part) for part in receivers.parts()]
        atoms, pairs = zip(*states, strict=True)
        return _joined(atoms), _joined(pairs)

    def next(self, level: int, atoms: Tensors, pairs: Tensors, ends: PartPairs) -> tuple[Tensors, Tensors]:
        """Return the level after `level` of the atoms that receive and of their pairs.

        Args:
            level: from 1.
            atoms: their state at that level [M, ...], those that receive first.
            pairs: the state [E, ...] of pairs at that level.
            ends: of the pairs.
        """
        return self._functions[level](atoms, pairs, ends)

    def working_bytes(self, level: int, own: np.ndarray, around: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """Return the memory of the step to a level, bytes, for each of S slabs, without the stored states.

        Args:
            level: from 1.
            own: i64[S], the number of atoms that receive.
            around: i64[S], the number of those and of all atoms that may send to them.
            pairs: f64[S], the number of pairs.
        """
        stage = self._stages[level - 1]
        atom_bytes, pair_bytes = self.state_bytes(level if level == 1 else level - 1)
        if level == 1:
            at_once = np.minimum(own, ATOMS_AT_ONCE)
            per_atom = pairs / np.maximum(own, 1)
            # The states of all parts, in memory until they are joined.
            parts = own * atom_bytes + pairs * pair_bytes
            return at_once * (per_atom * stage.bytes_per_pair + stage.bytes_per_atom) + parts
        return pairs * stage.bytes_per_pair + around * (stage.bytes_per_atom + atom_bytes)


_PAIRS = PartPairs(
    tf.TensorSpec([None], INDEX_DTYPE), tf.TensorSpec([None], INDEX_DTYPE), tf.TensorSpec([], INDEX_DTYPE)
)


def _of_part(stage: Stage) -> Callable[..., tuple[Tensors, Tensors]]:
    """Return a stage as a function of the features of atoms and pairs and of the ends of pairs."""

    def advance(atoms: Tensors, pairs: Tensors, ends: PartPairs) -> tuple[Tensors, Tensors]:
        graph = stage.apply(graph_of_features(atoms, pairs, ends.source, ends.target), False)
        state = graph.node_sets[names.ATOMS].get_features_dict()
        atoms = {name: x[: ends.n_receivers] for name, x in state.items()}
        return atoms, graph.edge_sets[names.NEIGHBORS].get_features_dict()

    return advance


def _columns(descriptors: np.ndarray | None, n_atoms: int) -> np.ndarray:
    """Return descriptors f32[N, D], with D = 0 for None."""
    return np.empty((n_atoms, 0), np.float32) if descriptors is None else descriptors


def _joined(parts: Sequence[Tensors]) -> Tensors:
    return {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}


def _specs(tensors: Tensors) -> Specs:
    return {name: tf.TensorSpec([None, *x.shape[1:]], x.dtype) for name, x in tensors.items()}


def _row_bytes(spec: tf.TensorSpec) -> int:
    return spec.dtype.size * int(np.prod(spec.shape[1:], dtype=int))
