"""The ranges of structures and labels that a model was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from tf_symgnn.domain.structure import FRACTION, Structure
from tf_symgnn.errors import require_number

# Variance of a species' fraction below which training glasses do not show how a statistic depends on composition.
_FRACTION_VARIANCE = 0.01**2


@dataclass(frozen=True)
class TrainedRange:
    """The range of a statistic over the training glasses, about a linear trend in composition.

    Attributes:
        intercept: of the trend.
        slopes: of the trend, by species.
        low: lowest deviation of a training glass from the trend.
        high: highest deviation.
        error: mean standard error of the statistic of a training glass.
    """

    intercept: float
    slopes: Mapping[str, float]
    low: float
    high: float
    error: float

    def __post_init__(self) -> None:
        numbers = {name: getattr(self, name) for name in ("intercept", "low", "high", "error")}
        for name, value in {**numbers, **self.slopes}.items():
            require_number("training domain", name, value)

    def at(self, fractions: Mapping[str, float]) -> tuple[float, float]:
        """Return the lowest and the highest value at a composition, given as fractions by species."""
        trend = self.intercept + sum(slope * fractions.get(name, 0.0) for name, slope in self.slopes.items())
        return trend + self.low, trend + self.high


@dataclass(frozen=True)
class TrainingDomain:
    """What the training glasses cover. Without arguments it covers everything.

    Attributes:
        structure: ranges by kind of `structure_statistics`, and then by what they are of.
        mean_barrier: lowest and highest mean label of a training glass, eV.
        barrier: lowest and highest label of an atom, eV.
        barrier_std: standard deviation of all labels, eV.
    """

    structure: Mapping[str, Mapping[str, TrainedRange]] = field(default_factory=dict)
    mean_barrier: tuple[float, float] = (-math.inf, math.inf)
    barrier: tuple[float, float] = (-math.inf, math.inf)
    barrier_std: float = 1.0

    @classmethod
    def of(cls, structures: Sequence[Structure], labels: Sequence[np.ndarray]) -> TrainingDomain:
        """Return the domain of training glasses.

        Args:
            structures: `structure_statistics` of each glass.
            labels: f[N] eV of each glass, NaN for atoms without one.
        """
        ranges = {
            kind: {of: _range(kind, of, structures) for of in sorted(set().union(*(x[kind] for x in structures)))}
            for kind in structures[0]
        }
        means = [float(np.nanmean(x)) for x in labels]
        return cls(
            structure=ranges,
            mean_barrier=(min(means), max(means)),
            barrier=(float(min(map(np.nanmin, labels))), float(max(map(np.nanmax, labels)))),
            barrier_std=float(np.nanstd(np.concatenate(labels))) or 1.0,
        )

    @classmethod
    def from_record(cls, record: Mapping) -> TrainingDomain:
        """Return the domain that `record` stored."""
        structure = {
            kind: {of: TrainedRange(**values) for of, values in ranges.items()}
            for kind, ranges in record["structure"].items()
        }
        return cls(structure, tuple(record["mean_barrier"]), tuple(record["barrier"]), record["barrier_std"])

    def record(self) -> dict:
        """Return the domain as plain JSON values."""
        return asdict(self)


def fractions(structure: Structure) -> dict[str, float]:
    """Return the fraction of each species."""
    return {symbol: fraction.value for symbol, fraction in structure[FRACTION].items()}


def _range(kind: str, of: str, structures: Sequence[Structure]) -> TrainedRange:
    having = [structure for structure in structures if of in structure[kind]]
    values = np.array([structure[kind][of].value for structure in having])
    by_glass = [fractions(structure) for structure in having]
    species = [] if kind == FRACTION else sorted(set().union(*by_glass))
    compositions = np.array([[glass.get(symbol, 0.0) for symbol in species] for glass in by_glass])
    centered = compositions - compositions.mean(axis=0)
    ridge = len(values) * _FRACTION_VARIANCE * np.eye(len(species))
    slopes = np.linalg.solve(centered.T @ centered + ridge, centered.T @ (values - values.mean()))
    intercept = values.mean() - compositions.mean(axis=0) @ slopes
    residuals = values - intercept - compositions @ slopes
    return TrainedRange(
        intercept=float(intercept),
        slopes=dict(zip(species, slopes.tolist(), strict=True)),
        low=float(residuals.min()),
        high=float(residuals.max()),
        error=float(np.mean([structure[kind][of].error for structure in having])),
    )
