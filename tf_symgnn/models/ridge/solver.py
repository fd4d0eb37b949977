"""Normal equations of a ridge regression, glass by glass, and the choice of its penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg

# Of squared weights of standardized features, over those expected: the large ones for glasses that add little to what
# was solved for before.
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5)
SINGLE_GLASS_PENALTY = 100.0  # where no glass can be left out to choose one
# Of a feature's standard deviation over its mean: less is rounding, and no feature of a glass varies by less than 1e-4.
MIN_RELATIVE_SPREAD = 1e-6


class NormalEquations(NamedTuple):
    """The sums over atoms that a least-squares fit with a constant needs; those of several glasses add up."""

    atoms: int
    features: np.ndarray  # [D], means
    barrier: float  # the mean
    products: np.ndarray  # [D, D], sums over atoms of products of deviations from these means
    moments: np.ndarray  # [D], sums of products of the features' and the barrier's deviations

    @classmethod
    def of(cls, features: np.ndarray, barrier: np.ndarray) -> NormalEquations:
        """Return those of the atoms of one glass: features f[N, D] and barriers [N]."""
        mean, level = features.mean(axis=0, dtype=np.float64), barrier.mean(dtype=np.float64)
        # The products in single precision: they take nearly all the time, and of deviations their rounding is little.
        apart = features - mean.astype(features.dtype)
        return cls(len(features), mean, level, (apart.T @ apart).astype(np.float64), (barrier - level) @ apart)

    @classmethod
    def sum(cls, parts: Sequence[NormalEquations]) -> NormalEquations:
        """Return those of the atoms of several glasses."""
        atoms = np.array([part.atoms for part in parts])
        means, levels = np.stack([part.features for part in parts]), np.array([part.barrier for part in parts])
        mean, level = atoms @ means / atoms.sum(), atoms @ levels / atoms.sum()
        between = (means - mean).T * atoms  # what distinguishes one glass from another counts too
        products = sum(part.products for part in parts) + between @ (means - mean)
        moments = sum(part.moments for part in parts) + between @ (levels - level)
        return cls(int(atoms.sum()), mean, level, products, moments)

    def solve(self, penalty: float, expected: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the weights [D] and the constant of the ridge regression.

        The weights of standardized features are penalized in units of the expected ones [D]; those returned are of the
        features as they are.
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
    """Return the penalty with the highest mean Pearson correlation on the glass that is left out.

    Args:
        equations: of each glass, for what is left of its barriers.
        glasses: features [N, D], what was predicted before [N], and barriers [N] of each.
        expected: of weights [D].
    """
    if len(glasses) == 1:
        return SINGLE_GLASS_PENALTY
    scores = np.zeros(len(PENALTIES))
    for out, (features, before, barrier) in enumerate(glasses):
        others = NormalEquations.sum([*equations[:out], *equations[out + 1 :]])
        for k, penalty in enumerate(PENALTIES):
            predicted = before + features @ others.solve(penalty, expected)[0]
            # A glass of equal barriers does not distinguish penalties.
            defined = np.ptp(predicted) > 0 and np.ptp(barrier) > 0
            scores[k] += np.corrcoef(predicted, barrier)[0, 1] if defined else 0
    return PENALTIES[int(np.argmax(scores))]
