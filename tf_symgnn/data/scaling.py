"""The scale of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_symgnn import names
from tf_symgnn.data.glass import Glass
from tf_symgnn.errors import InputError


@dataclass(frozen=True)
class LabelScaling:
    """Mean and standard deviation of energy barriers, eV."""

    mean: float
    std: float


def label_scaling(glasses: Sequence[Glass]) -> LabelScaling:
    """The scale of the labels of all atoms pooled, the standard deviation taken over N; 1 eV where all are equal.

    Raises:
        InputError: there is no glass, or one is unlabelled.
    """
    if not glasses:
        raise InputError("label scaling", "glasses", "none", "at least one")
    for glass in glasses:
        if glass.barrier is None:
            raise InputError(glass.place, names.ENERGY_BARRIER, "no labels", "one an atom, eV")
    labels = np.concatenate([glass.barrier for glass in glasses])
    # Equal labels are told by their range: rounding can leave them a deviation of 1e-17.
    return LabelScaling(float(labels.mean()), float(labels.std()) if np.ptp(labels) > 0 else 1.0)
