"""Data files of LAMMPS (https://docs.lammps.org/read_data.html)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

from tf_symgnn.data.boxes import restricted_cell
from tf_symgnn.data.columns import (
    INTEGER,
    REAL,
    TEXT,
    are_symbols,
    atom_count,
    label_column,
    name_types,
    read_rows,
    require_masses,
    to_symbols,
    to_text,
)
from tf_symgnn.data.dumps import ANGSTROM_UNITS
from tf_symgnn.data.frames import Frame, to_glass
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.opening import Lines
from tf_symgnn.data.options import ATOM_STYLES, ReadOptions
from tf_symgnn.errors import InputError, as_input_error

# Sections are recognized by these words, since rows may begin with the label of a type.
_SECTION = re.compile(
    r"(Atoms|Velocities|Masses|Ellipsoids|Lines|Triangles|Bodies|Bonds|Angles|Dihedrals|Impropers"
    r"|(Atom|Bond|Angle|Dihedral|Improper) Type Labels|[A-Z][A-Za-z0-9]* Coeffs)"
)
_BOUNDS = ("xlo xhi", "ylo yhi", "zlo zhi", "xy xz yz", "avec", "bvec", "cvec", "abc origin")
_MOST_TYPES = 1000


@dataclass
class _Content:
    """The parts of a data file."""

    title: str = ""
    count: int = 0
    types: int = _MOST_TYPES
    box: dict[str, list[float]] = field(default_factory=dict)
    masses: list[list[str]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    style: str | None = None
    columns: list[np.ndarray] | None = None


def read_lammps_data(path: Path, options: ReadOptions) -> Iterator[Glass]:
    """Yield the glass of a LAMMPS data file in units of A, with atoms sorted by id; the format has no labels.

    Raises:
        InputError: the file is invalid, its units are not in A, nothing names its types, masses are those of other
            elements, or the label is not the default or None.
    """
    with Lines(path) as lines:
        content = _content(path, lines, options)
    place = str(path)
    label_column(place, [], options.label)
    _require_units(place, content.title)
    if content.columns is None:
        raise InputError(path, "Atoms", "no such section", "one with a row per atom")
    type_column, x, _ = ATOM_STYLES[content.style]
    cell, origin = _box(place, content.box)
    columns = content.columns
    positions = np.stack(columns[x : x + 3], axis=1)
    if (width := _image_flags(content.style, columns)) is not None:
        positions = positions + np.stack(columns[width : width + 3], axis=1) @ cell
    order = np.argsort(columns[0], kind="stable")
    step = re.search(r"timestep = (\d{1,18})\b", content.title)
    frame = Frame(
        positions=positions[order],
        cell=cell,
        pbc=None,
        origin=origin,
        species=_species(place, columns[type_column][order], content, options.species),
        ids=columns[0][order],
        step=int(step[1]) if step else None,
    )
    yield to_glass(frame, options, path, None)


def _content(path: Path, lines: Lines, options: ReadOptions) -> _Content:
    content = _Content(title=next(lines, ""))
    section = None
    for line in lines:
        words, _, comment = line.partition("#")
        words = words.split()
        if not words:
            continue
        name = " ".join(words)
        if _SECTION.fullmatch(name):
            section = name
            if section == "Atoms":
                _read_atoms(path, lines, content, comment.strip(), options)
        elif section is None:
            _read_header(path, content, words)
        elif section == "Masses":
            content.masses.append(words[:2])
        elif section == "Atom Type Labels" and len(words) > 1:
            with as_input_error(path, section, "a type and its label"):
                content.labels[words[1]] = int(words[0])
        if max(len(content.masses), len(content.labels)) > _MOST_TYPES:
            raise InputError(path, section, f"over {_MOST_TYPES} rows", "one per type")
    return content


def _read_header(path: Path, content: _Content, words: Sequence[str]) -> None:
    for size in (3, 2, 1):
        name = " ".join(words[-size:])
        if name == "atoms":
            content.count = atom_count(str(path), " ".join(words[:-1]))
        elif name in _BOUNDS or name == "atom types":
            with as_input_error(path, name, "numbers"):
                values = [float(word) for word in words[:-size]][:4]
                if name == "atom types":
                    content.types = int(values[0])
                else:
                    content.box[name] = values


def _rows(lines: Lines) -> Iterator[str]:
    for line in lines:
        row = line.partition("#")[0]
        if row.lstrip()[:1].isupper() and _SECTION.fullmatch(" ".join(row.split())):
            lines.push_back(line)
            return
        if row.strip():
            yield row


def _read_atoms(path: Path, lines: Lines, content: _Content, hint: str, options: ReadOptions) -> None:
    if content.columns is not None:
        raise InputError(path, "Atoms", "two sections", "one")
    if not content.count:
        raise InputError(path, "number of atoms", "none", "a line `N atoms` in the header")
    rows = _rows(lines)
    style = options.atom_style or _hinted_style(hint)
    if style is None:
        every = list(rows)
        if not every:
            raise InputError(path, "atoms", "0 rows", f"{content.count} as declared")
        rows, style = iter(every), _guess_style(path, every, content.types)
    if style not in ATOM_STYLES:
        raise InputError(path, "atom style", style, f"one of {', '.join(ATOM_STYLES)}")
    first = next(rows, "")
    codes = _codes(path, style, first.split())
    content.style = style
    content.columns = read_rows(str(path), chain([first] if first else [], rows), content.count, codes)


def _hinted_style(comment: str) -> str | None:
    """Return the style that the comment in the line `Atoms` names, or None where it is another remark."""
    words = comment.split()
    return words[0] if words and (words[0] in ATOM_STYLES or len(words) == 1) else None


def _codes(path: Path, style: str, first: Sequence[str]) -> list[str]:
    type_column, x, width = ATOM_STYLES[style]
    if len(first) < x + 3 or (width is not None and len(first) not in (width, width + 3)):
        expected = f"{width}, or {width + 3} with image flags, of atom style {style}" if width else f"at least {x + 3}"
        raise InputError(path, "Atoms", f"{len(first)} values in a row", expected)
    codes = [REAL] * len(first)
    codes[0], codes[type_column] = INTEGER, INTEGER if first[type_column].lstrip("+-").isdigit() else TEXT
    if width is not None and len(first) == width + 3:
        codes[width:] = [INTEGER] * 3
    return codes


def _image_flags(style: str, columns: Sequence[np.ndarray]) -> int | None:
    """Return the column of the first image flag, or None without. Those of hybrid styles are not recognized."""
    width = ATOM_STYLES[style][2]
    return width if width is not None and len(columns) == width + 3 else None


def _guess_style(path: Path, rows: Sequence[str], types: int) -> str:
    """Return the only atom style that all rows suit; `atomic` and `full` are preferred to rarer ones.

    Raises:
        InputError: several suit, or none.
    """
    table = [row.split() for row in rows]
    suited = [style for style in ("atomic", "charge", "molecular", "full") if _suits(style, table, types)]
    if len(suited) != 1:
        found = f"{len(table[0])} values in a row and no style in the line `Atoms`"
        among = " or ".join(suited) or "one of " + ", ".join(ATOM_STYLES)
        raise InputError(path, "atom style", found, f"--atom-style {among}")
    return suited[0]


def _suits(style: str, table: Sequence[Sequence[str]], types: int) -> bool:
    type_column, _, width = ATOM_STYLES[style]
    for words in table:
        if len(words) not in (width, width + 3):
            return False
        if len(words) == width + 3 and not all(word.lstrip("+-").isdigit() for word in words[width:]):
            return False
        whole = words[1:type_column]  # of a molecule
        if not all(word.lstrip("+-").isdigit() for word in whole):
            return False
        kind = words[type_column]
        if not (kind.isdigit() and len(kind) < 10 and 1 <= int(kind) <= types) and not are_symbols([kind]):
            return False
    return True


def _box(place: str, box: dict[str, list[float]]) -> tuple[np.ndarray, np.ndarray]:
    with as_input_error(place, "box", "xlo xhi, ylo yhi and zlo zhi, or avec, bvec, cvec and abc origin"):
        if "avec" in box:
            vectors = [box[name][:3] for name in ("avec", "bvec", "cvec", "abc origin")]
            return np.array(vectors[:3]), np.array(vectors[3])
        low, high = np.array([box[name][:2] for name in _BOUNDS[:3]]).T
        tilts = (box.get("xy xz yz", [0.0, 0.0, 0.0]) + [0.0] * 3)[:3]
        return restricted_cell(high - low, tilts), low


def _require_units(place: str, title: str) -> None:
    """Check the units that `write_data` states in the first line."""
    units = re.search(r"\bunits = (\w{1,20})", title)
    if units and units[1] not in ANGSTROM_UNITS:
        raise InputError(place, "units", units[1], f"{' or '.join(ANGSTROM_UNITS)}, whose lengths are in A")


def _species(place: str, types: np.ndarray, content: _Content, type_names: Sequence[str] | None) -> np.ndarray:
    """Return chemical symbols [N], from labels of types or else by type names, checked against masses."""
    labels, named = content.labels, are_symbols(content.labels)
    symbols = {number: label.capitalize() for label, number in labels.items()} if labels and named else {}
    for number, symbol in symbols.items():
        if type_names and 1 <= number <= len(type_names) and type_names[number - 1] != symbol:
            raise InputError(
                place, "Atom Type Labels", f"{symbol} for type {number}", f"{type_names[number - 1]}, as by --species"
            )
    if types.dtype.kind == "S":
        words = to_text(types)
        unknown = sorted(set(np.unique(words).tolist()) - set(labels))
        if labels and not unknown:
            types = np.array([labels[word] for word in words])
        elif not labels and are_symbols(np.unique(words)):
            return to_symbols(words)
        else:
            raise InputError(place, "types", ", ".join(unknown), "labels in the section `Atom Type Labels`")
    if symbols and set(np.unique(types).tolist()) <= set(symbols):
        species = np.array([symbols[kind] for kind in types.tolist()])
    else:
        species = name_types(place, types, type_names)
        symbols = dict(enumerate(type_names, start=1))
    require_masses(place, _masses(place, content), symbols)
    return species


def _masses(place: str, content: _Content) -> dict[int, float]:
    masses = {}
    with as_input_error(place, "Masses", "a type and its mass"):
        for kind, mass in content.masses:
            masses[content.labels[kind] if kind in content.labels else int(kind)] = float(mass)
    return masses
