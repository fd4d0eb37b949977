"""Normal equations of a ridge regression, and the choice of its penalty by leave-one-glass-out cross-validation.

Scikit-learn's `Ridge` would compute the products of features again for each glass left out and each penalty. Here, they
are computed once per glass and added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg

# Penalties of squared weights of standardized features. The large ones are for a regression that is fitted again to
# glasses that are similar to those of the first fit.
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5)
SINGLE_GLASS_PENALTY = 100.0  # without a second glass for cross-validation
# Standard deviation of a feature over its mean; below it is rounding. The features of a glass vary by 1e-4 or more.
MIN_RELATIVE_SPREAD = 1e-6


class NormalEquations(NamedTuple):
    """The sums over atoms that determine a least-squares fit with a constant.

    Attributes:
        atoms: number of atoms.
        features: [D], means.
        barrier: the mean.
        products: [D, D], sums of products of deviations of features from their means.
        moments: [D], sums of products of deviations of features and of barriers.
    """

    atoms: int
    features: np.ndarray
    barrier: float
    products: np.ndarray
    moments: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, barrier: np.ndarray) -> NormalEquations:
        """Return the sums over the atoms of one glass with features f[N, D] and barriers [N]."""
        mean, barrier_mean = features.mean(axis=0, dtype=np.float64), barrier.mean(dtype=np.float64)
        # The products take nearly all the time, so they are in the single precision of the features.
        deviation = features - mean.astype(features.dtype)
        products = (deviation.T @ deviation).astype(np.float64)
        return cls(len(features), mean, barrier_mean, products, (barrier - barrier_mean) @ deviation)

    @classmethod
    def sum(cls, parts: Sequence[NormalEquations]) -> NormalEquations:
        """Return the sums over the atoms of several glasses."""
        atoms = np.array([part.atoms for part in parts])
        means, barriers = np.stack([part.features for part in parts]), np.array([part.barrier for part in parts])
        mean, barrier = atoms @ means / atoms.sum(), atoms @ barriers / atoms.sum()
        between = (means - mean).T * atoms  # the contribution of differences between glasses
        products = sum(part.products for part in parts) + between @ (means - mean)
        moments = sum(part.moments for part in parts) + between @ (barriers - barrier)
        return cls(int(atoms.sum()), mean, barrier, products, moments)

    def solve(self, penalty: float, expected: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the weights [D] of features, not standardized, and the constant of the ridge regression.

        Args:
            penalty: of squared weights of standardized features over `expected`.
            expected: [D], the expected relative sizes of weights of standardized features.
        """
        spread = np.sqrt(np.diag(self.products) / self.atoms)
        varies = spread > MIN_RELATIVE_SPREAD * np.maximum(1, np.abs(self.features))
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
    """Return the penalty with the highest mean Pearson correlation on glasses left out in turn.

    Args:
        equations: of each glass, for the residuals of its barriers.
        glasses: features [N, D], predictions before the fit [N], and barriers [N] of each glass.
        expected: [D], the expected relative sizes of weights.
    """
    if len(glasses) == 1:
        return SINGLE_GLASS_PENALTY
    scores = np.zeros(len(PENALTIES))
    for left_out, (features, before, barrier) in enumerate(glasses):
        others = NormalEquations.sum([*equations[:left_out], *equations[left_out + 1 :]])
        for k, penalty in enumerate(PENALTIES):
            predicted = before + features @ others.solve(penalty, expected)[0]
            # The correlation with equal barriers is undefined, so such a glass adds nothing to the score.
            defined = np.ptp(predicted) > 0 and np.ptp(barrier) > 0
            scores[k] += np.corrcoef(predicted, barrier)[0, 1] if defined else 0
    return PENALTIES[int(np.argmax(scores))]
