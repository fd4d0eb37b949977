"""Statistics of the training glasses, which a run stores before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata

import numpy as np

from tf_symgnn.data import Glass, LabelScaling, label_scaling
from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.structure import structure_statistics
from tf_symgnn.runs.domain import TrainingDomain

VERSIONED = (
    *("tf_symgnn", "tensorflow", "tensorflow-gnn", "tf-keras", "tensorflow-probability"),
    *("numpy", "scikit-learn", "vesin", "ase"),
)

# Version of the run folder's format. It is 2 since models have stages and the default model is composed of two models,
# and 3 since the domain of the training glasses is stored; a record without a number is of version 1.
FORMAT = 3


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of the training glasses, stored in `run.json`.

    Attributes:
        species: atomic numbers of the training glasses, ascending.
        label_mean: mean label of the training glasses, eV.
        label_std: standard deviation of their labels, eV.
        versions: of the packages that trained the run, by name.
        domain: ranges of their structures and labels.
        format: version of the run folder's format.
    """

    species: tuple[int, ...]
    label_mean: float
    label_std: float
    versions: dict[str, str]
    domain: TrainingDomain = field(default_factory=TrainingDomain)
    format: int = FORMAT

    @classmethod
    def of(cls, training: Sequence[Glass], graphs: Sequence[GlassGraph], cutoff: float) -> DatasetStatistics:
        """Return the statistics of training glasses, with the versions of the installed packages.

        Args:
            training: the glasses.
            graphs: of each glass.
            cutoff: of the graphs, A.

        Raises:
            InputError: there is no glass, or one is unlabeled.
        """
        scaling = label_scaling(training)
        species = tuple(int(z) for z in np.unique(np.concatenate([glass.atomic_numbers for glass in training])))
        structures = [structure_statistics(graph, cutoff) for graph in graphs]
        domain = TrainingDomain.of(structures, [glass.barrier for glass in training])
        return cls(species, scaling.mean, scaling.std, package_versions(), domain)

    @property
    def scaling(self) -> LabelScaling:
        """Return the mean and standard deviation of the training labels, eV."""
        return LabelScaling(self.label_mean, self.label_std)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a run's results depend on, by name."""
    return {name: metadata.version(name) for name in VERSIONED}
