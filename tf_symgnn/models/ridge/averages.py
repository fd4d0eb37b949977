"""Weighted averages over the neighbors of each atom."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.nn.pairs import PairView

# The weight of a neighbor at distance r is exp(-(r - offset) / decay), in A.
AVERAGE_DECAY, AVERAGE_OFFSET = 1.0, 2.5
# Added to the sum of weights, so that averages vanish with it. It equals the weight of a neighbor at 7.1 A.
AVERAGE_EPSILON = 0.01


class NeighborhoodAverages:
    """Averages over neighbors, without the atom itself, weighted by exp(-r / 1 A) and by pair weights.

    An average is zero for an atom without neighbors, and small if all weights are small (after Boattini et al. 2021,
    eq. 5).

    Args:
        view: the pairs of the graph.
    """

    def __init__(self, view: PairView):
        self._view, self._weight = view, tf.exp((AVERAGE_OFFSET - view.distance) / AVERAGE_DECAY)

    def over_species(self, atomic_number: int, values: tf.Tensor) -> tf.Tensor:
        """Return averages [N, C] of values [N, C] over neighbors of one species."""
        return self._average(self._weight * self._view.source_is(atomic_number), values)

    def over_all(self, values: tf.Tensor) -> tf.Tensor:
        """Return averages [N, C] of values [N, C] over all neighbors."""
        return self._average(self._weight, values)

    def _average(self, weight: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """Return averages [N, C] of values [N, C] with weights [E, 1]."""
        total = self._view.sum_to_receiver(weight)
        return self._view.sum_to_receiver(weight * self._view.gather_source(values)) / (total + AVERAGE_EPSILON)


def average_bytes(*, columns: int) -> int:
    """Return the peak memory of a pair in bytes for averages of values [N, columns].

    It consists of three tensors [E, columns] and four [E, 1].
    """
    return 4 * (3 * columns + 4)
