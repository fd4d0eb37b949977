"""Statistics of the training glasses, which a run stores before training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from tf_symgnn.data import Glass, InputError, LabelScaling, as_input_error, label_scaling
from tf_symgnn.domain.ranges import TrainingDomain
from tf_symgnn.domain.structure import structure_statistics
from tf_symgnn.errors import require_integer, require_number, require_type
from tf_symgnn.graph import GlassGraph
from tf_symgnn.runs.records import read_record

VERSIONED = (
    *("tf_symgnn", "tensorflow", "tensorflow-gnn", "tf-keras", "tensorflow-probability"),
    *("numpy", "scikit-learn", "vesin", "ase"),
)

# Version of the run folder's format. It is 2 since models have stages, and 3 since records have checksums and hold the
# domain of the training glasses. A record without a number is of version 1.
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
        potential: SHA-256 digest of the stored potential; None without.
        glasses: SHA-256 digest of the glasses of all splits; None in a run of an earlier version.
        format: version of the run folder's format.
    """

    species: tuple[int, ...]
    label_mean: float
    label_std: float
    versions: dict[str, str]
    domain: TrainingDomain = field(default_factory=TrainingDomain)
    potential: str | None = None
    glasses: str | None = None
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


def glasses_digest(splits: Mapping[str, Sequence[Glass]]) -> str:
    """Return a SHA-256 digest of the structures and labels of glasses by split, to about 1e-6 A and 1e-6 eV."""
    digest = hashlib.sha256()
    for split, glasses in sorted(splits.items()):
        digest.update(f"{split} {[glass.n_atoms for glass in glasses]}".encode())
        for glass in glasses:
            for values in (glass.cell, glass.pbc, glass.positions, glass.atomic_numbers, glass.barrier, glass.events):
                # The last digit of a product depends on the machine. Decimal numbers are hardly halves of these units.
                units = [] if values is None else np.rint(np.nan_to_num(values, nan=-1e9) * 2**20)
                digest.update(np.asarray(units, np.int64).tobytes())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a run's results depend on, by name."""
    return {name: metadata.version(name) for name in VERSIONED}


def read_statistics(path: Path, *, train_again_with: Path) -> DatasetStatistics:
    """Return the statistics in a file.

    Args:
        path: the file, `run.json`.
        train_again_with: the configuration that the message about an earlier format names.

    Raises:
        InputError: the record is damaged or of an earlier version.
    """
    with as_input_error(path, "record", "the record that training wrote"):
        stored_format = json.loads(path.read_text()).get("format", 1)
    if stored_format != FORMAT:
        again = f"tf-symgnn train --config {train_again_with} --run-dir NEW_FOLDER"
        raise InputError(path, "format", stored_format, f"{FORMAT}; train again: {again}")
    record = read_record(path)
    with as_input_error(path, "record", "the record that training wrote"):
        species, versions = tuple(record["species"]), record["versions"]
        for number in species:
            require_integer(path, "species", number, least=1, most=118)
        require_number(path, "label_mean", record["label_mean"])
        require_number(path, "label_std", record["label_std"], above=0)
        require_type(path, "versions", versions, dict, "versions of packages by name")
        domain = TrainingDomain.from_record(record["domain"])
        digests = {name: record.get(name) for name in ("potential", "glasses")}
        for name, value in digests.items():
            require_type(path, name, value, (str, type(None)), "a digest or null")
        return DatasetStatistics(species, record["label_mean"], record["label_std"], versions, domain, **digests)
