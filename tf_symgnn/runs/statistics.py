"""Statistics of the training glasses, which a run stores before training."""

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

# Version of the run folder's format. It is 2 since models have stages and the default model is composed of two models;
# a record without a number is of version 1.
FORMAT = 2


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of the training glasses, stored in `run.json`.

    Attributes:
        species: atomic numbers of the training glasses, ascending.
        label_mean: mean label of the training glasses, eV.
        label_std: standard deviation of their labels, eV.
        versions: of the packages that trained the run, by name.
        format: version of the run folder's format.
    """

    species: tuple[int, ...]
    label_mean: float
    label_std: float
    versions: dict[str, str]
    format: int = FORMAT

    @classmethod
    def of(cls, training: Sequence[Glass]) -> DatasetStatistics:
        """Return the statistics of training glasses, with the versions of the installed packages.

        Raises:
            InputError: there is no glass, or one is unlabeled.
        """
        scaling = label_scaling(training)
        species = tuple(int(z) for z in np.unique(np.concatenate([glass.atomic_numbers for glass in training])))
        return cls(species, scaling.mean, scaling.std, package_versions())

    @property
    def scaling(self) -> LabelScaling:
        """Return the mean and standard deviation of the training labels, eV."""
        return LabelScaling(self.label_mean, self.label_std)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a run's results depend on, by name."""
    return {name: metadata.version(name) for name in VERSIONED}
