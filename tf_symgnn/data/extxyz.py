"""Extended XYZ, read one frame at a time; ASE parses the comment line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols
from ase.io.extxyz import key_val_str_to_dict

from tf_symgnn.data.columns import (
    INTEGER,
    REAL,
    SKIPPED,
    atom_count,
    events_column,
    label_column,
    name_types,
    read_rows,
    spread_column,
    to_symbols,
    to_text,
)
from tf_symgnn.data.frames import Frame, to_glass
from tf_symgnn.data.glass import Glass, place
from tf_symgnn.data.opening import Lines
from tf_symgnn.data.options import ReadOptions
from tf_symgnn.errors import InputError, as_input_error

_CODES = {"R": REAL, "I": INTEGER, "S": "S32", "L": "S5"}
_PLAIN = "species:S:1:pos:R:3"  # what a frame without `Properties` has, with any columns after it
_SPECIES, _NUMBERS, _POSITIONS, _IDS = "species", "Z", "pos", "id"
_STEPS = ("Timestep", "timestep", "step")


class _Property(NamedTuple):
    name: str
    code: str
    width: int


def read_extxyz(path: Path, options: ReadOptions) -> Iterator[Glass]:
    """Yield the frames of an extended XYZ file.

    Raises:
        InputError: a frame is invalid.
    """
    with Lines(path) as lines:
        index = 0
        while lines.has_more():
            where = place(path, index or None)
            frame = _frame(where, lines, options)
            yield to_glass(frame, options, path, index if index or lines.has_more() else None)
            index += 1
    if not index:
        raise InputError(path, "content", "no frame", "at least one")


def read_info(path: Path) -> dict[str, object]:
    """Return the values in the comment line of the last frame, without those of box and columns.

    Raises:
        InputError: the file is damaged.
    """
    comment = ""
    with Lines(path) as lines:
        while lines.has_more():
            count = atom_count(str(path), next(lines))
            comment = next(lines, "").strip()
            for _ in islice(lines, count):
                pass
    info = _parse_comment(str(path), comment)
    return {key: value for key, value in info.items() if key not in ("Lattice", "Properties", "pbc", "Origin")}


def _parse_comment(where: str, comment: str) -> dict[str, object]:
    with as_input_error(where, "comment line", "key=value pairs"):
        return key_val_str_to_dict(comment) if comment else {}


def _frame(where: str, lines: Lines, options: ReadOptions) -> Frame:
    count = atom_count(where, next(lines))
    info = _parse_comment(where, next(lines, "").strip())
    first = next(lines, "")
    properties = _properties(where, info.get("Properties"), first.split())
    lines.push_back(first)
    by_name = {column.name: column for column in properties}
    label = label_column(where, by_name, options.label)
    events, spread = events_column(by_name, options.label), spread_column(by_name, options.label)
    needed = {_SPECIES, _NUMBERS, _POSITIONS, _IDS, "type", label, events, spread}
    table = _table(where, lines, count, properties, None if options.keep_columns else needed)
    if _POSITIONS not in table:
        raise InputError(where, "Properties", ", ".join(by_name), "pos among them")
    positions, species = table.pop(_POSITIONS), _species(where, table, options.species)
    ids = table.pop(_IDS) if _IDS in table and table[_IDS].dtype.kind == "i" else None
    lattice = info.get("Lattice")
    return Frame(
        positions=positions,
        # ASE's array is transposed.
        cell=np.zeros((3, 3)) if lattice is None else lattice.T,
        pbc=info.get("pbc"),
        origin=_origin(where, info),
        species=species,
        barrier=None if label is None else table[label],
        events=None if events is None else table[events],
        spread=None if spread is None else table[spread],
        ids=ids,
        step=next((int(info[key]) for key in _STEPS if isinstance(info.get(key), (int, np.integer))), None),
        columns=table,
    )


def _properties(where: str, text: object, first: Sequence[str]) -> list[_Property]:
    """Return the properties of a frame; a name may have colons in it.

    Raises:
        InputError: they are invalid, or have not as many columns as the first row.
    """
    plain = text is None
    words = _PLAIN.split(":") if plain else str(text).split(":")
    properties, start = [], 0
    while start < len(words):
        kind = next(
            (k for k in range(start + 1, len(words) - 1) if words[k] in _CODES and words[k + 1].isdigit()), None
        )
        if kind is None:
            raise InputError(where, "Properties", text, f"NAME:TYPE:COLUMNS, as in {_PLAIN}")
        width = int(words[kind + 1][:20])
        properties.append(_Property(":".join(words[start:kind]), _CODES[words[kind]], width))
        start = kind + 2
    width = sum(column.width for column in properties)
    if plain and len(first) > width:
        properties.append(_Property("", SKIPPED, len(first) - width))
    elif len(first) != width or not all(column.width for column in properties):
        raise InputError(where, "Properties", f"{width} columns declared", f"{len(first)}, as in the first row")
    if len({column.name for column in properties}) < len(properties):
        raise InputError(where, "Properties", text, "each name once")
    return properties


def _table(
    where: str, lines: Lines, count: int, properties: Sequence[_Property], needed: set[str | None] | None
) -> dict[str, np.ndarray]:
    """Return columns by name, [N] or [N, K]: those needed, or all for None."""
    codes, kept = [], {}
    for column in properties:
        skipped = column.code == SKIPPED or needed is not None and column.name not in needed
        if not skipped:
            kept[column.name] = (len(codes), column.width)
        codes += [SKIPPED if skipped else column.code] * column.width
    arrays = [_values(where, array) for array in read_rows(where, islice(lines, count), count, codes)]
    return {
        name: arrays[begin] if width == 1 else np.stack(arrays[begin : begin + width], axis=1)
        for name, (begin, width) in kept.items()
    }


def _values(where: str, array: np.ndarray) -> np.ndarray:
    """Return a column as it is meant: text, truth values or numbers."""
    if array.dtype != _CODES["L"]:
        return to_text(array)
    if not np.isin(array, [b"T", b"True", b"F", b"False"]).all():
        raise InputError(where, "Properties", "values of a column of truth values", "T or F")
    return np.isin(array, [b"T", b"True"])


def _species(where: str, table: dict[str, np.ndarray], type_names: Sequence[str] | None) -> np.ndarray:
    words, numbers = table.pop(_SPECIES, None), table.pop(_NUMBERS, None)
    if words is not None:
        unique = np.unique(words).tolist()
        # OVITO writes numbers for types without names.
        if all(word.isdigit() and len(word) < 10 for word in unique):
            return name_types(where, np.array([int(word) for word in words]), type_names)
        return to_symbols(words)
    if numbers is not None:
        if numbers.dtype.kind != "i" or numbers.min() < 1 or numbers.max() >= len(chemical_symbols):
            raise InputError(where, _NUMBERS, "values", f"atomic numbers from 1 to {len(chemical_symbols) - 1}")
        return np.array(chemical_symbols)[numbers]
    if "type" in table:
        return name_types(where, table["type"], type_names)
    raise InputError(where, "Properties", ", ".join(table), f"{_SPECIES} or {_NUMBERS} among them")


def _origin(where: str, info: Mapping[str, object]) -> np.ndarray:
    origin = np.asarray(info.get("Origin", np.zeros(3)))
    if origin.shape != (3,) or origin.dtype.kind not in "if":
        raise InputError(where, "Origin", info["Origin"], "three numbers")
    return origin
