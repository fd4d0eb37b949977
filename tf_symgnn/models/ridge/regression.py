"""Ridge regression on descriptors of atoms and their neighborhood averages, solved in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.models.ridge.averages import NeighborhoodAverages, average_bytes
from tf_symgnn.models.ridge.solver import LabeledFeatures, NormalEquations, best_prior, folds
from tf_symgnn.nn.pairs import PairView

HOPS = 3  # of averages


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class NeighborhoodRidge(tf.keras.layers.Layer):
    """Ridge regression on descriptors and their neighborhood averages.

    The first hop averages descriptors over neighbors of each species. The next two hops average the result over all
    neighbors (after Boattini et al. 2021, eq. 5). One regression serves all species of atoms: separate regressions were
    no better on the published glasses, and worse on few glasses.

    Features are blocks of K columns: the descriptors, then the averages of all hops for the first species, and so on.
    For prediction, the kernel is applied before the averages, which are linear, so one number per block is averaged in
    place of K columns.

    Args:
        species: S atomic numbers of neighbors.
    """

    def __init__(self, *, species: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.species = tuple(species)
        self.blocks = 1 + HOPS * len(self.species)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of each block of features [K, blocks] and the constant, zero until `fit`."""
        shape = (input_shape[-1], self.blocks)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="zeros", trainable=False)
        self.bias = self.add_weight(name="bias", shape=(), initializer="zeros", trainable=False)
        super().build(input_shape)

    def call(self, descriptors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the terms of barriers [N] without averages, and the terms [N, S HOPS] to average.

        Both are of descriptors [N, K], and in standard deviations of the labels from their mean. `after_hop` averages
        the terms.
        """
        own, terms = tf.split(tf.matmul(descriptors, self.kernel), [1, -1], axis=1)
        return tf.squeeze(own, axis=1) + self.bias, terms

    def after_hop(self, hop: int, barrier: tf.Tensor, terms: tf.Tensor, view: PairView) -> tuple[tf.Tensor, tf.Tensor]:
        """Return barriers [N] after one more hop of averages, and the terms [N, HOPS - 1 - hop] of the hops to come.

        Args:
            hop: number of the hop, from 0.
            barrier: [N], before the hop.
            terms: [N, S HOPS] before the first hop, [N, HOPS - hop] before the others.
            view: the pairs of the graph.
        """
        by_species = tf.split(terms, len(self.species), axis=1) if hop == 0 else [terms]
        averaged = tf.add_n(self._average(hop, by_species, view))
        return barrier + averaged[:, 0], averaged[:, 1:]

    def bytes_per_pair(self) -> int:
        """Return the peak memory of a pair in bytes."""
        return average_bytes(columns=HOPS * len(self.species))

    def features(self, descriptors: tf.Tensor, view: PairView) -> tf.Tensor:
        """Return the features [N, blocks K] of atoms with descriptors [N, K], for `fit`."""
        hops = [[descriptors] * len(self.species)]
        for hop in range(HOPS):
            hops.append(self._average(hop, hops[-1], view))
        averages = [averages[k] for k in range(len(self.species)) for averages in hops[1:]]
        return tf.concat([descriptors, *averages], axis=1)

    def _average(self, hop: int, values: Sequence[tf.Tensor], view: PairView) -> list[tf.Tensor]:
        """Return averages of values [N, C] over neighbors: of one species each in the first hop, else of all."""
        averages = NeighborhoodAverages(view)
        if hop == 0:
            return [averages.over_species(z, x) for z, x in zip(self.species, values, strict=True)]
        return [averages.over_all(x) for x in values]

    def fit(self, glasses: Sequence[LabeledFeatures], priors: Sequence[np.ndarray]) -> tuple[int, float]:
        """Fit the residuals of the present weights, and add the result to the weights.

        Cross-validation on glasses left out selects a prior and the penalty. If the weights were fitted to other
        glasses, the penalty keeps them close to their present values.

        Args:
            glasses: of `blocks` K features each, with barriers in standard deviations from the mean.
            priors: each f[K], the expected relative size of the weight of each standardized descriptor. The penalty is
                on the weight over this size; a descriptor of size zero, which it has in all priors, is not used.

        Returns:
            The number of the prior, and the penalty.
        """
        weights, expected = self.kernel.numpy().T.ravel(), [np.tile(prior, self.blocks) for prior in priors]
        nonzero = np.flatnonzero(expected[0])
        expected = [prior[nonzero] for prior in expected]
        predicted = [glass.features @ weights + self.bias.numpy() for glass in glasses]
        used = [glass._replace(features=glass.features[:, nonzero]) for glass in glasses]
        residuals = [glass._replace(barrier=glass.barrier - x) for glass, x in zip(used, predicted, strict=True)]
        equations = [NormalEquations.sum(map(NormalEquations.of, fold)) for fold in folds(residuals)]
        chosen, penalty = best_prior(equations, folds(predicted), folds(used), expected)
        change, bias = NormalEquations.sum(equations).solve(penalty, expected[chosen])
        weights[nonzero] += change
        self.kernel.assign(weights.reshape(self.blocks, -1).T)
        self.bias.assign_add(bias)
        return chosen, penalty

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"species": self.species}
