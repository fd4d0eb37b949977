"""Integrated gradients on pair weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tf_symgnn.explain.neighbourhoods import Neighbourhood
from tf_symgnn.explain.probe import Probe, in_batches

NODES = 40  # of Gauss-Legendre quadrature

# The path is w = t^6: attention divides by the sum of weights, so that predictions change where pairs' weights pass
# what the self-loop is worth, which may be one part in thousands.
POWER = 6


class Integrated(NamedTuple):
    """What each pair adds to its target's prediction.

    Attributes:
        contribution: f64[P] eV of each target's pairs, of either sign; 0 on self-loops.
        difference: f64[T] eV, of each target's prediction from what it would be without any pair.
    """

    contribution: list[np.ndarray]
    difference: np.ndarray

    @property
    def incompleteness(self) -> float:
        """The largest difference, eV, of a target's contributions' sum from what they should sum to."""
        sums = np.array([part.sum() for part in self.contribution])
        return float(np.abs(sums - self.difference).max(initial=0.0))


def integrated_gradients(probe: Probe, neighbourhoods: Sequence[Neighbourhood]) -> Integrated:
    """Integrated gradients (Sundararajan et al. 2017, eq. 1) from no pair to all pairs, self-loops staying.

    All pairs share one weight on the path. Of a graph without self-loops attention sees no uniform fading, and
    contributions do not sum to the difference.
    """
    nodes, shares = np.polynomial.legendre.leggauss(NODES)
    nodes = (nodes + 1) / 2
    weights, shares = nodes**POWER, shares / 2 * POWER * nodes ** (POWER - 1)
    contribution, difference = [], []
    batches = in_batches(neighbourhoods)
    with tqdm(total=NODES * len(batches), desc="integrated gradients", unit="step", mininterval=1.0) as bar:
        for batch in batches:
            total = np.zeros(batch.n_pairs)
            for weight, share in zip(weights, shares, strict=True):
                _, slope = probe.slopes(batch, np.where(batch.explained, weight, 1.0))
                total += share * slope
                bar.update()
            contribution += batch.split(total * batch.explained)
            alone = probe.predict(batch, np.where(batch.explained, 0.0, 1.0))
            difference.append(probe.predict(batch) - alone)
    return Integrated(contribution, np.concatenate(difference))
