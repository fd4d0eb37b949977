"""Glasses in NumPy's `.npz` archives."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from numpy.lib import format as npy

from tf_symgnn.data.boxes import to_cell
from tf_symgnn.data.columns import events_column, label_column, spread_column
from tf_symgnn.data.frames import Frame, to_glass
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.limits import FREE_INFLATION, MAX_ATOMS, MAX_INFLATION
from tf_symgnn.data.opening import read_content
from tf_symgnn.data.options import ReadOptions
from tf_symgnn.errors import InputError, as_input_error

_READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# Positions are the largest array that a glass needs: three f64 an atom.
_MAX_BYTES = 3 * 8 * MAX_ATOMS
_KEYS = {"positions", "species", "atomic_numbers", "cell", "box", "pbc", "origin", "ids", "step"}


def read_npz(path: Path, options: ReadOptions) -> Iterator[Glass]:
    """Yield the glass in an archive.

    Its keys are `positions` [N, 3] A; `species` or `atomic_numbers` [N]; `cell` or `box`, [3, 3] or [3] A; optionally
    `pbc` [3], by default periodic, `origin` [3] A, `ids` [N], `step`, labels [N] eV, and further columns [N, ...].

    Raises:
        InputError: the file is no such archive, or an array in it is larger than the file or `MAX_ATOMS` atoms allow.
    """
    whole = as_input_error(path, "archive", "a whole .npz file")
    with whole, read_content(path) as content, zipfile.ZipFile(content) as archive:
        available = [name.removesuffix(".npy") for name in archive.namelist()]
        if len(set(available)) < len(available):
            raise InputError(path, "archive", "a name twice", "each name once")
        label = label_column(str(path), available, options.label)
        events, spread = events_column(available, options.label), spread_column(available, options.label)
        wanted = set(available) if options.keep_columns else _KEYS | {label, events, spread}
        arrays = _read_arrays(path, archive, [name for name in available if name in wanted])
    for alternatives in (("positions",), ("species", "atomic_numbers"), ("cell", "box")):
        if not any(key in arrays for key in alternatives):
            expected = f"one among {', '.join(available) or 'none'}"
            raise InputError(path, " or ".join(alternatives), "no such key", expected)
    box = "cell" if "cell" in arrays else "box"
    symbols = "species" in arrays
    n_atoms = arrays["positions"].shape[:1]
    further = {name: array for name, array in arrays.items() if name not in _KEYS and array.shape[:1] == n_atoms}
    frame = Frame(
        positions=arrays["positions"],
        cell=to_cell(str(path), box, arrays[box]),
        pbc=arrays.get("pbc"),
        species=arrays["species"] if symbols else _symbols(path, arrays["atomic_numbers"]),
        barrier=arrays.get(label),
        events=arrays.get(events),
        spread=arrays.get(spread),
        origin=arrays.get("origin", np.zeros(3)),
        ids=arrays.get("ids"),
        step=_step(path, arrays),
        columns=further,
    )
    yield to_glass(frame, options, path, None)


def _read_arrays(path: Path, archive: zipfile.ZipFile, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return arrays whose headers declare no more than the archive holds, and that inflate within bounds."""
    compressed = sum(member.compress_size for member in archive.infolist())
    room = min(_MAX_BYTES, FREE_INFLATION + MAX_INFLATION * compressed)
    arrays = {}
    for name in names:
        # The header is checked first: a few kilobytes can declare, and inflate to, any amount of memory.
        with archive.open(f"{name}.npy") as file:
            shape, _, dtype = _READ_HEADER[npy.read_magic(file)](file)
        size, held = math.prod(shape) * dtype.itemsize, archive.getinfo(f"{name}.npy").file_size
        if dtype.kind not in "biufSU" or not dtype.itemsize:
            raise InputError(path, name, f"values of type {dtype}", "numbers or text")
        if size > min(room, held):
            raise InputError(path, name, f"{size} bytes declared", f"at most {min(room, held)}, as the archive holds")
        room -= size
        with archive.open(f"{name}.npy") as file:
            arrays[name] = npy.read_array(file, allow_pickle=False)
    return arrays


def _symbols(path: Path, numbers: np.ndarray) -> np.ndarray:
    highest = len(chemical_symbols) - 1
    if numbers.dtype.kind not in "iu" or numbers.size == 0 or numbers.min() < 1 or numbers.max() > highest:
        raise InputError(
            path, "atomic_numbers", f"values of type {numbers.dtype}", f"whole numbers from 1 to {highest}"
        )
    return np.array(chemical_symbols)[numbers]


def _step(path: Path, arrays: dict[str, np.ndarray]) -> int | None:
    step = arrays.get("step")
    if step is None:
        return None
    if step.shape != () or step.dtype.kind not in "iu":
        raise InputError(path, "step", f"shape {step.shape} of {step.dtype}", "a whole number")
    return int(step)
