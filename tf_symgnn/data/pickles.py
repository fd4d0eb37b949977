"""The published SymGNN pickles, read without executing anything in them.

Two checks protect this process. First, every opcode is checked before an object is built: only those of plain
containers, numbers and text are allowed, keys are text, since hashing nested tuples takes the stack or all time, their
number is bounded, and every declared length must be present in the file. Second, the unpickler
calls no NumPy function: the few names that it allows resolve to replacements, which keep the bytes and view them as
numbers, so that memory is bounded by the size of the file.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tf_symgnn import names
from tf_symgnn.data.boxes import to_cell
from tf_symgnn.data.columns import label_column, name_types
from tf_symgnn.data.frames import Frame, to_glass
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.limits import MAX_CONTENT
from tf_symgnn.data.opening import read_content
from tf_symgnn.data.options import ReadOptions
from tf_symgnn.errors import InputError, as_input_error

# A published file has 311 opcodes.
MAX_OPCODES = 100_000
MAX_DEPTH = 10  # of nested tuples
_STRING = -1
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


def read_published_pickle(path: Path, options: ReadOptions) -> Iterator[Glass]:
    """Yield a glass of the published data set: periodic, in a cuboid, with types 1 = Cu, 2 = Zr.

    The keys are `positions` [N, 3] A, `box` [3] A, `types` [N] and, in a labeled file, `trajectory_start_velocities`
    [N] eV, for which the default label stands.

    Raises:
        InputError: the file is no such pickle, or holds anything but plain values and arrays of numbers.
    """
    arrays = _load_arrays(path)
    for key in ("positions", "box", "types"):
        if key not in arrays:
            raise InputError(path, key, "no such key", "an array of numbers")
    if PUBLISHED_LABEL in arrays:
        arrays.setdefault(names.ENERGY_BARRIER, arrays[PUBLISHED_LABEL])
    n_atoms = arrays["positions"].shape[:1]
    label = label_column(str(path), arrays, options.label)
    known = ("positions", "box", "types", PUBLISHED_LABEL)
    frame = Frame(
        positions=arrays["positions"],
        cell=to_cell(str(path), "box", arrays["box"]),
        pbc=(True, True, True),
        species=name_types(str(path), arrays["types"], TYPE_NAMES),
        barrier=arrays.get(label),
        columns={key: array for key, array in arrays.items() if key not in known and array.shape[:1] == n_atoms},
    )
    yield to_glass(frame, options, path, None)


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    with read_content(path) as file:
        content = file.read(MAX_CONTENT + 1)
    if len(content) > MAX_CONTENT:
        raise InputError(path, "pickle", f"over {MAX_CONTENT} bytes", "less")
    with as_input_error(path, "pickle", "a whole pickle of plain values and arrays of numbers"):
        _check_opcodes(content)
        loaded = _ArrayUnpickler(io.BytesIO(content)).load()
        if not isinstance(loaded, dict):
            raise pickle.UnpicklingError(f"a {type(loaded).__name__} is not a dict")
        return {key: value.array for key, value in loaded.items() if isinstance(key, str) and isinstance(value, _Array)}


def _check_opcodes(content: bytes) -> None:
    """Check the opcodes of a pickle by following what each leaves on the stack.

    An object on the stack is represented by the depth of its nested tuples, and a text by `_STRING`.

    Raises:
        UnpicklingError: an opcode is not admitted, there are too many, tuples are nested too deep, or a key is no text.
    """
    stack: list[int] = []
    marks: list[int] = []
    memo: dict[int, int] = {}
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(f"opcode {opcode.name} is not admitted")
        if number > MAX_OPCODES:
            raise pickle.UnpicklingError(f"over {MAX_OPCODES} opcodes")
        if opcode.name == "MARK":
            marks.append(len(stack))
        elif opcode.name in ("MEMOIZE", "BINPUT"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        else:
            taken = _take(stack, marks, opcode.stack_before)
            # Below the keys and values lies the dictionary.
            if opcode.name in ("SETITEM", "SETITEMS") and any(key != _STRING for key in taken[1::2]):
                raise pickle.UnpicklingError("a key is not text")
            if opcode.stack_after:
                stack.append(_pushed(opcode.name, taken))


def _take(stack: list[int], marks: list[int], before: list[pickletools.StackObject]) -> list[int]:
    """Return what an opcode takes from the stack."""
    if pickletools.markobject in before:
        begin = marks.pop() - before.index(pickletools.markobject)
    else:
        begin = len(stack) - len(before)
    if begin < (marks[-1] if marks else 0):
        raise pickle.UnpicklingError("nothing to take from the stack")
    taken = stack[begin:]
    del stack[begin:]
    return taken


def _pushed(name: str, taken: list[int]) -> int:
    if "UNICODE" in name:
        return _STRING
    if not name.startswith("TUPLE"):
        return 0
    depth = 1 + max([0, *taken])
    if depth > MAX_DEPTH:
        raise pickle.UnpicklingError(f"tuples are nested over {MAX_DEPTH} deep")
    return depth


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
