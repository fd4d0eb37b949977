"""Structure files by suffix."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.data.archives import read_npz
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.pickles import read_published_pickle
from tf_symgnn.data.texts import read_extxyz, read_lammps_data, read_lammps_dump
from tf_symgnn.errors import InputError

EXTXYZ = (".xyz", ".extxyz")
LAMMPS_DATA = (".data", ".lmp", ".lammps-data")
LAMMPS_DUMP = (".dump", ".lammpstrj")
NPZ = (".npz",)
PICKLE = (".pickle", ".pkl")
SUFFIXES = EXTXYZ + LAMMPS_DATA + LAMMPS_DUMP + NPZ + PICKLE


def iter_glasses(
    path: Path | str, *, label: str | None = names.ENERGY_BARRIER, species: Sequence[str] | None = None
) -> Iterator[Glass]:
    """Every frame of a file in its order; several frames are named `stem-0`, `stem-1`, ...

    Args:
        path: the file; its suffix says the format.
        label: the per-atom column or key with the energy barriers, eV. A file without the default one is unlabelled,
            and with None labels are not looked at.
        species: chemical symbols of LAMMPS types 1, 2, ...; the other formats name their atoms themselves.

    Raises:
        InputError: a frame cannot be used, when it is reached.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    _check_readable(path)
    if suffix in EXTXYZ:
        yield from read_extxyz(path, label)
    elif suffix in LAMMPS_DATA:
        yield read_lammps_data(path, label, species)
    elif suffix in LAMMPS_DUMP:
        yield from read_lammps_dump(path, label, species)
    elif suffix in NPZ:
        yield read_npz(path, label)
    elif suffix in PICKLE:
        yield read_published_pickle(path, label)
    else:
        raise InputError(path, "suffix", suffix or "none", "one of " + ", ".join(SUFFIXES))


def read_glass(
    path: Path | str, *, label: str | None = names.ENERGY_BARRIER, species: Sequence[str] | None = None
) -> Glass:
    """The glass in a file or, as ASE does, the last one of several frames.

    Arguments as for `iter_glasses`.

    Raises:
        InputError: the file cannot be used.
    """
    return deque(iter_glasses(path, label=label, species=species), maxlen=1).pop()


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(path, "file", error.strerror, "a readable file") from error
    if empty:
        raise InputError(path, "file", "nothing in it", "a structure file")
