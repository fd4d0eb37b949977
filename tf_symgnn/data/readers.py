"""Structure files of every format."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.data.archives import read_npz
from tf_symgnn.data.ase_formats import read_by_ase
from tf_symgnn.data.data_files import read_lammps_data
from tf_symgnn.data.dumps import read_lammps_dump
from tf_symgnn.data.extxyz import read_extxyz
from tf_symgnn.data.formats import find_format
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.opening import open_content
from tf_symgnn.data.options import ReadOptions
from tf_symgnn.data.pickles import read_published_pickle
from tf_symgnn.data.plausibility import require_angstrom

_READERS = {
    "extxyz": read_extxyz,
    "lammps-data": read_lammps_data,
    "lammps-dump-text": read_lammps_dump,
    "npz": read_npz,
    "pickle": read_published_pickle,
}


def read_frames(path: Path | str, options: ReadOptions) -> Iterator[Glass]:
    """Yield the frames of a file in order; several frames are named `stem-0`, `stem-1`, ...

    Raises:
        InputError: the file or, when it is reached, a frame is invalid.
    """
    path = Path(path)
    open_content(path).close()  # what is not a regular file is refused whatever its name
    format = find_format(path, options.format)
    frames = _READERS[format](path, options) if format in _READERS else read_by_ase(path, options, format)
    for index, glass in enumerate(frames):
        if index == 0:
            require_angstrom(glass)
        yield glass


def iter_glasses(
    path: Path | str,
    *,
    label: str | None = names.ENERGY_BARRIER,
    species: Sequence[str] | None = None,
    pbc: Sequence[bool] | None = None,
    format: str | None = None,
    atom_style: str | None = None,
    keep_columns: bool = False,
) -> Iterator[Glass]:
    """Yield the frames of a file in order; several frames are named `stem-0`, `stem-1`, ...

    Args:
        path: the file, which may be compressed (.gz, .bz2, .xz, .zst).
        label: as for `ReadOptions`, and so the others.
        species: chemical symbols of LAMMPS types 1, 2, ...
        pbc: periodicity in place of the file's.
        format: of the file; by default recognized.
        atom_style: of LAMMPS data files.
        keep_columns: whether all further per-atom columns are read.

    Raises:
        InputError: an argument or the file is invalid, or, when it is reached, a frame.
    """
    return read_frames(path, ReadOptions(label, species, pbc, format, atom_style, keep_columns))


def read_glass(
    path: Path | str,
    *,
    label: str | None = names.ENERGY_BARRIER,
    species: Sequence[str] | None = None,
    pbc: Sequence[bool] | None = None,
    format: str | None = None,
    atom_style: str | None = None,
    keep_columns: bool = False,
) -> Glass:
    """Return the glass in a file or, as ASE does, the last one of several frames.

    Args:
        path: as for `iter_glasses`, and so the others.
        label: the per-atom column or key of the energy barriers, eV.
        species: chemical symbols of LAMMPS types 1, 2, ...
        pbc: periodicity in place of the file's.
        format: of the file; by default recognized.
        atom_style: of LAMMPS data files.
        keep_columns: whether all further per-atom columns are read.

    Raises:
        InputError: an argument, the file or a frame is invalid.
    """
    return read_last_frame(path, ReadOptions(label, species, pbc, format, atom_style, keep_columns))


def read_last_frame(path: Path | str, options: ReadOptions) -> Glass:
    """Return the last frame of a file.

    Raises:
        InputError: the file or a frame is invalid.
    """
    return deque(read_frames(path, options), maxlen=1).pop()
