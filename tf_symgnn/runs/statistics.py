"""What a run learns from its data before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

import numpy as np

from tf_symgnn.data import Glass, LabelScaling, label_scaling

VERSIONED = (
    *("tf_symgnn", "tensorflow", "tensorflow-gnn", "tf-keras", "tensorflow-probability"),
    *("numpy", "scikit-learn", "vesin", "ase"),
)

# Of a run folder: 2 since models have stages and the default model is made of two. Without a number it is 1.
FORMAT = 2


@dataclass(frozen=True)
class RunFacts:
    """What a run learned from its data before training, stored in `run.json`.

    Attributes:
        species: atomic numbers of the training glasses.
        label_mean: mean label of the training glasses, eV.
        label_std: standard deviation of their labels, eV.
        versions: of the packages that made the run.
        format: of the run folder.
    """

    species: tuple[int, ...]
    label_mean: float
    label_std: float
    versions: dict[str, str]
    format: int = FORMAT

    @property
    def scaling(self) -> LabelScaling:
        """Mean and standard deviation of the training labels, eV."""
        return LabelScaling(self.label_mean, self.label_std)


def facts_of(training: Sequence[Glass]) -> RunFacts:
    """What is learned from the training glasses, by the packages that are installed.

    Raises:
        InputError: their labels are all the same.
    """
    scaling = label_scaling(training)
    species = tuple(int(z) for z in np.unique(np.concatenate([glass.atomic_numbers for glass in training])))
    return RunFacts(species, scaling.mean, scaling.std, package_versions())


def package_versions() -> dict[str, str]:
    """Versions of the packages that a run's numbers depend on."""
    return {name: metadata.version(name) for name in VERSIONED}
