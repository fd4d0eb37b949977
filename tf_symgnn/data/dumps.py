"""Text dumps of LAMMPS (https://docs.lammps.org/dump.html), read one frame at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_symgnn.data.boxes import restricted_cell
from tf_symgnn.data.columns import (
    INTEGER,
    REAL,
    SKIPPED,
    TEXT,
    are_symbols,
    atom_count,
    code_of,
    events_column,
    label_column,
    name_types,
    read_rows,
    require_masses,
    spread_column,
    to_symbols,
    to_text,
)
from tf_symgnn.data.frames import Frame, to_glass
from tf_symgnn.data.glass import Glass, place
from tf_symgnn.data.notices import notice
from tf_symgnn.data.opening import Lines
from tf_symgnn.data.options import ReadOptions
from tf_symgnn.errors import InputError, as_input_error

_ITEM = "ITEM:"
_HEADERS = ("UNITS", "TIMESTEP", "TIME", "NUMBER OF ATOMS", "BOX BOUNDS", "ATOMS")
# Styles whose unit of length is A.
ANGSTROM_UNITS = ("metal", "real")
# Scaled coordinates are in units of the cell vectors; unwrapped ones may lie outside the box.
_POSITIONS = ((("x", "y", "z"), False), (("xs", "ys", "zs"), True), (("xu", "yu", "zu"), False))
_POSITIONS += ((("xsu", "ysu", "zsu"), True),)
_MOST_HEADER_LINES = 30
_UNNAMED = "C"  # in the column `element`, of every type that `dump_modify element` does not name


class _Header(NamedTuple):
    """What stands before the rows of a frame."""

    step: int | None
    count: int
    box: str
    bounds: list[str]
    columns: list[str]


def read_lammps_dump(path: Path, options: ReadOptions) -> Iterator[Glass]:
    """Yield the frames of a LAMMPS text dump in units of A, with atoms sorted by id.

    Raises:
        InputError: a frame is invalid, its units are not in A, or nothing names its species.
    """
    with Lines(path) as lines:
        index = 0
        while lines.has_more():
            where = place(path, index or None)
            header = _header(where, lines)
            frame = _frame(where, lines, header, options)
            yield to_glass(frame, options, path, index if index or lines.has_more() else None)
            index += 1
    if not index:
        raise InputError(path, "content", "no frame", "at least one")


def _header(where: str, lines: Lines) -> _Header:
    items: dict[str, list[str]] = {}
    current: list[str] | None = None
    columns = None
    for _, line in zip(range(_MOST_HEADER_LINES), lines, strict=False):
        if line.startswith(_ITEM):
            text = line.removeprefix(_ITEM).strip()
            name = next((name for name in _HEADERS if text.startswith(name)), text)
            if name in items or name == "ATOMS" and not {"NUMBER OF ATOMS", "BOX BOUNDS"} <= set(items):
                break
            if name == "ATOMS":
                columns = text.removeprefix(name).split()
                break
            current = items[name] = [text.removeprefix(name)] if name == "BOX BOUNDS" else []
        elif current is not None:
            current.append(line)
        elif line.strip():
            expected = f"{_ITEM} TIMESTEP, where a frame begins"
            raise InputError(where, f"line {lines.number}", line[:60], expected)
    if columns is None:
        expected = f"{_ITEM} NUMBER OF ATOMS, BOX BOUNDS and ATOMS, each once"
        raise InputError(where, "content", "an incomplete frame", expected)
    return _checked(where, items, columns)


def _checked(where: str, items: dict[str, list[str]], columns: list[str]) -> _Header:
    units = " ".join(items.get("UNITS", [])).strip()
    if units and units not in ANGSTROM_UNITS:
        raise InputError(where, "units", units, f"{' or '.join(ANGSTROM_UNITS)}, whose lengths are in A")
    if len(columns) != len(set(columns)):
        raise InputError(where, "columns", " ".join(columns), "each name once")
    count = atom_count(where, " ".join(items["NUMBER OF ATOMS"]))
    box, *bounds = items["BOX BOUNDS"]
    with as_input_error(where, "time step", "a whole number"):
        step = int(" ".join(items["TIMESTEP"])[:30]) if items.get("TIMESTEP") else None
    return _Header(step, count, box, bounds, columns)


def _frame(where: str, lines: Lines, header: _Header, options: ReadOptions) -> Frame:
    table = _table(where, lines, header, options)
    cell, origin, pbc = _box(where, header)
    ids = table.pop("id", None)
    if ids is not None:
        order = np.argsort(ids, kind="stable")
        ids, table = ids[order], {name: column[order] for name, column in table.items()}
    names, scaled = _position_columns(where, header.columns)
    positions = np.stack([table.pop(name) for name in names], axis=1)
    species = _species(where, header.columns, table, options.species)
    label = label_column(where, header.columns, options.label)
    events, spread = events_column(header.columns, options.label), spread_column(header.columns, options.label)
    if pbc is None and options.pbc is None:
        notice(where, "BOX BOUNDS", "no boundary flags", "taken as periodic; --pbc states another periodicity")
    return Frame(
        positions=positions @ cell + origin if scaled else positions,
        cell=cell,
        pbc=pbc,
        origin=origin,
        species=species,
        barrier=None if label is None else table[label],
        events=None if events is None else table[events],
        spread=None if spread is None else table[spread],
        ids=ids,
        step=header.step,
        columns=table,
    )


def _table(where: str, lines: Lines, header: _Header, options: ReadOptions) -> dict[str, np.ndarray]:
    """Return the columns that are needed, by name; rows are read up to where the next frame begins."""
    rows = _rows(lines)
    first = next(rows, "")
    codes = _codes(where, header.columns, first.split(), options)
    arrays = read_rows(where, chain([first] if first else [], rows), header.count, codes)
    kept = zip(header.columns, codes, arrays, strict=True)
    return {name: to_text(array) for name, code, array in kept if code != SKIPPED}


def _rows(lines: Lines) -> Iterator[str]:
    for line in lines:
        if line.startswith(_ITEM):
            lines.push_back(line)
            return
        if line.strip():
            yield line


def _codes(where: str, columns: Sequence[str], first: Sequence[str], options: ReadOptions) -> list[str]:
    label = label_column(where, columns, options.label)
    needed = {*_position_columns(where, columns)[0], label, "mass", spread_column(columns, options.label)}
    special = {"id": INTEGER, "element": TEXT, "typelabel": TEXT}
    special |= dict.fromkeys(needed, REAL) | {events_column(columns, options.label): INTEGER}
    codes = []
    # A first row of another length is refused with the others.
    for name, value in zip(columns, [*first, *[""] * len(columns)], strict=False):
        if name in special:
            codes.append(special[name])
        elif name == "type":
            codes.append(INTEGER if value.lstrip("+-").isdigit() else TEXT)
        else:
            codes.append(code_of(name, value) if options.keep_columns else SKIPPED)
    return codes


def _position_columns(where: str, columns: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    for names, scaled in _POSITIONS:
        if set(names) <= set(columns):
            return names, scaled
    raise InputError(where, "columns", " ".join(columns), "x y z, xs ys zs, xu yu zu or xsu ysu zsu among them")


def _box(where: str, header: _Header) -> tuple[np.ndarray, np.ndarray, list[bool] | None]:
    """Return cell, origin and periodicity, which files of before 2009 do not have."""
    words = header.box.split()
    with as_input_error(where, "BOX BOUNDS", "three lines of numbers"):
        bounds = np.array([[float(word) for word in line.split()] for line in header.bounds if line.strip()])
        width = {"abc": 4, "xy": 3}.get(words[0] if words else "")
        if bounds.ndim != 2 or len(bounds) != 3 or bounds.shape[1] not in ((width,) if width else (2, 3)):
            raise ValueError(f"shape {bounds.shape}")
        if width == 4:
            return bounds[:, :3], bounds[:, 3], _periodic(where, words[2:])
        # Bounds are of the whole tilted box (https://docs.lammps.org/Howto_triclinic.html).
        tilts = bounds[:, 2] if bounds.shape[1] == 3 else np.zeros(3)
        xy, xz, yz = tilts
        low = np.array([min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0])
        high = np.array([max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0])
        origin = bounds[:, 0] - low
        cell = restricted_cell(bounds[:, 1] - high - origin, tilts)
        return cell, origin, _periodic(where, words[3:] if width == 3 else words)


def _periodic(where: str, flags: Sequence[str]) -> list[bool] | None:
    if not flags:
        return None
    if len(flags) != 3 or not all(len(flag) == 2 and set(flag) <= set("pfsm") for flag in flags):
        raise InputError(where, "BOX BOUNDS", " ".join(flags), "three flags, as in pp pp ff")
    return ["p" in flag for flag in flags]


def _species(
    where: str, columns: Sequence[str], table: dict[str, np.ndarray], type_names: Sequence[str] | None
) -> np.ndarray:
    types = table.get("type")
    labels = table.pop("typelabel", types if types is not None and types.dtype.kind == "U" else None)
    elements = table.pop("element", None)
    if labels is types:
        table.pop("type", None)
    if elements is not None:
        species = _named_by_element(where, to_symbols(elements), types, type_names)
    elif labels is not None:
        if not are_symbols(np.unique(labels)):
            raise InputError(where, "type", ", ".join(np.unique(labels)), "labels that are chemical symbols")
        species = to_symbols(labels)
    elif types is None:
        raise InputError(where, "columns", " ".join(columns), "type or element among them")
    else:
        species = name_types(where, types, type_names)
    if types is not None and types.dtype.kind == "i" and "mass" in table:
        kinds, first = np.unique(types, return_index=True)
        masses = dict(zip(kinds.tolist(), table["mass"][first].tolist(), strict=True))
        require_masses(where, masses, dict(zip(kinds.tolist(), species[first].tolist(), strict=True)))
    return species


def _named_by_element(
    where: str, elements: np.ndarray, types: np.ndarray | None, type_names: Sequence[str] | None
) -> np.ndarray:
    """Return the column `element`, or the names of types where LAMMPS had none for the elements.

    Raises:
        InputError: elements are not those of the given species, or name types otherwise.
    """
    unique = np.unique(elements).tolist()
    numbered = types is not None and types.dtype.kind == "i"
    if unique == [_UNNAMED] and numbered and _UNNAMED not in (type_names or ()):
        if type_names:
            notice(where, "element", f"{_UNNAMED} for every type, as LAMMPS writes without names", "types are taken")
            return name_types(where, types, type_names)
        if len(np.unique(types)) > 1:
            found = f"{_UNNAMED} for types {np.unique(types).tolist()}"
            raise InputError(where, "element", found, "their symbols by --species, as in Cu,Zr")
    if not type_names:
        return elements
    if not set(unique) <= set(type_names):
        raise InputError(where, "element", ", ".join(unique), f"only {', '.join(type_names)}, as by --species")
    if numbered and types.min() >= 1 and types.max() <= len(type_names):
        other = np.flatnonzero(elements != np.array(type_names)[types - 1])
        if other.size:
            kind, element = types[other[0]], elements[other[0]]
            raise InputError(where, "element", f"{element} for type {kind}", f"{type_names[kind - 1]}, as by --species")
    return elements
