"""The published SymGNN pickles, read without executing anything in them.

Two checks protect this process. First, every opcode is checked before an object is built: only those of plain
containers, numbers and text are allowed, and every declared length must be present in the file. Second, the unpickler
calls no NumPy function: the few names that it allows resolve to replacements, which keep the bytes and view them as
numbers, so that memory is bounded by the size of the file.
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
# The key of the energy barriers, eV, in the published files.
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
    """Return a glass of the published data set: periodic, in a cuboid, with types 1 = Cu, 2 = Zr.

    Args:
        path: the file, with the keys `positions` [N, 3] A, `box` [3] A, `types` [N] and, where it is labeled,
            `trajectory_start_velocities` [N] eV.
        label: the default label, which stands for that key, the name of another key, or None to read no labels.

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
    """A replacement of `numpy.dtype`: a type code and, from its state, a byte order."""

    def __init__(self, code: str, align: bool, copy: bool):
        if not re.fullmatch(r"[biufcSU]\d{1,9}", code):
            raise pickle.UnpicklingError(f"dtype {code!r} is not one of numbers or text")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # `numpy.dtype.__setstate__` would change a dtype that the whole process shares.
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """A replacement of `_reconstruct`: an array that its state fills."""

    def __init__(self, subtype: str, shape: tuple[int, ...], code: bytes):
        self.array = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, content = state
        self.array = np.frombuffer(content, dtype.dtype).reshape(shape, order="F" if is_fortran else "C")


class _BufferArray(_Array):
    """A replacement of `_frombuffer`, with which pickle protocol 5 makes an array in one step."""

    def __init__(self, content: bytes | bytearray, dtype: _Dtype, shape: tuple[int, ...], order: str):
        self.array = np.frombuffer(content, dtype.dtype).reshape(shape, order=order)


class _ArrayUnpickler(pickle.Unpickler):
    # BUILD cannot set attributes of these: the classes take the state themselves, and text takes none.
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
