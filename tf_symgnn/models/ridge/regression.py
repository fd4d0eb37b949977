"""A linear model of an atom's descriptors and of their averages over the neighborhood, solved in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.models.ridge.averages import NeighborhoodAverages, average_bytes
from tf_symgnn.models.ridge.solver import NormalEquations, best_penalty
from tf_symgnn.nn.pairs import PairView

HOPS = 3  # that averages reach over


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class NeighborhoodRidge(tf.keras.layers.Layer):
    """Ridge regression on descriptors and their averages over the neighborhood.

    Descriptors are averaged over neighbors of each species, and those averages once and twice more over all neighbors
    (after Boattini et al. 2021, eq. 5), on the graph that messages pass over. One regression serves all species of
    atoms: one for each was no better on the published glasses, and worse on few.

    Args:
        species: S atomic numbers of neighbors.
    """

    def __init__(self, *, species: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.species = tuple(species)
        self.blocks = 1 + HOPS * len(self.species)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of each block of features [K, blocks] and a constant, zero until solved for."""
        shape = (input_shape[-1], self.blocks)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="zeros", trainable=False)
        self.bias = self.add_weight(name="bias", shape=(), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, descriptors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the barriers [N] by the atoms' own descriptors [N, K], and the terms [N, S HOPS] to be averaged.

        Barriers are in standard deviations from the mean. Averages are linear, so that the kernel is applied before
        them: a number is averaged for each block of features.
        """
        own, terms = tf.split(tf.matmul(descriptors, self.kernel), [1, -1], axis=1)
        return tf.squeeze(own, axis=1) + self.bias, terms

    def barrier(self, descriptors: tf.Tensor, view: PairView) -> tf.Tensor:
        """Return barriers [N] after all hops, of atoms with descriptors [N, K]."""
        barrier, terms = self(descriptors)
        for hop in range(HOPS):
            barrier, terms = self.after_hop(hop, barrier, terms, view)
        return barrier

    def after_hop(self, hop: int, barrier: tf.Tensor, terms: tf.Tensor, view: PairView) -> tuple[tf.Tensor, tf.Tensor]:
        """Return barriers [N] with the terms that are averaged by now, and the other terms [N, HOPS - 1 - hop].

        Args:
            hop: from 0.
            barrier: [N], before the hop.
            terms: [N, S HOPS] before the first hop, [N, HOPS - hop] before others.
            view: the pairs.
        """
        by_species = tf.split(terms, len(self.species), axis=1) if hop == 0 else [terms]
        averaged = tf.add_n(self._average(hop, by_species, view))
        return barrier + averaged[:, 0], averaged[:, 1:]

    def bytes_per_pair(self) -> int:
        """Return the bytes that a pair takes at once."""
        return average_bytes(columns=HOPS * len(self.species))

    def features(self, descriptors: tf.Tensor, view: PairView) -> tf.Tensor:
        """Return all features of each atom, descriptors and averages, [N, blocks K]."""
        hops = [[descriptors] * len(self.species)]
        for hop in range(HOPS):
            hops.append(self._average(hop, hops[-1], view))
        averages = [averages[k] for k in range(len(self.species)) for averages in hops[1:]]
        return tf.concat([descriptors, *averages], axis=1)

    def _average(self, hop: int, values: Sequence[tf.Tensor], view: PairView) -> list[tf.Tensor]:
        """Return averages of values [N, C] over neighbors: in the first hop of one species each, in others of all."""
        averages = NeighborhoodAverages(view)
        if hop == 0:
            return [averages.over_species(z, x) for z, x in zip(self.species, values, strict=True)]
        return [averages.over_all(x) for x in values]

    def fit(self, glasses: Sequence[tuple[np.ndarray, np.ndarray]], expected: np.ndarray) -> float:
        """Solve for what is added to the weights, at the penalty that is best when glasses are left out in turn.

        A regression that was solved before on other glasses is changed only where these glasses differ from them.

        Args:
            glasses: features f[N, blocks K] and barriers [N], in standard deviations from the mean, of each.
            expected: f[K], the expected relative size of the weight of each standardized descriptor. A weight is
                penalized in units of it.

        Returns:
            The penalty.
        """
        weights, expected = self.kernel.numpy().T.ravel(), np.tile(expected, self.blocks)
        nonzero = np.flatnonzero(expected)  # few atoms have few components
        before = [features @ weights + self.bias.numpy() for features, _ in glasses]
        used = [(features[:, nonzero], x, barrier) for (features, barrier), x in zip(glasses, before, strict=True)]
        equations = [NormalEquations.of(features, barrier - x) for features, x, barrier in used]
        penalty = best_penalty(equations, used, expected[nonzero])
        change, bias = NormalEquations.sum(equations).solve(penalty, expected[nonzero])
        weights[nonzero] += change
        self.kernel.assign(weights.reshape(self.blocks, -1).T)
        self.bias.assign_add(bias)
        return penalty

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"species": self.species}
