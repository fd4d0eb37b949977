"""How far a glass and its predicted barriers are outside what a model was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tf_symgnn.data import Glass
from tf_symgnn.domain.ranges import TrainingDomain, fractions
from tf_symgnn.domain.structure import (
    BOND_LENGTH,
    BOND_SPREAD,
    DENSITY,
    FRACTION,
    Structure,
    structure_statistics,
)
from tf_symgnn.graph import build_graph

NOVELTY, MEAN_BARRIER, OUTSIDE = "novelty", "mean barrier", "fraction of barriers outside the range of labels"

# Tolerated distance from the training range. Validation glasses of the data set stay within it, whatever their quench
# rate and composition; few glasses strained by 1% or of another potential do (benchmarks/RESULTS.md, "Extrapolation").
TOLERANCE = {FRACTION: 0.03, NOVELTY: 0.5, OUTSIDE: 0.02}
RELATIVE_TOLERANCE = {DENSITY: 0.0135, BOND_LENGTH: 0.005, BOND_SPREAD: 0.04}
MEAN_TOLERANCE = 0.5  # of the mean barrier, in standard deviations of the training labels
ERRORS = 2  # standard errors that are tolerated in addition

ADVICE = "barriers of such glasses can be wrong by an eV; their order is more reliable than their level"

_UNITS = {DENSITY: " A^-3", BOND_LENGTH: " A", MEAN_BARRIER: " eV"}
LEAST_REASON = 0.3  # the score of a deviation that a warning names
_MAX_REASONS = 3  # in a warning


class ExtrapolationWarning(UserWarning):
    """A glass is outside the training data of a model, so that its predicted barriers are not reliable."""


@dataclass(frozen=True)
class Deviation:
    """A statistic of a glass and the range of the training glasses.

    Attributes:
        kind: of the statistic, such as `bond length`.
        of: what it is of, such as `Cu-Zr`; empty for all atoms.
        value: of the glass.
        low: lowest value of the training glasses, at the composition of this one.
        high: highest value.
        score: distance of the value from the range over the tolerated distance; 0 within the range.
    """

    kind: str
    of: str
    value: float
    low: float
    high: float
    score: float

    @classmethod
    def from_range(cls, kind: str, of: str, value: float, trained: tuple[float, float], tolerance: float) -> Deviation:
        """Return the deviation of a value from the lowest and the highest value of the training glasses."""
        low, high = trained
        return cls(kind, of, value, low, high, max(low - value, value - high, 0.0) / tolerance)

    def __str__(self) -> str:
        unit = _UNITS.get(self.kind, "")
        return f"{self.of} {self.kind} {self.value:.3g}{unit}, training {self.low:.3g} to {self.high:.3g}{unit}".strip()


@dataclass(frozen=True)
class Extrapolation:
    """How far a glass is outside the training data.

    Attributes:
        deviations: of all statistics, the largest score first.
    """

    deviations: Sequence[Deviation] = field(default_factory=tuple)

    @property
    def score(self) -> float:
        """Return the root of the sum of squares of all scores; predictions for a glass above 1 are not reliable.

        Glasses of another potential are a little off in several statistics, and not far off in any.
        """
        return math.hypot(*(deviation.score for deviation in self.deviations))

    @property
    def info(self) -> dict[str, float]:
        """Return the score as a file of the glass stores it, `extrapolation`, with three digits."""
        return {"extrapolation": float(f"{self.score:.3g}")}

    @property
    def reasons(self) -> list[Deviation]:
        """Return the deviations of a glass whose predictions are not reliable, the largest first; else none."""
        if self.score <= 1:
            return []
        least = min(LEAST_REASON, self.deviations[0].score)
        return [deviation for deviation in self.deviations if deviation.score >= least]

    def __str__(self) -> str:
        if not self.reasons:
            return f"within the training data (extrapolation {self.score:.1f})"
        reasons = "; ".join(map(str, self.reasons[:_MAX_REASONS]))
        return f"outside the training data (extrapolation {self.score:.1f}): {reasons}"


def extrapolation(
    domain: TrainingDomain, structure: Structure, barrier: np.ndarray, *, novelty: float | None = None
) -> Extrapolation:
    """Return how far a glass is outside the training data.

    Args:
        domain: of the training data.
        structure: `structure_statistics` of the glass.
        barrier: predicted barriers f[N] eV.
        novelty: the median of the model's novelty over atoms, or None if the model has none.
    """
    at, deviations = fractions(structure), []
    for kind, ranges in domain.structure.items():
        for of in ranges.keys() & structure[kind].keys():
            value, error = structure[kind][of]
            tolerance = TOLERANCE[kind] if kind in TOLERANCE else RELATIVE_TOLERANCE[kind] * value
            tolerance += ERRORS * float(np.hypot(error, ranges[of].error))
            deviations.append(Deviation.from_range(kind, of, value, ranges[of].at(at), tolerance))
    if novelty is not None:
        deviations.append(Deviation.from_range(NOVELTY, "", novelty, (0.0, 1.0), TOLERANCE[NOVELTY]))
    low, high = domain.barrier
    outside = float(np.mean((barrier < low) | (barrier > high)))
    tolerance = domain.barrier_std * (MEAN_TOLERANCE + ERRORS / len(barrier) ** 0.5)
    deviations.append(Deviation.from_range(MEAN_BARRIER, "", float(barrier.mean()), domain.mean_barrier, tolerance))
    deviations.append(Deviation.from_range(OUTSIDE, "", outside, (0.0, 0.0), TOLERANCE[OUTSIDE]))
    return Extrapolation(tuple(sorted(deviations, key=lambda deviation: -deviation.score)))


def glass_extrapolation(metadata: Mapping, glass: Glass, barrier: np.ndarray) -> Extrapolation:
    """Return the extrapolation of a glass, by structure and by barriers f[N] eV that an export predicted.

    Args:
        metadata: of the export. Version 0.1.0 stored no domain; everything is within it.
        glass: the glass.
        barrier: f[N] eV.
    """
    if "domain" not in metadata:
        return Extrapolation()
    cutoff = float(metadata["cutoff"])
    structure = structure_statistics(build_graph(glass, cutoff=cutoff, self_loops=False), cutoff)
    return extrapolation(TrainingDomain.from_record(metadata["domain"]), structure, barrier)


def summarize(extrapolations: Mapping[str, Extrapolation]) -> list[str]:
    """Return lines that warn of glasses outside the training data; no line if there is none.

    Args:
        extrapolations: by name of the glass.
    """
    outside = {name: glass for name, glass in extrapolations.items() if glass.reasons}
    if not outside:
        return []
    worst = max(outside, key=lambda name: outside[name].score)
    lines = [f"{worst}: {outside[worst]}"]
    if len(extrapolations) > 1:
        number = f"{len(outside)} of {len(extrapolations)} glasses"
        lines.append(f"{number} are outside the training data; the line above is the worst")
    return [*lines, ADVICE]
