"""The potential of a run, from the file that its configuration names or from the run's folder."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from tf_symgnn.config import RunConfig
from tf_symgnn.data import replacing
from tf_symgnn.errors import InputError
from tf_symgnn.models.catalog import needs_potential
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.response import PotentialDescriptors
from tf_symgnn.potentials.tables import FINNIS_SINCLAIR, EamTables, read_potential_file, read_tables

POTENTIAL = "potential.eam.fs"  # file of a run


def configured_potential(config: RunConfig) -> PotentialDescriptors | None:
    """Return the descriptors from the potential that a configuration names, or None if it names none.

    Raises:
        InputError: the file is no potential of the pair style.
    """
    if config.potential is None:
        return None
    return PotentialDescriptors(EamPotential(read_potential_file(config.potential, config.pair_style)))


def require_potential(config: RunConfig, potential: PotentialDescriptors | None) -> None:
    """Check that a run has a potential if, and only if, its model reads descriptors from one.

    Raises:
        InputError: it is not so.
    """
    if needs_potential(config.model) and potential is None:
        expected = f"the file of an interatomic potential, which {config.model} reads descriptors from"
        raise InputError("configuration", "potential", "none", expected)
    if potential is not None and not needs_potential(config.model):
        raise InputError("configuration", "potential", config.potential, f"none with model {config.model}")


def write_potential(path: Path, tables: EamTables) -> None:
    """Write the tables of a potential, completely or not at all."""
    with replacing(path) as file:
        tables.write(file, FINNIS_SINCLAIR)


def read_potential(path: Path, expected: str) -> PotentialDescriptors:
    """Return the descriptors from the potential that a run stores.

    Args:
        path: of the file.
        expected: its SHA-256 digest.

    Raises:
        InputError: the file is not the one that training wrote.
    """
    if not path.is_file() or potential_digest(path) != expected:
        found = "another file" if path.is_file() else "no such file"
        raise InputError(path, "potential", found, "the tables that training wrote")
    return _descriptors(expected, path)


@lru_cache(maxsize=2)
def _descriptors(_digest: str, path: Path) -> PotentialDescriptors:
    """Return the descriptors from a potential, made once: TensorFlow takes seconds to compile them."""
    return PotentialDescriptors(EamPotential(read_tables(path, FINNIS_SINCLAIR)))


def tables_digest(tables: EamTables) -> str:
    """Return a SHA-256 digest of the functions of a potential, which is the same for every file that holds them."""
    digest = hashlib.sha256(" ".join(tables.symbols).encode())
    numbers = np.array([tables.cutoff, tables.density_step, tables.distance_step])
    for values in (numbers, tables.embedding, tables.density, tables.pair):
        digest.update(np.ascontiguousarray(values, "<f8").tobytes())
    return digest.hexdigest()


def potential_digest(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
