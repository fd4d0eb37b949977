"""Interpretation of a file's columns: labels, species and box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tf_symgnn import names
from tf_symgnn.data.limits import MAX_ATOMS
from tf_symgnn.errors import InputError


def find_label(place: str, columns: Mapping[str, np.ndarray], label: str | None) -> np.ndarray | None:
    """Return the label column, or None for an unlabeled glass.

    Args:
        place: the file, for errors.
        columns: arrays by name.
        label: the name of the label column. A file may lack the default one. None reads no labels.

    Raises:
        InputError: the file lacks a label column with another name than the default.
    """
    if label is None:
        return None
    if label in columns:
        return columns[label]
    if label == names.ENERGY_BARRIER:
        return None
    raise InputError(
        place, label, "no such column", "one of " + (", ".join(sorted(columns)) or "none: it is unlabeled")
    )


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


def to_cell(place: str, field: str, box: np.ndarray) -> np.ndarray:
    """Return cell vectors [3, 3] A, from cell vectors or from the three edge lengths of a cuboid.

    Args:
        place: the file, for errors.
        field: the name of the box in it.
        box: [3, 3] or [3] A. Another shape is returned unchanged, for `Glass` to check.

    Raises:
        InputError: a length is not positive.
    """
    box = np.asarray(box)
    if box.shape != (3,):
        return box
    if box.dtype.kind not in "iuf" or not (box > 0).all():
        raise InputError(place, field, box, "three positive lengths")
    return np.diag(box.astype(np.float64))


def atom_count(place: str, text: str) -> int:
    """Return the number of atoms that a header declares.

    Args:
        place: the file, for errors.
        text: the number.

    Raises:
        InputError: it is not an integer from 1 to `MAX_ATOMS`.
    """
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= MAX_ATOMS:
        raise InputError(place, "number of atoms", repr(text.strip()), f"a whole number from 1 to {MAX_ATOMS}")
    return count
