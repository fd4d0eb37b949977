"""Glasses written to extended XYZ, LAMMPS dumps and `.npz`, with origin, ids, time step and further columns.

In dumps the barrier has the name of a LAMMPS variable, `v_energy_barrier`, since ASE keeps no other columns of a dump.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
from tf_symgnn.errors import InputError

_EVENTS, _SPREAD = names.ENERGY_BARRIER + EVENTS, names.ENERGY_BARRIER + SPREAD
_DUMP_FORMATS = {"U": "%s", "i": "%d", "u": "%d", "b": "%d", "f": "%.10f"}
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
    # ASE reads no name with colons.
    columns |= {name.replace(":", "_"): values for name, values in _further(glass).items()}
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


def _further(glass: Glass) -> dict[str, np.ndarray]:
    """Return the further columns of a glass. One with the name of another column is renamed: it is of the input."""
    taken = {"species", "pos", "id", "element", "x", "y", "z"}
    taken |= {prefix + name for prefix in ("", VARIABLE) for name in (names.ENERGY_BARRIER, _EVENTS, _SPREAD)}
    return {f"input_{name}" if name in taken else name: values for name, values in glass.columns.items()}


def _write_npz(path: Path, glasses: Sequence[Glass]) -> None:
    (glass,) = glasses
    arrays = {"positions": glass.positions, "cell": glass.cell, "pbc": glass.pbc, "species": glass.species}
    optional = {"ids": glass.ids, "step": glass.step}
    optional |= {names.ENERGY_BARRIER: glass.barrier, _EVENTS: glass.events, _SPREAD: glass.spread}
    arrays |= {name: np.asarray(values) for name, values in optional.items() if values is not None}
    if glass.origin.any():
        arrays["origin"] = glass.origin
    arrays |= {name: np.asarray(value) for name, value in glass.info.items()}
    further = {f"input_{name}" if name in arrays else name: values for name, values in _further(glass).items()}
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
    further = _dump_columns(glass)
    further.pop("type", None)
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


def _dump_columns(glass: Glass) -> dict[str, np.ndarray]:
    """Return the further columns of a glass under names that LAMMPS and ASE use for per-atom numbers."""
    columns = {}
    for name, values in _further(glass).items():
        if values.dtype.kind not in "biuf":
            notice(glass.place, name, "a column of text", "left out, since readers of dumps expect numbers")
            continue
        name = name.replace(" ", "_")
        known = name in _LAMMPS_COLUMNS or re.match(r"([vcfdi]|[di]2)_", name)
        name = name if known else VARIABLE + name
        if values.ndim == 1:
            columns[name] = values
        else:
            columns |= {f"{name}[{k}]": column for k, column in enumerate(values.T, start=1)}
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
