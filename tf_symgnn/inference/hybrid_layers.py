"""The layers of SymGNN and of the regression that it corrects, as functions of a part of a glass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_symgnn.inference.layers import LayerFunctions, part_of_glass
from tf_symgnn.models.hybrid import LOCAL_HOPS, SpectralSymGNN
from tf_symgnn.models.ridge.averages import neighborhood_average
from tf_symgnn.models.ridge.regression import HOPS
from tf_symgnn.nn.pairs import Surroundings

_AT_ONCE = 2000  # atoms whose spectra are computed: a spectrum is wider than any state


class SpectralLayerFunctions(LayerFunctions):
    """SymGNN that corrects a regression on spectra, taken apart: its layers, the regression beside them, and the rest.

    Level 1 are states and what the regression makes of spectra, level l those after l - 1 layers. In an atom's state
    follow, until all averages are made, its species and what is averaged next, and from then on what the regression
    predicts. Levels after the last layer and the last of these averages are, of an atom, what the regression predicts,
    what SymGNN differs from it by, and the averages for that so far. A pair's state ends with its displacement.

    Args:
        model: to predict with.
    """

    _model: SpectralSymGNN

    @property
    def depth(self) -> int:
        """How many levels there are."""
        return 1 + self._of_states + LOCAL_HOPS

    @property
    def _of_states(self) -> int:
        """How many levels are states."""
        return max(self._n_layers, HOPS)

    @property
    def atom_width(self) -> int:
        """The most numbers of an atom's state."""
        return self._width + self._kept(1)

    @property
    def pair_width(self) -> int:
        """The most numbers of a pair's state."""
        return self._width + 3

    def first(self, species: np.ndarray, displacement: np.ndarray, *pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Level 1 of own atoms and of their pairs, as `LayerFunctions.first`."""
        source, target, own = (np.asarray(x) for x in pairs)
        # Of a sender a spectrum sees the species, so that one atom of each stands for all of them.
        known = np.sort(np.array(self._model.spectrum.species, np.int32))
        sender = np.searchsorted(known, species[source]).astype(np.int32)
        starts = np.arange(0, own, _AT_ONCE)
        ends = np.minimum(starts + _AT_ONCE, own)
        made = []
        for begin, end in zip(starts, ends, strict=True):
            n = np.int32(end - begin)
            of = slice(*np.searchsorted(target, (begin, end)))
            atoms = np.concatenate([species[begin:end], known])
            part = (atoms, displacement[of], sender[of] + n, target[of] - np.int32(begin), n)
            made.append(self._functions[0](*map(tf.constant, part)))
        nodes, edges = zip(*made, strict=True)
        return tf.concat(nodes, axis=0), tf.concat(edges, axis=0)

    def working_bytes(self, own: np.ndarray, around: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        """What a step takes besides the states that are kept, by numbers of own atoms, of all atoms and of pairs."""
        spectrum = self._model.spectrum
        channels, harmonics = len(spectrum.species) * spectrum.shells, (spectrum.degree + 1) ** 2
        # As if all blocks were at work at once. Both sides of the moments, as pairs and filled up to whole runs, and in
        # double precision; the moments; the power spectra, whole, of one triangle, divided, less their means, which are
        # gathered, and standardised.
        of_pair = 4 * 7 * (channels + harmonics) + super()._encoding_bytes
        of_atom = 4 * channels * (3 * harmonics + (spectrum.degree + 1) * 4 * channels)
        at_once = np.minimum(own, _AT_ONCE)
        spectra = at_once * (of_pair * pairs / np.maximum(own, 1) + of_atom)
        return super().working_bytes(own, around, pairs) + spectra

    @property
    def _encoding_bytes(self) -> int:
        """None of all pairs: they are encoded some atoms at once, like spectra."""
        return 0

    def _kept(self, level: int) -> int:
        """How many numbers of an atom a level keeps after its state."""
        if level > HOPS:
            return 1
        return 1 + (self._model.ridge.blocks if level == 1 else HOPS + 2 - level)

    def _given(self, k: int) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        if k == 0:
            return super()._given(k)
        widths = (self._width + self._kept(k), self._width + 3) if k <= self._of_states else (4, 3)
        return tuple(tf.TensorSpec([None, width], tf.float32) for width in widths)

    def _level(self, k: int) -> Callable:
        if k == 0:
            return self._encoded

        def level(of_atoms: tf.Tensor, of_pairs: tf.Tensor, source: tf.Tensor, target: tf.Tensor, own: tf.Tensor):
            nodes, kept = tf.split(of_atoms, [self._width, -1], axis=1)
            edges, displacement = tf.split(of_pairs, [self._width, -1], axis=1)
            nodes, edges = (tf.cast(x, self._model.compute_dtype) for x in (nodes, edges))
            if k <= self._n_layers:
                nodes, edges = self._pass_messages(k - 1, nodes, edges, source, target)
            if k <= HOPS:
                kept = self._averaged(k, kept, displacement, source, target)
            if k < self._of_states:
                return _joined(nodes, kept)[:own], _joined(edges, displacement)
            linear = self._model.unscaled(kept[:own, 0])
            difference = tf.cast(self._barrier(nodes[:own]), tf.float32) - linear
            kept = [linear[:, tf.newaxis], difference[:, tf.newaxis], self._model.unaveraged(difference)]
            return tf.concat(kept, axis=1), displacement

        def correction(of_atoms: tf.Tensor, of_pairs: tf.Tensor, source: tf.Tensor, target: tf.Tensor, own: tf.Tensor):
            around = _around(tf.ones_like(of_atoms[:, 0], tf.int32), of_pairs, source, target)
            averages = neighborhood_average(of_atoms[:, 2:], around)[:own]
            if k < self.depth - 1:
                return tf.concat([of_atoms[:own, :2], averages], axis=1), of_pairs
            return self._model.corrected(of_atoms[:own, 0], of_atoms[:own, 1], averages), of_pairs[:0]

        return level if k <= self._of_states else correction

    def _encoded(
        self, species: tf.Tensor, displacement: tf.Tensor, source: tf.Tensor, target: tf.Tensor, own: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        graph = part_of_glass(source, target, species=species, displacement=displacement)
        nodes, edges, _ = self._model.encode(graph, training=False)
        components, _ = self._model.shown(graph)
        kept = tf.concat([tf.cast(species, tf.float32)[:, tf.newaxis], self._model.ridge.terms(components)], axis=1)
        return _joined(nodes, kept)[:own], _joined(edges, displacement)

    def _averaged(
        self, k: int, kept: tf.Tensor, displacement: tf.Tensor, source: tf.Tensor, target: tf.Tensor
    ) -> tf.Tensor:
        """What is kept after another hop."""
        species, ridge = tf.cast(kept[:, 0], tf.int32), self._model.ridge
        around = _around(species, displacement, source, target)
        sums = (ridge.first_hop if k == 1 else ridge.next_hop)(kept[:, 1:], around)
        return sums if k == HOPS else tf.concat([kept[:, :1], sums], axis=1)


def _around(species: tf.Tensor, displacement: tf.Tensor, source: tf.Tensor, target: tf.Tensor) -> Surroundings:
    return Surroundings.of(part_of_glass(source, target, species=species, displacement=displacement), "float32")


def _joined(states: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.cast(states, tf.float32), others], axis=1)
