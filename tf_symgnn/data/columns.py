"""Rows and columns of text, and what columns mean: labels, species and box."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from ase.data import atomic_masses, chemical_symbols
from ase.data import atomic_numbers as NUMBER_OF_SYMBOL

from tf_symgnn import names
from tf_symgnn.data.limits import MAX_ATOMS, MAX_COLUMNS
from tf_symgnn.data.notices import notice
from tf_symgnn.errors import InputError, as_input_error

# LAMMPS writes per-atom numbers under the name of the variable, compute, fix or custom property that holds them. ASE
# keeps columns of a dump under such names only.
VARIABLE = "v_"
_PREFIXES = ("", VARIABLE, "c_", "f_", "d_", "i_")
# Are added to the name of a label for the number of events that it is the mean of, and their standard deviation, eV.
EVENTS, SPREAD = "_events", "_std"

# Codes of columns: a whole number, a real number, a short text, and one that is not needed, of which a byte is kept.
INTEGER, REAL, TEXT, SKIPPED = "i8", "f8", "S16", "S1"
_WHOLE = ("id", "type", "mol", "proc", "procp1", "ix", "iy", "iz")

# Masses of elements in tables differ by less than the first number; those of Co and Ni, by more than the second.
_SAME_MASS, _EQUAL_MASS = 0.02, 5e-4


def read_rows(place: str, rows: Iterable[str], count: int, codes: Sequence[str]) -> list[np.ndarray]:
    """Return the columns of rows of text.

    Args:
        place: the file, for errors.
        rows: as many as there are.
        count: the number of rows that the file declares.
        codes: of each column.

    Raises:
        InputError: another number of rows is there, a row has another number of columns, or a value does not parse.
    """
    if len(codes) > MAX_COLUMNS:
        raise InputError(place, "columns", len(codes), f"at most {MAX_COLUMNS}")
    n_rows = 0

    def counted() -> Iterable[str]:
        nonlocal n_rows
        for row in rows:
            n_rows += 1
            yield row

    dtype = np.dtype([(f"f{k}", code) for k, code in enumerate(codes)])
    with as_input_error(place, "content", "rows of values as the header declares"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "loadtxt: input contained no data")  # it is refused below
        warnings.simplefilter("ignore", DeprecationWarning)  # of whole numbers that are written as in 1.0
        try:
            table = np.loadtxt(counted(), dtype, comments=None, ndmin=1, encoding="latin1")
        except ValueError as error:
            if other := re.search(r"requires \d+ columns but (\d+) were found at row (\d+)", str(error)):
                found_values = f"{other[1]} values in row {other[2]}"
                raise InputError(place, "columns", found_values, f"{len(codes)} as declared") from error
            raise
    if n_rows != count or len(table) != count:
        raise InputError(place, "atoms", f"{n_rows} rows", f"{count} as declared")
    return [table[f"f{k}"].copy() for k in range(len(codes))]


def code_of(name: str, value: str) -> str:
    """Return the code of a column by its name and its first value."""
    if name in _WHOLE or name.startswith(("i_", "i2_")):
        return INTEGER
    try:
        float(value)
    except ValueError:
        return "S32"
    return REAL


def to_text(column: np.ndarray) -> np.ndarray:
    """Return a column of bytes as text."""
    return np.char.decode(column, "latin1") if column.dtype.kind == "S" else column


def label_column(place: str, available: Iterable[str], label: str | None) -> str | None:
    """Return the name of the column of labels, or None for an unlabeled glass.

    Args:
        place: the file, for errors.
        available: names of columns.
        label: the name of the label. A column may have one of LAMMPS's prefixes before it. A file may lack the default
            one. None reads no labels.

    Raises:
        InputError: the file lacks a label with another name than the default.
    """
    if label is None:
        return None
    available = list(available)
    for prefix in _PREFIXES:
        if prefix + label in available:
            return prefix + label
    if label == names.ENERGY_BARRIER:
        return None
    raise InputError(
        place, label, "no such column", "one of " + (", ".join(sorted(available)) or "none: it is unlabeled")
    )


def events_column(available: Iterable[str], label: str | None) -> str | None:
    """Return the name of the column with the number of events of each label, or None."""
    return _beside_label(available, label, EVENTS)


def spread_column(available: Iterable[str], label: str | None) -> str | None:
    """Return the name of the column with the standard deviation of the events of each label, eV, or None."""
    return _beside_label(available, label, SPREAD)


def _beside_label(available: Iterable[str], label: str | None, suffix: str) -> str | None:
    available = set(available)
    wanted = [] if label is None else [prefix + label + suffix for prefix in _PREFIXES]
    return next((name for name in wanted if name in available), None)


def name_types(place: str, types: np.ndarray, species: Sequence[str] | None) -> np.ndarray:
    """Return the chemical symbols [N] of atoms.

    Args:
        place: the file, for errors.
        types: i[N], counted from 1.
        species: the symbols of types 1, 2, ...

    Raises:
        InputError: the types are no integers, or one has no symbol.
    """
    unique = np.unique(types).tolist()
    if not species:
        raise InputError(place, "species", f"types {unique} without names", "their symbols by --species, as in Cu,Zr")
    if types.dtype.kind not in "iu" or not unique or unique[0] < 1 or unique[-1] > len(species):
        raise InputError(place, "types", unique, f"1 to {len(species)}, for {', '.join(species)}")
    return np.array(species)[types - 1]


def to_symbols(words: np.ndarray) -> np.ndarray:
    """Return words [N] as chemical symbols are written: `cu` and `CU` are `Cu`."""
    unique, index = np.unique(words, return_inverse=True)
    return np.char.capitalize(to_text(unique))[index]


def are_symbols(words: Iterable[str]) -> bool:
    """Return whether all of some words are chemical symbols."""
    return all(word.capitalize() in NUMBER_OF_SYMBOL and word.lower() != "x" for word in words)


def require_masses(place: str, masses: dict[int, float], symbols: dict[int, str]) -> None:
    """Check that masses in a file are those of the named species.

    Args:
        place: the file, for errors.
        masses: atomic mass units, by type.
        symbols: of types.

    Raises:
        InputError: a mass is that of another element.
    """
    known = {kind: mass for kind, mass in masses.items() if symbols.get(kind) in NUMBER_OF_SYMBOL}
    if known and set(known.values()) == {1.0}:
        notice(place, "Masses", "1 for every type", "they are ignored")
        return
    for kind, mass in known.items():
        own = atomic_masses[NUMBER_OF_SYMBOL[symbols[kind]]]
        nearest = int(np.argmin(np.abs(atomic_masses - mass)))
        swapped = abs(atomic_masses[nearest] / mass - 1) < _EQUAL_MASS < abs(own / mass - 1) if mass > 0 else True
        if swapped or abs(mass / own - 1) > _SAME_MASS:
            found = f"{mass:g} for type {kind}, as of {chemical_symbols[nearest]}"
            expected = f"{own:g}, for {symbols[kind]} as by --species or its name"
            raise InputError(place, "Masses", found, expected)


def atom_count(place: str, text: str) -> int:
    """Return the number of atoms that a header declares.

    Args:
        place: the file, for errors.
        text: the number.

    Raises:
        InputError: it is not an integer from 1 to `MAX_ATOMS`.
    """
    text = text.strip()
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 1 <= count <= MAX_ATOMS:
        raise InputError(place, "number of atoms", repr(text[:40]), f"a whole number from 1 to {MAX_ATOMS}")
    return count
