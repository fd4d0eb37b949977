"""The published SymGNN pickles, read without running anything that they hold.

Two walls stand between such a file and this process. Before anything is built, every opcode is walked through: only
those that make plain containers, numbers and text may occur, and each length declared must be there in the file. Then
the unpickler meets no NumPy function at all: the few names that it admits resolve to stand-ins, which keep the bytes
and view them as numbers, so that memory stays bounded by the file.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np

from tf_symgnn import names
from tf_symgnn.data.columns import find_label, name_types, to_cell
from tf_symgnn.data.glass import Glass
from tf_symgnn.errors import InputError, as_input_error

MAX_BYTES = 2 * 1024**3
TYPE_NAMES = ("Cu", "Zr")
# Upstream stores the energy barriers, eV, under this name.
PUBLISHED_LABEL = "trajectory_start_velocities"

_OPCODES = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "MEMOIZE",
        "BINPUT",
        "BINGET",
        "LONG_BINGET",
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BUILD",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "EMPTY_DICT",
        "SETITEM",
        "SETITEMS",
        "EMPTY_LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
    ]
)


def read_published_pickle(path: Path, label: str | None) -> Glass:
    """One glass of the published data set: periodic, in a cuboid; types 1 = Cu, 2 = Zr.

    Args:
        path: the file, with keys `positions` [N, 3] A, `box` [3] A, `types` [N] and, where labelled,
            `trajectory_start_velocities` [N] eV.
        label: the default, which stands for that key, or the name of another key, or None.

    Raises:
        InputError: the file is no such pickle, or holds anything but plain values and arrays of numbers.
    """
    arrays = _load_arrays(path)
    for key in ("positions", "box", "types"):
        if key not in arrays:
            raise InputError(path, key, "no such key", "an array of numbers")
    if PUBLISHED_LABEL in arrays:
        arrays.setdefault(names.ENERGY_BARRIER, arrays[PUBLISHED_LABEL])
    return Glass(
        positions=arrays["positions"],
        cell=to_cell(str(path), "box", arrays["box"]),
        pbc=np.ones(3, bool),
        species=name_types(str(path), arrays["types"], TYPE_NAMES),
        barrier=find_label(str(path), arrays, label),
        source=path,
    )


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(path, "pickle", f"{size} bytes", f"at most {MAX_BYTES}")
    content = path.read_bytes()
    with as_input_error(path, "pickle", "a whole pickle of plain values and arrays of numbers"):
        for opcode, _, _ in pickletools.genops(content):
            if opcode.name not in _OPCODES:
                raise pickle.UnpicklingError(f"opcode {opcode.name} is not admitted")
        loaded = _ArrayUnpickler(io.BytesIO(content)).load()
        if not isinstance(loaded, dict):
            raise pickle.UnpicklingError(f"a {type(loaded).__name__} is not a dict")
        return {key: value.array for key, value in loaded.items() if isinstance(key, str) and isinstance(value, _Array)}


class _Dtype:
    """Stands in for `numpy.dtype`: a type code and, by its state, a byte order."""

    def __init__(self, code: str, align: bool, copy: bool):
        if not re.fullmatch(r"[biufcSU]\d{1,9}", code):
            raise pickle.UnpicklingError(f"dtype {code!r} is not one of numbers or text")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # NumPy's own would change the order of a dtype in place, and with it that of the process' shared ones.
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for `_reconstruct`: an array whose state comes later."""

    def __init__(self, subtype: str, shape: tuple[int, ...], code: bytes):
        self.array = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, content = state
        self.array = np.frombuffer(content, dtype.dtype).reshape(shape, order="F" if is_fortran else "C")


class _BufferArray(_Array):
    """Stands in for `_frombuffer`, by which pickle protocol 5 makes an array in one step."""

    def __init__(self, content: bytes | bytearray, dtype: _Dtype, shape: tuple[int, ...], order: str):
        self.array = np.frombuffer(content, dtype.dtype).reshape(shape, order=order)


class _ArrayUnpickler(pickle.Unpickler):
    # What BUILD could be pointed at among these either takes the state itself or is text, so nothing can be patched.
    _ADMITTED = {
        ("numpy", "dtype"): _Dtype,
        ("numpy", "ndarray"): "ndarray",
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
        ("numpy.core.numeric", "_frombuffer"): _BufferArray,
        ("numpy._core.numeric", "_frombuffer"): _BufferArray,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted") from None
