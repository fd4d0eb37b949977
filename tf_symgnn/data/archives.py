"""Glasses in NumPy's `.npz` archives."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.lib import format as npy

from tf_symgnn.data.columns import find_label, to_cell
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.limits import MAX_ATOMS
from tf_symgnn.errors import InputError, as_input_error

_READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# Positions are the largest array that a glass needs: three f64 an atom.
_MAX_BYTES = 3 * 8 * MAX_ATOMS


def read_npz(path: Path, label: str | None) -> Glass:
    """Return the glass in an archive.

    Its keys are `positions` [N, 3] A; `species` or `atomic_numbers` [N]; `cell` or `box`, [3, 3] or [3] A; optionally
    `pbc` [3], by default periodic, and labels [N] eV.

    Args:
        path: the archive.
        label: the key of the labels, or None to read none.

    Raises:
        InputError: the file is no such archive, or an array in it is larger than `MAX_ATOMS` atoms need.
    """
    keys = {"positions", "species", "atomic_numbers", "cell", "box", "pbc", label}
    with as_input_error(path, "archive", "a whole .npz file"), zipfile.ZipFile(path) as archive:
        available = [name.removesuffix(".npy") for name in archive.namelist()]
        arrays = {name: _read_array(path, archive, name) for name in available if name in keys}
    for alternatives in (("positions",), ("species", "atomic_numbers"), ("cell", "box")):
        if not any(key in arrays for key in alternatives):
            expected = f"one among {', '.join(available) or 'none'}"
            raise InputError(path, " or ".join(alternatives), "no such key", expected)
    box = "cell" if "cell" in arrays else "box"
    return Glass(
        positions=arrays["positions"],
        cell=to_cell(str(path), box, arrays[box]),
        pbc=arrays.get("pbc", np.ones(3, bool)),
        species=arrays["species"] if "species" in arrays else _symbols(path, arrays["atomic_numbers"]),
        barrier=find_label(str(path), arrays | dict.fromkeys(set(available) - set(arrays)), label),
        source=path,
    )


def _read_array(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    # The header is checked first: an archive of a few kilobytes can declare, and inflate to, any amount of memory.
    with archive.open(f"{name}.npy") as file:
        shape, _, dtype = _READ_HEADER[npy.read_magic(file)](file)
    size = math.prod(shape) * dtype.itemsize
    if size > _MAX_BYTES:
        raise InputError(path, name, f"{size} bytes declared", f"at most {_MAX_BYTES}")
    with archive.open(f"{name}.npy") as file:
        return npy.read_array(file, allow_pickle=False)


def _symbols(path: Path, numbers: np.ndarray) -> np.ndarray:
    highest = len(chemical_symbols) - 1
    if numbers.dtype.kind not in "iu" or numbers.size == 0 or numbers.min() < 1 or numbers.max() > highest:
        raise InputError(
            path, "atomic_numbers", f"values of type {numbers.dtype}", f"whole numbers from 1 to {highest}"
        )
    return np.array(chemical_symbols)[numbers]
