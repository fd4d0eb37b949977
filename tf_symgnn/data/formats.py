"""Formats of structure files, recognized by name and, failing that, by content."""

from __future__ import annotations

import io
import re
from pathlib import Path

from ase.io.formats import UnknownFileTypeError, filetype, ioformats

from tf_symgnn.data.opening import open_content, uncompressed_name
from tf_symgnn.errors import InputError

EXTXYZ = (".xyz", ".extxyz")
LAMMPS_DATA = (".data", ".lmp", ".lammps-data")
LAMMPS_DUMP = (".dump", ".lammpstrj")
NPZ = (".npz",)
PICKLE = (".pickle", ".pkl")
SUFFIXES = EXTXYZ + LAMMPS_DATA + LAMMPS_DUMP + NPZ + PICKLE
# LAMMPS's habit is to name files `data.glass` and `dump.glass`.
PREFIXES = {"data.": "lammps-data", "dump.": "lammps-dump-text"}
# Of either LAMMPS format.
_LAMMPS = (".lammps",)

# Formats that are read here. The names are those of ASE, where it has one.
NATIVE = ("extxyz", "lammps-data", "lammps-dump-text", "npz", "pickle")
_OF_SUFFIX = (
    dict.fromkeys(EXTXYZ, "extxyz")
    | dict.fromkeys(LAMMPS_DATA, "lammps-data")
    | dict.fromkeys(LAMMPS_DUMP, "lammps-dump-text")
    | dict.fromkeys(NPZ, "npz")
    | dict.fromkeys(PICKLE, "pickle")
)
_SAME = {"xyz": "extxyz", "lammps-dump": "lammps-dump-text"}

# Files of a folder that ASE reads. In a folder it is not asked about other files: it takes `log.lammps` for a log of
# Gaussian and any JSON for a database.
_ASE_SUFFIXES = (".cif", ".traj", ".vasp", ".poscar", ".cfg", ".pdb", ".xsf")
_ASE_NAMES = ("poscar", "contcar", "xdatcar")
# Formats of ASE that connect to a server, are programs, need another program, or are folders.
_REFUSED = frozenset(["mysql", "postgresql", "py", "gpw", "bundletrajectory"])

_HEAD = 50_000  # bytes that ASE inspects


def find_format(path: Path, format: str | None = None) -> str:
    """Return the format of a file: one of `NATIVE`, or the name of one that ASE reads.

    Args:
        path: the file.
        format: the name of the format, which is only checked; None recognizes it by name, then by content.

    Raises:
        InputError: the format is unknown, or the file cannot be read.
    """
    if format is not None:
        format = _SAME.get(format, format)
        if format not in NATIVE and not _read_by_ase(format):
            raise InputError(path, "--format", format, f"one of {', '.join(NATIVE)}, or a format that ASE reads")
        return format
    named = _named(uncompressed_name(path))
    if named:
        return named
    with open_content(path) as file:
        head = file.read(_HEAD)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"ITEM:"):
        return "lammps-dump-text"
    if _suffix(path) in _LAMMPS:
        return "lammps-data"
    return _found_by_ase(path, head)


def stem_of(path: Path | str) -> str:
    """Return the name of a structure file without what states its format: `val0` of `val0.xyz.gz` and `data.val0`."""
    name = uncompressed_name(path)
    if _suffix(path) in (*SUFFIXES, *_LAMMPS, *_ASE_SUFFIXES):
        return Path(name).stem
    if _read_in_folders(name):
        return name  # such as POSCAR.1
    for prefix in PREFIXES:
        if name.lower().startswith(prefix):
            return name[len(prefix) :]
    return Path(name).stem


def is_structure_file(path: Path | str) -> bool:
    """Return whether the name of a file in a folder is that of a structure file."""
    name = uncompressed_name(path)
    return _named(name) is not None or _suffix(path) in _LAMMPS or _read_in_folders(name)


def _suffix(path: Path | str) -> str:
    return Path(uncompressed_name(path)).suffix.lower()


def _named(name: str) -> str | None:
    suffix = Path(name).suffix.lower()
    if suffix in _OF_SUFFIX:
        return _OF_SUFFIX[suffix]
    if suffix in _LAMMPS or _read_in_folders(name):
        return None
    return next(
        (format for prefix, format in PREFIXES.items() if re.match(f"{re.escape(prefix)}.", name.lower())), None
    )


def _read_in_folders(name: str) -> bool:
    name = name.lower()
    return name.endswith(_ASE_SUFFIXES) or any(part in name for part in _ASE_NAMES)


def _read_by_ase(format: str) -> bool:
    return format in ioformats and ioformats[format].can_read and format not in _REFUSED


def _found_by_ase(path: Path, head: bytes) -> str:
    named = io.BytesIO(head)
    named.name = uncompressed_name(path)
    expected = f"a name with one of the suffixes {', '.join(SUFFIXES)}, a format that ASE recognizes, or --format"
    try:
        format = filetype(named)
    except UnknownFileTypeError as error:
        raise InputError(path, "format", f"an unknown one, suffix {_suffix(path) or 'none'}", expected) from error
    format = _SAME.get(format, format)
    if format not in NATIVE and not _read_by_ase(format):
        raise InputError(path, "format", f"{format}, which is not read", expected)
    return format
