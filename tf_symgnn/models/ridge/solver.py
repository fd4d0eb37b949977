"""Normal equations of a ridge regression, glass by glass, and the penalty that serves best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg

# Of squared weights of standardised features, over those expected: the large ones for glasses that say little more than
# what was solved for before.
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5)
ALONE = 100.0  # the penalty of a single glass, that none is left for
CONSTANT = 1e-6  # what varies by less, of what it is, is rounding; no feature of a glass varies by less than 1e-4


class NormalEquations(NamedTuple):
    """What a least-squares fit with a constant needs to know of some atoms; that of several glasses adds up."""

    atoms: int
    features: np.ndarray  # [D], means
    barrier: float  # the mean
    products: np.ndarray  # [D, D], sums over atoms of products of deviations from these means
    moments: np.ndarray  # [D], sums of products of the features' and the barrier's deviations

    @classmethod
    def of(cls, features: np.ndarray, barrier: np.ndarray) -> NormalEquations:
        """The equations of one glass with features [N, D] and barriers [N]."""
        mean, level = features.mean(axis=0, dtype=np.float64), barrier.mean(dtype=np.float64)
        # The products in single precision: they take nearly all the time, and of deviations their rounding is little.
        apart = features - mean.astype(features.dtype)
        return cls(len(features), mean, level, (apart.T @ apart).astype(np.float64), (barrier - level) @ apart)

    @classmethod
    def sum(cls, parts: Sequence[NormalEquations]) -> NormalEquations:
        """The equations of several glasses together."""
        atoms = np.array([part.atoms for part in parts])
        means, levels = np.stack([part.features for part in parts]), np.array([part.barrier for part in parts])
        mean, level = atoms @ means / atoms.sum(), atoms @ levels / atoms.sum()
        between = (means - mean).T * atoms  # what sets one glass apart from another, too
        products = sum(part.products for part in parts) + between @ (means - mean)
        moments = sum(part.moments for part in parts) + between @ (levels - level)
        return cls(int(atoms.sum()), mean, level, products, moments)

    def solve(self, penalty: float, expected: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights [D] and constant of the ridge regression on standardised features, for features as they are.

        The weights of standardised features are penalised in units of what is expected of them [D].
        """
        spread = np.sqrt(np.diag(self.products) / self.atoms)
        varies = spread > CONSTANT * np.maximum(1, np.abs(self.features))
        scale = np.divide(expected, spread, out=np.zeros_like(spread), where=varies)
        products = self.products * scale * scale[:, np.newaxis]
        products[np.diag_indices_from(products)] += penalty
        weights = scale * scipy.linalg.solve(products, scale * self.moments, assume_a="pos", overwrite_a=True)
        return weights, self.barrier - weights @ self.features


def best_penalty(
    equations: Sequence[NormalEquations],
    glasses: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    expected: np.ndarray,
) -> float:
    """The penalty with the highest mean Pearson correlation on the glass that is left out.

    Args:
        equations: of each glass, for what is left of its barriers.
        glasses: features [N, D], what was predicted before [N], and barriers [N] of each.
        expected: of weights [D].
    """
    if len(glasses) == 1:
        return ALONE
    scores = np.zeros(len(PENALTIES))
    for out, (features, before, barrier) in enumerate(glasses):
        others = NormalEquations.sum([*equations[:out], *equations[out + 1 :]])
        for k, penalty in enumerate(PENALTIES):
            predicted = before + features @ others.solve(penalty, expected)[0]
            # A glass of equal barriers tells no penalty from another.
            defined = np.ptp(predicted) > 0 and np.ptp(barrier) > 0
            scores[k] += np.corrcoef(predicted, barrier)[0, 1] if defined else 0
    return PENALTIES[int(np.argmax(scores))]
