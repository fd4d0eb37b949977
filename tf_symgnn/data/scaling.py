"""Mean and standard deviation of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_symgnn import names
from tf_symgnn.data.glass import Glass
from tf_symgnn.errors import InputError, require_number


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
    """Return the mean and the standard deviation, over N, of the labels of all atoms.

    The standard deviation is 1 eV where all labels are equal.

    Raises:
        InputError: there is no glass, or one is unlabeled.
    """
    if not glasses:
        raise InputError("label scaling", "glasses", "none", "at least one")
    for glass in glasses:
        if glass.barrier is None:
            raise InputError(glass.place, names.ENERGY_BARRIER, "no labels", "one per atom, eV")
    labels = np.concatenate([glass.barrier for glass in glasses])
    # By their range, because rounding can leave equal labels a standard deviation of 1e-17.
    return LabelScaling(float(labels.mean()), float(labels.std()) if np.ptp(labels) > 0 else 1.0)
