"""A linear model of an atom's descriptors and of their averages about it, solved and not descended to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.models.ridge.averages import NeighborAverages
from tf_symgnn.models.ridge.solver import NormalEquations, best_penalty
from tf_symgnn.nn.pairs import Surroundings

HOPS = 3  # that averages reach over


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class NeighborhoodRidge(tf.keras.layers.Layer):
    """Ridge regression on descriptors and their averages over the neighbourhood.

    Averages weighted by exp(-r / 1 A) are over neighbours of each species, and of those once and twice more over all
    neighbours: after Boattini et al. (2021), eq. 5, on the graph that messages pass over. One regression serves all
    species of atoms: one for each was no better on the published glasses, and worse on few.

    Args:
        species: S atomic numbers of neighbours.
    """

    def __init__(self, *, species: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.species = tuple(species)
        self.blocks = 1 + HOPS * len(self.species)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the weights of each block of features [K, blocks] and a constant, zero until solved for."""
        start = {"initializer": "zeros", "trainable": False}
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.blocks), **start)
        self.bias = self.add_weight(name="bias", shape=(), **start)
        super().build(input_shape)

    def call(self, descriptors: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """Barriers f[N] of atoms with descriptors [N, K], in standard deviations from the mean."""
        sums = self.first_hop(self.terms(descriptors), around)
        for _ in range(1, HOPS):
            sums = self.next_hop(sums, around)
        return tf.squeeze(sums, axis=1)

    def terms(self, descriptors: tf.Tensor) -> tf.Tensor:
        """What is averaged of atoms with descriptors [N, K], a number a block of features [N, blocks].

        Averages are linear, so that the kernel may come before them.
        """
        return tf.matmul(descriptors, self.kernel)

    def first_hop(self, terms: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """From terms [N, blocks] the barriers so far, of atoms and their neighbours, and sums for hops to come."""
        own, *by_species = tf.split(terms, [1, *[HOPS] * len(self.species)], axis=1)
        average = NeighborAverages(around)
        heard = [average.of_species(z, values) for z, values in zip(self.species, by_species, strict=True)]
        return _added(own + self.bias, tf.add_n(heard))

    def next_hop(self, sums: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """Barriers and sums [N, H] after another hop, [N, H - 1]."""
        return _added(sums[:, :1], NeighborAverages(around).of_all(sums[:, 1:]))

    def features(self, descriptors: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """All that the regression sees of each atom, [N, blocks K]."""
        average = NeighborAverages(around)
        seen = [descriptors]
        for z in self.species:
            seen.append(average.of_species(z, descriptors))
            for _ in range(1, HOPS):
                seen.append(average.of_all(seen[-1]))
        return tf.concat(seen, axis=1)

    def adapt(self, glasses: Sequence[tuple[np.ndarray, np.ndarray]], expected: np.ndarray) -> float:
        """Solves for what is added to the weights, at the penalty that serves best when glasses are left out in turn.

        So a regression that was solved before on other glasses stays as it was where these say nothing else.

        Args:
            glasses: features f[N, blocks K] and barriers [N], in standard deviations from the mean, of each.
            expected: f[K], how large the weights of a standardised descriptor are, one beside another, as far as is
                known before: a weight is penalised in units of it.

        Returns:
            The penalty.
        """
        weights, expected = self.kernel.numpy().T.ravel(), np.tile(expected, self.blocks)
        told = np.flatnonzero(expected)  # of few atoms there are few components
        known = [(features[:, told], features @ weights + self.bias.numpy(), barrier) for features, barrier in glasses]
        equations = [NormalEquations.of(features, barrier - before) for features, before, barrier in known]
        penalty = best_penalty(equations, known, expected[told])
        change, bias = NormalEquations.sum(equations).solve(penalty, expected[told])
        weights[told] += change
        self.kernel.assign(weights.reshape(self.blocks, -1).T)
        self.bias.assign_add(bias)
        return penalty

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"species": self.species}


def _added(barrier: tf.Tensor, heard: tf.Tensor) -> tf.Tensor:
    """Barriers [N, 1] with what was heard for them, in the first of columns [N, H], and the other columns."""
    return tf.concat([barrier + heard[:, :1], heard[:, 1:]], axis=1)
