"""Glasses written to extended XYZ, LAMMPS dumps and `.npz`, with origin, ids, time step and further columns.

In dumps the barrier has the name of a LAMMPS variable, `v_energy_barrier`, since ASE keeps no other columns of a dump.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from ase.calculators.lammps import Prism
from ase.io.extxyz import key_val_dict_to_str

from tf_symgnn import names
from tf_symgnn.data.columns import EVENTS, SPREAD, VARIABLE
from tf_symgnn.data.files import replacing, require_writable
from tf_symgnn.data.formats import EXTXYZ, LAMMPS_DUMP, NPZ
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.notices import notice
from tf_symgnn.errors import InputError, require_type

_EVENTS, _SPREAD = names.ENERGY_BARRIER + EVENTS, names.ENERGY_BARRIER + SPREAD
_DUMP_FORMATS = {"U": "%s", "i": "%d", "u": "%d", "b": "%d", "f": "%.10f"}
# Names that mean something else in the file, and those of arguments of NumPy's function.
_NPZ_NAMES = ("ids", "step", "origin", "file", "allow_pickle")
# Components of vectors in dumps, and names that ASE has for vectors.
_VECTORS = tuple(tuple(name + axis for axis in "xyz") for name in ("v", "f", "mu", "omega", "angmom", "tq"))
_ASE_VECTORS = ("velocities", "velo", "vel", "momenta", "forces", "force", "dipoles")
# Names of numbers that LAMMPS itself keeps of atoms.
_LAMMPS_COLUMNS = ("type", "mol", "proc", "mass", "q", "ix", "iy", "iz", "vx", "vy", "vz", "fx", "fy", "fz", "radius")


def write_glasses(path: Path | str, glasses: Sequence[Glass], *, overwrite: bool = False) -> None:
    """Write glasses as the frames of one file, with barriers, eV, in the column `energy_barrier`.

    In a LAMMPS dump the column is `v_energy_barrier`, a glass is rotated to LAMMPS's orientation of the cell, and types
    number the file's symbols in alphabetic order, unless the glass has a column `type`.

    Args:
        path: the file. Its suffix selects the format: extended XYZ, LAMMPS dump or, for one glass, `.npz`.
        glasses: at least one.
        overwrite: whether to replace an existing file.

    Raises:
        InputError: the file exists, its suffix is unknown, or its format cannot hold this number of glasses.
    """
    path = Path(path)
    require_type(path, "glasses", glasses, Sequence, "a list of glasses")
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
            cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise InputError(path, "suffix", path.suffix or "none", "one of " + ", ".join(_WRITERS))
    if path.is_dir() or (path.exists() and not overwrite):
        raise InputError(path, "output", "an existing file or folder", "a new file, or --overwrite")
    require_writable(path)
    single = _WRITERS[path.suffix.lower()] is _write_npz
    if not number or (single and number > 1):
        raise InputError(path, "glasses", number, "one" if single else "at least one")


def write_frames(path: Path, glasses: Iterable[Glass]) -> None:
    """Write glasses as the frames of one extended XYZ file; one is in memory at a time."""
    with path.open("w", encoding="utf-8") as file:
        for glass in glasses:
            _write_xyz_frame(file, glass)


def _write_xyz_frame(file: TextIO, glass: Glass) -> None:
    columns = {"species": glass.species, "pos": glass.positions}
    if glass.ids is not None:
        columns["id"] = glass.ids
    if glass.barrier is not None:
        columns[names.ENERGY_BARRIER] = glass.barrier
    if glass.events is not None:
        columns[_EVENTS] = glass.events
    if glass.spread is not None:
        columns[_SPREAD] = glass.spread
    further = {name: values for name, values in _further(glass).items() if _is_a_word_each(glass, name, values)}
    # Colons separate names in a header, and ASE reads no others.
    columns |= _named(further, r"[:\s\"=]", columns)
    properties, rows, formats = [], [], []
    for name, values in columns.items():
        width = 1 if values.ndim == 1 else values.shape[1]
        kind = {"f": "R", "i": "I", "u": "I", "b": "L"}.get(values.dtype.kind, "S")
        properties.append(f"{name}:{kind}:{width}")
        rows += [values] if values.ndim == 1 else list(values.T)
        format = "%16.8f" if name in ("pos", names.ENERGY_BARRIER) else {"R": "%.10g", "I": "%d"}.get(kind, "%s")
        formats += [format] * width
    info = {"Lattice": glass.cell.T, "Properties": ":".join(properties)}
    if glass.origin.any():
        info["Origin"] = glass.origin
    if glass.step is not None:
        info["Timestep"] = glass.step
    info |= glass.info
    file.write(f"{glass.n_atoms}\n{key_val_dict_to_str(info | {'pbc': glass.pbc})}\n")
    rows = [np.where(row, "T", "F") if row.dtype.kind == "b" else row for row in rows]
    format = " ".join(formats) + "\n"
    file.writelines(format % values for values in zip(*rows, strict=True))


def _further(glass: Glass, reserved: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Return the further columns of a glass. One with a reserved name is renamed: it is of the input."""
    taken = {"species", "pos", "id", "element", "x", "y", "z", *reserved}
    taken |= {prefix + name for prefix in ("", VARIABLE) for name in (names.ENERGY_BARRIER, _EVENTS, _SPREAD)}
    return {f"input_{name}" if name in taken else name: values for name, values in glass.columns.items()}


def _named(columns: Mapping[str, np.ndarray], illegal: str, others: Iterable[str]) -> dict[str, np.ndarray]:
    """Return columns under names of a format, all different from each other and from those of other columns.

    Args:
        columns: by name.
        illegal: a regular expression of a character that names of the format cannot have.
        others: names of the other columns.
    """
    taken, named = set(others), {}
    for name, values in columns.items():
        legal = re.sub(illegal, "_", name)
        numbered = (f"{legal}_{k}" for k in itertools.count(2))
        name = next(name for name in itertools.chain([legal], numbered) if name not in taken)
        taken.add(name)
        named[name] = values
    return named


def _is_a_word_each(glass: Glass, name: str, values: np.ndarray) -> bool:
    """Return whether rows of words can hold a column, and issue a notice about one of text that they cannot."""
    if values.dtype.kind in "biuf" or all(len(str(text).split()) == 1 for text in values.ravel()):
        return True
    notice(glass.place, name, "text with spaces or none", "left out, since columns are separated by spaces")
    return False


def _write_npz(path: Path, glasses: Sequence[Glass]) -> None:
    (glass,) = glasses
    arrays = {"positions": glass.positions, "cell": glass.cell, "pbc": glass.pbc, "species": glass.species}
    optional = {"ids": glass.ids, "step": glass.step}
    optional |= {names.ENERGY_BARRIER: glass.barrier, _EVENTS: glass.events, _SPREAD: glass.spread}
    arrays |= {name: np.asarray(values) for name, values in optional.items() if values is not None}
    if glass.origin.any():
        arrays["origin"] = glass.origin
    arrays |= {name: np.asarray(value) for name, value in glass.info.items()}
    further = _named(_further(glass, reserved={*arrays, *_NPZ_NAMES}), "/", arrays)
    with path.open("wb") as file:  # NumPy would add a suffix to some paths
        np.savez_compressed(file, **arrays, **further)


def _write_dump(path: Path, glasses: Sequence[Glass]) -> None:
    symbols = np.unique(np.concatenate([glass.species for glass in glasses]))
    keep_types = _agree_on_types(glasses)
    with path.open("w", encoding="ascii") as file:
        for index, glass in enumerate(glasses):
            types = glass.columns["type"] if keep_types else np.searchsorted(symbols, glass.species) + 1
            _write_dump_frame(file, index, glass, types)


def _agree_on_types(glasses: Sequence[Glass]) -> bool:
    """Return whether all glasses have a column `type`, by which each type is one species in all of them."""
    species: dict[int, str] = {}
    for glass in glasses:
        types = glass.columns.get("type")
        if types is None or types.dtype.kind != "i" or types.min() < 1:
            return False
        for kind, first in zip(*np.unique(types, return_index=True), strict=True):
            named = glass.species[types == kind]
            if (named != species.setdefault(int(kind), glass.species[first])).any():
                return False
    return len(set(species.values())) == len(species)


def _write_dump_frame(file: TextIO, index: int, glass: Glass, types: np.ndarray) -> None:
    # LAMMPS boxes are right-handed. Exchanging two vectors keeps the box, so that no reflection is needed.
    order = [0, 1, 2] if np.linalg.det(glass.cell) > 0 else [1, 0, 2]
    prism = Prism(glass.cell[order], glass.pbc[order])
    ids = np.arange(1, glass.n_atoms + 1) if glass.ids is None else glass.ids
    columns = {"id": ids, "type": types, "element": glass.species}
    columns |= dict(zip("xyz", prism.vector_to_lammps(glass.positions).T, strict=True))
    if glass.barrier is not None:
        columns[VARIABLE + names.ENERGY_BARRIER] = glass.barrier
    if glass.events is not None:
        columns[VARIABLE + _EVENTS] = glass.events
    if glass.spread is not None:
        columns[VARIABLE + _SPREAD] = glass.spread
    formats = [_DUMP_FORMATS[values.dtype.kind] for values in columns.values()]
    further = _dump_columns(glass, prism.rot_mat, columns)
    if order != [0, 1, 2]:
        further = {{"ix": "iy", "iy": "ix"}.get(name, name): values for name, values in further.items()}
    formats += [
        "%.10g" if values.dtype.kind == "f" else _DUMP_FORMATS[values.dtype.kind] for values in further.values()
    ]
    columns |= further
    format = " ".join(formats) + "\n"
    step = index if glass.step is None else glass.step
    file.write(f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{glass.n_atoms}\n")
    file.write(_box_bounds(prism, prism.vector_to_lammps(glass.origin), glass.pbc[order]))
    file.write(f"ITEM: ATOMS {' '.join(columns)}\n")
    file.writelines(format % values for values in zip(*columns.values(), strict=True))


def _dump_columns(glass: Glass, rotation: np.ndarray, others: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the further columns of a glass but `type`, under names that LAMMPS and ASE use for per-atom numbers.

    Args:
        glass: the glass.
        rotation: [3, 3], rows of vectors times it are those in the orientation of the cell that LAMMPS has.
        others: names of the other columns.
    """
    columns: dict[str, np.ndarray] = {}
    for name, values in _rotated(glass, _further(glass), rotation).items():
        if name == "type":
            continue
        if values.dtype.kind not in "biuf":
            notice(glass.place, name, "a column of text", "left out, since readers of dumps expect numbers")
            continue
        known = name in _LAMMPS_COLUMNS or re.match(r"([vcfdi]|[di]2)_", name)
        name = name if known else VARIABLE + name
        of_name = {name: values}
        if values.ndim > 1:
            of_name = {f"{name}[{k}]": column for k, column in enumerate(values.T, start=1)}
        columns |= _named(of_name, r"[^!-~]", [*others, *columns])
    return columns


def _rotated(glass: Glass, columns: dict[str, np.ndarray], rotation: np.ndarray) -> dict[str, np.ndarray]:
    """Return columns with vectors in another orientation; those that may be vectors are left out with a notice."""
    if np.allclose(rotation, np.eye(3), atol=1e-9):
        return columns
    columns = dict(columns)
    for components in (components for components in _VECTORS if set(components) <= set(columns)):
        rotated = np.stack([columns[name] for name in components], axis=1) @ rotation
        columns |= dict(zip(components, rotated.T, strict=True))
    for name, values in list(columns.items()):
        if values.ndim == 2 and values.shape[1] == 3 and name in _ASE_VECTORS:
            columns[name] = values @ rotation
        elif values.ndim == 2 and values.dtype.kind == "f":
            notice(glass.place, name, "a column that may be a vector", "left out, since the cell is rotated")
            del columns[name]
    return columns


def _box_bounds(prism: Prism, origin: np.ndarray, pbc: np.ndarray) -> str:
    """Return the box in LAMMPS's form: the bounds along each axis, of the whole box where it is tilted."""
    x, y, z, xy, xz, yz = prism.get_lammps_prism()
    boundary = " ".join("pp" if periodic else "ff" for periodic in pbc)
    # ASE's `Prism.is_skewed` ignores tilts of 1e-4.
    if max(map(abs, (xy, xz, yz))) < 1e-12 * max(x, y, z):
        bounds = [(low, low + length) for low, length in zip(origin, (x, y, z), strict=True)]
        head = f"ITEM: BOX BOUNDS {boundary}\n"
    else:
        low = origin + [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
        high = origin + [x + max(0.0, xy, xz, xy + xz), y + max(0.0, yz), z]
        bounds = list(zip(low, high, (xy, xz, yz), strict=True))
        head = f"ITEM: BOX BOUNDS xy xz yz {boundary}\n"
    return head + "".join(" ".join(f"{number:.16e}" for number in line) + "\n" for line in bounds)


_WRITERS = (
    dict.fromkeys(EXTXYZ, write_frames) | dict.fromkeys(LAMMPS_DUMP, _write_dump) | dict.fromkeys(NPZ, _write_npz)
)
