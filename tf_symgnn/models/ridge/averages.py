"""Weighted averages over the neighbors of each atom."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.nn.pairs import PairView

# A, of the weight of a neighbor at distance r: exp(-(r - offset) / decay).
AVERAGE_DECAY, AVERAGE_OFFSET = 1.0, 2.5
# Added to the sum of weights, as large as the weight of a neighbor at 7 A: an average of less fades to zero.
AVERAGE_EPSILON = 0.01


class NeighborhoodAverages:
    """Averages over neighbors, the atom itself left out, weighted by exp(-r / 1 A) and the pair weights.

    They fade where all weights are small, and are zero where there is no neighbor (after Boattini et al. 2021, eq. 5).

    Args:
        view: the pairs.
    """

    def __init__(self, view: PairView):
        self._view, self._weight = view, tf.exp((AVERAGE_OFFSET - view.distance) / AVERAGE_DECAY)

    def over_species(self, atomic_number: int, values: tf.Tensor) -> tf.Tensor:
        """Return averages [N, C] over neighbors of one species, of values [N, C]."""
        return self._average(self._weight * self._view.source_is(atomic_number), values)

    def over_all(self, values: tf.Tensor) -> tf.Tensor:
        """Return averages [N, C] over all neighbors, of values [N, C]."""
        return self._average(self._weight, values)

    def _average(self, weight: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        total = self._view.sum_to_receiver(weight)
        return self._view.sum_to_receiver(weight * self._view.gather_source(values)) / (total + AVERAGE_EPSILON)


def average_bytes(*, columns: int) -> int:
    """Return the bytes that averages of so many columns take of a pair at once: three products and four numbers."""
    return 4 * (3 * columns + 4)
