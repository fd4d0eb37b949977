"""Normal equations of a ridge regression, and the choice of its prior and penalty by cross-validation.

Scikit-learn's `Ridge` would compute the products of features again for each fold left out and each penalty. Here, they
are computed once per glass and added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy.linalg

# Penalties of squared weights of standardized features. The large ones are for a regression that is fitted again to
# glasses that are similar to those of the first fit.
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 1e5)
MAX_FOLDS = 6  # of cross-validation; the products of one take 200 MB for 5000 features
SINGLE_GLASS_PENALTY = 100.0  # without a second glass for cross-validation
# Standard deviation of a feature over its mean; below it is rounding. The features of a glass vary by 1e-4 or more.
MIN_RELATIVE_SPREAD = 1e-6


class LabeledFeatures(NamedTuple):
    """The features, labels and weights of the atoms of one glass.

    Attributes:
        features: f[N, D].
        barrier: [N], labels.
        weight: [N], of the atoms in the sum of squares; None for 1.
    """

    features: np.ndarray
    barrier: np.ndarray
    weight: np.ndarray | None = None


class NormalEquations(NamedTuple):
    """The weighted sums over atoms that determine a least-squares fit with a constant.

    Attributes:
        weight: sum of the weights of atoms.
        features: [D], means.
        barrier: the mean.
        products: [D, D], sums of products of deviations of features from their means.
        moments: [D], sums of products of deviations of features and of barriers.
    """

    weight: float
    features: np.ndarray
    barrier: float
    products: np.ndarray
    moments: np.ndarray

    @classmethod
    def of(cls, glass: LabeledFeatures) -> NormalEquations:
        """Return the sums over the atoms of one glass."""
        features, barrier, weight = glass
        weight = np.ones(len(features)) if weight is None else np.asarray(weight, np.float64)
        total = weight.sum()
        mean, barrier_mean = np.einsum("n,nd->d", weight, features, dtype=np.float64) / total, weight @ barrier / total
        # The products take nearly all the time, so they are in the single precision of the features.
        deviation, root = features - mean.astype(features.dtype), np.sqrt(weight)
        deviation *= root[:, np.newaxis].astype(features.dtype)
        products = (deviation.T @ deviation).astype(np.float64)
        return cls(float(total), mean, float(barrier_mean), products, (root * (barrier - barrier_mean)) @ deviation)

    @classmethod
    def sum(cls, parts: Iterable[NormalEquations]) -> NormalEquations:
        """Return the sums over the atoms of several parts."""
        return reduce(cls._plus, parts)

    def _plus(self, other: NormalEquations) -> NormalEquations:
        weight = self.weight + other.weight
        share = other.weight / weight
        features, barrier = other.features - self.features, other.barrier - self.barrier
        between = self.weight * share * features  # the contribution of the difference between the parts
        products = self.products + other.products
        products += np.multiply.outer(between, features)
        moments = self.moments + other.moments + between * barrier
        return NormalEquations(
            weight, self.features + share * features, self.barrier + share * barrier, products, moments
        )

    def solve(self, penalty: float, expected: np.ndarray) -> tuple[np.ndarray, float]:
        """Return the weights [D] of features, not standardized, and the constant of the ridge regression.

        Args:
            penalty: of squared weights of standardized features over `expected`.
            expected: [D], the expected relative sizes of weights of standardized features.
        """
        spread = np.sqrt(np.diag(self.products) / self.weight)
        varies = spread > MIN_RELATIVE_SPREAD * np.maximum(1, np.abs(self.features))
        scale = np.divide(expected, spread, out=np.zeros_like(spread), where=varies)
        products = self.products * scale * scale[:, np.newaxis]
        products[np.diag_indices_from(products)] += penalty
        weights = scale * scipy.linalg.solve(products, scale * self.moments, assume_a="pos", overwrite_a=True)
        return weights, self.barrier - weights @ self.features


def folds(glasses: Sequence) -> list[Sequence]:
    """Return glasses in at most `MAX_FOLDS` parts for cross-validation; consecutive ones are in different parts."""
    return [glasses[k::MAX_FOLDS] for k in range(min(MAX_FOLDS, len(glasses)))]


def best_prior(
    equations: Sequence[NormalEquations],
    predicted: Sequence[Sequence[np.ndarray]],
    glasses: Sequence[Sequence[LabeledFeatures]],
    priors: Sequence[np.ndarray],
) -> tuple[int, float]:
    """Return the number of a prior and a penalty, with the highest mean Pearson correlation on glasses left out.

    Folds are left out in turn. With one fold the result is the first prior and `SINGLE_GLASS_PENALTY`.

    Args:
        equations: of each fold, for the residuals of its barriers.
        predicted: predictions before the fit [N] of each glass of each fold.
        glasses: of each fold.
        priors: each the expected relative sizes of weights [D].
    """
    if len(equations) == 1:
        return 0, SINGLE_GLASS_PENALTY
    scores = np.zeros((len(priors), len(PENALTIES)))
    for left_out, (before, fold) in enumerate(zip(predicted, glasses, strict=True)):
        others = NormalEquations.sum([*equations[:left_out], *equations[left_out + 1 :]])
        for k, prior in enumerate(priors):
            for m, penalty in enumerate(PENALTIES):
                weights, _ = others.solve(penalty, prior)
                scores[k, m] += sum(
                    _correlation(x + features @ weights, barrier)
                    for x, (features, barrier, _) in zip(before, fold, strict=True)
                )
    k, m = np.unravel_index(np.argmax(scores), scores.shape)
    return int(k), PENALTIES[m]


def _correlation(predicted: np.ndarray, barrier: np.ndarray) -> float:
    # That with equal barriers is undefined, so such a glass adds nothing to the score.
    defined = np.ptp(predicted) > 0 and np.ptp(barrier) > 0
    return np.corrcoef(predicted, barrier)[0, 1] if defined else 0.0
