"""Glasses to extended XYZ, LAMMPS dumps and `.npz`."""

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
    """Writes glasses as the frames of one file, each with its barriers, eV, as `energy_barrier` if it has them.

    Args:
        path: the file; its suffix says the format: extended XYZ, LAMMPS dump or, for one glass, `.npz`. In a dump the
            glass is turned to lie in its box as LAMMPS wants, and types count the file's symbols in alphabetic order.
        glasses: at least one.
        overwrite: whether an existing file may be replaced.

    Raises:
        InputError: the file exists, its suffix is unknown, or the number of glasses does not suit it.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite, number=len(glasses))
    with replacing(path) as file:
        _WRITERS[path.suffix.lower()](file, glasses)


def check_output(path: Path | str, *, overwrite: bool, number: int = 1) -> None:
    """Checks that `write_glasses` can write so many glasses to a path, before work is spent on them.

    Raises:
        InputError: the file exists, its suffix is unknown or does not suit the number, or its folder cannot be one.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise InputError(path, "suffix", path.suffix or "none", "one of " + ", ".join(_WRITERS))
    if path.is_dir() or (path.exists() and not overwrite):
        raise InputError(path, "output", "an existing file or folder", "a new file, or --overwrite")
    if any(parent.exists() and not parent.is_dir() for parent in path.parents):
        raise InputError(path, "output", "a file on the way to it", "a folder to write in")
    alone = _WRITERS[path.suffix.lower()] is _write_npz
    if not number or (alone and number > 1):
        raise InputError(path, "glasses", number, "one" if alone else "at least one")


def write_frames(path: Path, glasses: Iterable[Glass]) -> None:
    """Writes glasses, as they come, as the frames of one extended XYZ file; it holds one at a time."""
    with path.open("w", encoding="utf-8") as file:
        for glass in glasses:
            atoms = ase.Atoms(list(glass.species), positions=glass.positions, cell=glass.cell, pbc=glass.pbc)
            if glass.barrier is not None:
                atoms.set_array(names.ENERGY_BARRIER, glass.barrier)
            ase.io.write(file, atoms, format="extxyz")


def _write_npz(path: Path, glasses: Sequence[Glass]) -> None:
    (glass,) = glasses
    labels = {} if glass.barrier is None else {names.ENERGY_BARRIER: glass.barrier}
    with path.open("wb") as file:  # to a path that ends otherwise NumPy adds a suffix
        np.savez_compressed(
            file, positions=glass.positions, cell=glass.cell, pbc=glass.pbc, species=glass.species, **labels
        )


def _write_dump(path: Path, glasses: Sequence[Glass]) -> None:
    symbols = np.unique(np.concatenate([glass.species for glass in glasses]))
    with path.open("w", encoding="ascii") as file:
        for step, glass in enumerate(glasses):
            file.write(_dump_frame(step, glass, symbols))


def _dump_frame(step: int, glass: Glass, symbols: np.ndarray) -> str:
    # LAMMPS knows right-handed boxes only. Two vectors swapped span the same box, so no mirroring is needed.
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
    """The box in LAMMPS' form: the extent along each axis that holds the whole, perhaps tilted box."""
    x, y, z, xy, xz, yz = prism.get_lammps_prism()
    boundary = " ".join("pp" if periodic else "ff" for periodic in pbc)
    # Tighter than ASE's own test of skewness, which lets tilts of a ten-thousandth go.
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
