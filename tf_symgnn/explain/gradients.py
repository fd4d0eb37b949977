"""Integrated gradients with respect to pair weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tf_symgnn.explain.neighborhoods import Neighborhood
from tf_symgnn.explain.probe import Probe, in_batches
from tf_symgnn.progress import progress_bar

NODES = 40  # number of nodes of the Gauss-Legendre quadrature

# The path is w = t^6. Attention divides by the sum of weights, so predictions change most where the weights of pairs
# are similar to that of the self-loop, which can be as small as 0.001.
POWER = 6


class Integrated(NamedTuple):
    """Contributions of pairs to the prediction of their center.

    Attributes:
        contribution: f64[P] eV for each of T centers, of either sign; 0 for self-loops.
        difference: f64[T] eV, prediction of each center minus its prediction without any pair.
    """

    contribution: list[np.ndarray]
    difference: np.ndarray

    @property
    def incompleteness(self) -> float:
        """Return the largest deviation, eV, of the sum of a center's contributions from the explained difference."""
        sums = np.array([part.sum() for part in self.contribution])
        return float(np.abs(sums - self.difference).max(initial=0.0))


def integrated_gradients(probe: Probe, neighborhoods: Sequence[Neighborhood]) -> Integrated:
    """Return integrated gradients (Sundararajan et al. 2017, eq. 1) along a path from no pairs to all pairs.

    All pairs have the same weight on the path; self-loops keep weight 1. In a graph without self-loops attention does
    not depend on a common weight, so that the contributions do not sum to the difference.

    Args:
        probe: the model.
        neighborhoods: those of the T centers.
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(NODES)
    nodes = (nodes + 1) / 2
    pair_weights, node_weights = nodes**POWER, node_weights / 2 * POWER * nodes ** (POWER - 1)
    contribution, difference = [], []
    batches = in_batches(neighborhoods)
    with progress_bar(total=NODES * len(batches), title="integrated gradients", unit="step") as bar:
        for batch in batches:
            total = np.zeros(batch.n_pairs)
            for pair_weight, node_weight in zip(pair_weights, node_weights, strict=True):
                _, slope = probe.slopes(batch, np.where(batch.explained, pair_weight, 1.0))
                total += node_weight * slope
                bar.update()
            contribution += batch.split(total * batch.explained)
            without_pairs = probe.predict(batch, np.where(batch.explained, 0.0, 1.0))
            difference.append(probe.predict(batch) - without_pairs)
    return Integrated(contribution, np.concatenate(difference))
