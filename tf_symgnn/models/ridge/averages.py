"""Weighted averages over the neighbours of each atom."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.nn.pairs import Surroundings

DECAY, BOND = 1.0, 2.5  # A, of a neighbour's share in an average: exp(-(r - bond) / decay)
FAINT = 0.01  # of a share at the bond: an average over less than that fades, as the weight of a pair may


def neighborhood_average(values: tf.Tensor, around: Surroundings) -> tf.Tensor:
    """Averages [N, C] of neighbours' values [N, C], the atom's own left out, weighted by exp(-r / 1 A).

    They fade where weights are small, and are zero where there is no neighbour.
    """
    return NeighborAverages(around).of_all(values)


class NeighborAverages:
    """Weighted averages over the neighbours of each atom; zero where there is none."""

    def __init__(self, around: Surroundings):
        self._around, self._near = around, tf.exp((BOND - around.distance) / DECAY)

    def of_species(self, z: int, values: tf.Tensor) -> tf.Tensor:
        """Averages [N, C] of values [N, C] over neighbours of one species, by its atomic number."""
        return self._average(self._near * self._around.sent_by(z), values)

    def of_all(self, values: tf.Tensor) -> tf.Tensor:
        """Averages [N, C] of values [N, C] over all neighbours."""
        return self._average(self._near, values)

    def _average(self, share: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        total = self._around.received(share)
        return self._around.received(share * self._around.from_source(values)) / (total + FAINT)
