"""The potential of a run, from the file that its configuration names or from the run's folder."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from tf_symgnn.config import RunConfig
from tf_symgnn.data import file_digest, replacing
from tf_symgnn.errors import InputError
from tf_symgnn.models.catalog import needs_potential
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.response import PotentialDescriptors
from tf_symgnn.potentials.tables import FINNIS_SINCLAIR, EamTables, read_potential_file, read_tables

POTENTIAL = "potential.eam.fs"  # file of a run


def configured_potential(config: RunConfig, before: PotentialDescriptors | None = None) -> PotentialDescriptors | None:
    """Return the descriptors from the potential of a new run, or None if its model reads none.

    Args:
        config: of the run.
        before: descriptors from the potential of the run to start from, whose tables those of `config` must be.

    Raises:
        InputError: the file is no potential of the pair style or has other tables than `before`, the model needs a
            potential and there is none, or the model reads none.
    """
    potential = before
    if config.potential is not None:
        if not needs_potential(config.model):
            raise InputError("configuration", "potential", config.potential, f"none with model {config.model}")
        tables = read_potential_file(config.potential, config.pair_style)
        if before is not None and tables_digest(tables) != tables_digest(before.potential.tables):
            raise InputError(config.potential, "potential", "other tables", "those of the run to start from")
        potential = before or PotentialDescriptors(EamPotential(tables))
    if potential is None and needs_potential(config.model):
        expected = f"the file of an interatomic potential, which {config.model} reads descriptors from"
        raise InputError("configuration", "potential", "none", expected)
    return potential


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
    if not path.is_file() or file_digest(path) != expected:
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
