"""Glasses written to extended XYZ, LAMMPS dumps and `.npz`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np
from ase.calculators.lammps import Prism

from tf_symgnn import names
from tf_symgnn.data.files import replacing
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.readers import EXTXYZ, LAMMPS_DUMP, NPZ
from tf_symgnn.errors import InputError


def write_glasses(path: Path | str, glasses: Sequence[Glass], *, overwrite: bool = False) -> None:
    """Write glasses as the frames of one file, with barriers, eV, in the column `energy_barrier`.

    In a LAMMPS dump a glass is rotated to LAMMPS's orientation of the cell, and types number the file's symbols in
    alphabetic order.

    Args:
        path: the file. Its suffix selects the format: extended XYZ, LAMMPS dump or, for one glass, `.npz`.
        glasses: at least one.
        overwrite: whether to replace an existing file.

    Raises:
        InputError: the file exists, its suffix is unknown, or its format cannot hold this number of glasses.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite, number=len(glasses))
    with replacing(path) as file:
        _WRITERS[path.suffix.lower()](file, glasses)


def check_output(path: Path | str, *, overwrite: bool, number: int = 1) -> None:
    """Check that `write_glasses` can write some glasses to a path, before they are computed.

    Args:
        path: the file.
        overwrite: whether to replace an existing file.
        number: of glasses.

    Raises:
        InputError: the file exists, its suffix is unknown, its format cannot hold this number of glasses, or its folder
            is a file.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise InputError(path, "suffix", path.suffix or "none", "one of " + ", ".join(_WRITERS))
    if path.is_dir() or (path.exists() and not overwrite):
        raise InputError(path, "output", "an existing file or folder", "a new file, or --overwrite")
    if any(parent.exists() and not parent.is_dir() for parent in path.parents):
        raise InputError(path, "output", "a file on the way to it", "a folder to write in")
    single = _WRITERS[path.suffix.lower()] is _write_npz
    if not number or (single and number > 1):
        raise InputError(path, "glasses", number, "one" if single else "at least one")


def write_frames(path: Path, glasses: Iterable[Glass]) -> None:
    """Write glasses as the frames of one extended XYZ file; one is in memory at a time."""
    with path.open("w", encoding="utf-8") as file:
        for glass in glasses:
            atoms = ase.Atoms(list(glass.species), positions=glass.positions, cell=glass.cell, pbc=glass.pbc)
            if glass.barrier is not None:
                atoms.set_array(names.ENERGY_BARRIER, glass.barrier)
            ase.io.write(file, atoms, format="extxyz")


def _write_npz(path: Path, glasses: Sequence[Glass]) -> None:
    (glass,) = glasses
    arrays = {"positions": glass.positions, "cell": glass.cell, "pbc": glass.pbc, "species": glass.species}
    if glass.barrier is not None:
        arrays[names.ENERGY_BARRIER] = glass.barrier
    with path.open("wb") as file:  # NumPy would add a suffix to some paths
        np.savez_compressed(file, **arrays)


def _write_dump(path: Path, glasses: Sequence[Glass]) -> None:
    symbols = np.unique(np.concatenate([glass.species for glass in glasses]))
    with path.open("w", encoding="ascii") as file:
        for step, glass in enumerate(glasses):
            file.write(_dump_frame(step, glass, symbols))


def _dump_frame(step: int, glass: Glass, symbols: np.ndarray) -> str:
    # LAMMPS boxes are right-handed. Exchanging two vectors keeps the box, so that no reflection is needed.
    order = [0, 1, 2] if np.linalg.det(glass.cell) > 0 else [1, 0, 2]
    prism = Prism(glass.cell[order], glass.pbc[order])
    columns = [
        np.arange(1, glass.n_atoms + 1),
        np.searchsorted(symbols, glass.species) + 1,
        glass.species,
        *prism.vector_to_lammps(glass.positions).T,
    ]
    header, row = "id type element x y z", "%d %d %s %.10f %.10f %.10f"
    if glass.barrier is not None:
        columns.append(glass.barrier)
        header, row = f"{header} {names.ENERGY_BARRIER}", f"{row} %.10f"
    rows = "\n".join(row % values for values in zip(*columns, strict=True))
    return (
        f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{glass.n_atoms}\n"
        f"{_box_bounds(prism, glass.pbc[order])}ITEM: ATOMS {header}\n{rows}\n"
    )


def _box_bounds(prism: Prism, pbc: np.ndarray) -> str:
    """Return the box in LAMMPS's form: the bounds along each axis, of the whole box where it is tilted."""
    x, y, z, xy, xz, yz = prism.get_lammps_prism()
    boundary = " ".join("pp" if periodic else "ff" for periodic in pbc)
    # ASE's `Prism.is_skewed` ignores tilts of 1e-4.
    if max(map(abs, (xy, xz, yz))) < 1e-12 * max(x, y, z):
        return f"ITEM: BOX BOUNDS {boundary}\n" + "".join(f"{0.0:.16e} {length:.16e}\n" for length in (x, y, z))
    bounds = (
        (min(0.0, xy, xz, xy + xz), x + max(0.0, xy, xz, xy + xz), xy),
        (min(0.0, yz), y + max(0.0, yz), xz),
        (0.0, z, yz),
    )
    return f"ITEM: BOX BOUNDS xy xz yz {boundary}\n" + "".join(
        f"{low:.16e} {high:.16e} {tilt:.16e}\n" for low, high, tilt in bounds
    )


_WRITERS = (
    dict.fromkeys(EXTXYZ, write_frames) | dict.fromkeys(LAMMPS_DUMP, _write_dump) | dict.fromkeys(NPZ, _write_npz)
)
