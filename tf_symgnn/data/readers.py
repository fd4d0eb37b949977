"""Structure files, read by suffix."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.data.archives import read_npz
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.pickles import read_published_pickle
from tf_symgnn.data.texts import read_extxyz, read_lammps_data, read_lammps_dump
from tf_symgnn.errors import InputError, require_type

EXTXYZ = (".xyz", ".extxyz")
LAMMPS_DATA = (".data", ".lmp", ".lammps-data")
LAMMPS_DUMP = (".dump", ".lammpstrj")
NPZ = (".npz",)
PICKLE = (".pickle", ".pkl")
SUFFIXES = EXTXYZ + LAMMPS_DATA + LAMMPS_DUMP + NPZ + PICKLE


def iter_glasses(
    path: Path | str, *, label: str | None = names.ENERGY_BARRIER, species: Sequence[str] | None = None
) -> Iterator[Glass]:
    """Yield the frames of a file in order; several frames are named `stem-0`, `stem-1`, ...

    Args:
        path: the file. Its suffix selects the format.
        label: the per-atom column or key of the energy barriers, eV. A file may lack the default one; its glasses are
            unlabeled then. None reads no labels.
        species: chemical symbols of LAMMPS types 1, 2, ...; other formats have symbols.

    Raises:
        InputError: an argument or the file is invalid, or, when it is reached, a frame.
    """
    path = Path(path)
    if label is not None:
        require_type(path, "label", label, str, "the name of a column")
    if isinstance(species, str):
        raise InputError(path, "species", repr(species), "a sequence of chemical symbols, as in ('Cu', 'Zr')")
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
    """Return the glass in a file or, as ASE does, the last one of several frames.

    Args:
        path: as for `iter_glasses`.
        label: as for `iter_glasses`.
        species: as for `iter_glasses`.

    Raises:
        InputError: an argument, the file or a frame is invalid.
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
