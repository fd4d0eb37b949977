"""Mean, standard deviation and weights of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_symgnn import names
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.notices import notice
from tf_symgnn.errors import InputError, require_number

# Variance of the barriers of one atom's events over the variance of atoms' means within a glass, of ten
# glasses (benchmarks/label_noise.py): the number of events of a label whose noise is as large as its signal.
NOISE_IN_EVENTS = 6.0

_FEWEST = 10  # labels, of which a share can be judged
_MOST_EQUAL = 0.05
_LEAST_RANGE = 1e-3  # eV
_LARGEST_MEDIAN = 50.0  # eV; barriers in a solid are a few eV


@dataclass(frozen=True)
class LabelScaling:
    """Mean and standard deviation of energy barriers.

    Args:
        mean: eV.
        std: eV.

    Raises:
        InputError: a number is not finite, or the standard deviation is not positive.
    """

    mean: float
    std: float

    def __post_init__(self):
        require_number("label scaling", "mean", self.mean)
        require_number("label scaling", "std", self.std, above=0)


def label_scaling(glasses: Sequence[Glass]) -> LabelScaling:
    """Return the mean and the standard deviation, over N, of the labels of all atoms that have one.

    The standard deviation is 1 eV where all labels are equal. A notice is issued where labels look like another unit
    or like a mark of missing ones.

    Raises:
        InputError: there is no glass, or one is unlabeled.
    """
    if not glasses:
        raise InputError("label scaling", "glasses", "none", "at least one")
    for glass in glasses:
        if not glass.n_labeled:
            raise InputError(glass.place, names.ENERGY_BARRIER, "no labels", "one per atom, eV")
    labels = np.concatenate([glass.barrier[np.isfinite(glass.barrier)] for glass in glasses])
    _note_odd_labels(glasses[0].place, labels)
    # By their range, because rounding can leave equal labels a standard deviation of 1e-17.
    return LabelScaling(float(labels.mean()), float(labels.std()) if np.ptp(labels) > 0 else 1.0)


def label_weights(glasses: Sequence[Glass]) -> list[np.ndarray]:
    """Return the weight of each label in the loss, f32[N] per glass: n / (n + 6) for a mean over n events.

    This is the share of the variance of such labels that is not noise. It is 1 in glasses that do not have the numbers
    of events, as for means over many events, and 0 for an atom without a label. Weights are divided by their mean over
    the labels of all glasses.
    """
    weights = []
    for glass in glasses:
        events = np.inf if glass.events is None else glass.events
        weight = np.broadcast_to(1 / (1 + NOISE_IN_EVENTS / np.maximum(events, 1)), (glass.n_atoms,))
        weights.append(np.where(np.isfinite(glass.barrier), weight, 0.0))
    labeled = np.concatenate(weights)
    mean = labeled[labeled > 0].mean()
    return [(weight / mean).astype(np.float32) for weight in weights]


def event_variance(spread: np.ndarray, events: np.ndarray) -> float:
    """Return the variance, eV^2, of the barriers of events around the mean of their atom.

    Args:
        spread: [N], standard deviations of the events of atoms, eV.
        events: [N], their numbers; an atom with fewer than two is left out.
    """
    several = events >= 2
    freedom = events[several] - 1
    return float(freedom @ spread[several] ** 2 / freedom.sum()) if several.any() else np.nan


def noise_ceiling(glasses: Sequence[Glass]) -> float | None:
    """Return the Pearson correlation that exact barriers are expected to have with the labels of some glasses.

    It is the root of the share of the labels' variance that is not the squared standard error of means over few events,
    which follows from the numbers and the standard deviations of the events. It is None if a glass has no labels, none
    of the two, or no atom with two events.
    """
    labels, noise = [], []
    for glass in glasses:
        if glass.barrier is None or glass.events is None or glass.spread is None:
            return None
        labeled = np.isfinite(glass.barrier)
        events = glass.events[labeled]
        labels.append(glass.barrier[labeled])
        noise.append(event_variance(glass.spread[labeled], events) / np.maximum(events, 1))
    if not labels or (variance := np.concatenate(labels).var()) == 0:
        return None
    ceiling = np.sqrt(np.maximum(0.0, 1 - np.concatenate(noise).mean() / variance))
    return float(ceiling) if np.isfinite(ceiling) else None


def _note_odd_labels(place: str, labels: np.ndarray) -> None:
    """Issue a notice where labels, eV, are unlike energy barriers."""
    for mark in (0.0, -1.0):
        share = (labels == mark).mean()
        if len(labels) >= _FEWEST and share > _MOST_EQUAL:
            found = f"{share:.0%} of the labels exactly {mark:g}"
            notice(place, names.ENERGY_BARRIER, found, "if that marks missing labels, write nan instead")
    if len(labels) >= _FEWEST and np.ptp(labels) < _LEAST_RANGE:
        found = f"all labels within {np.ptp(labels):.2g} eV"
        notice(place, names.ENERGY_BARRIER, found, "labels are in eV; there is nothing to learn from equal ones")
    elif np.median(np.abs(labels)) > _LARGEST_MEDIAN:
        found = f"a median of {np.median(labels):.4g}"
        notice(place, names.ENERGY_BARRIER, found, "labels are in eV; these look like meV, K or J/mol")
