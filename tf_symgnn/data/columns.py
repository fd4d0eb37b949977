"""What the columns of a file mean: labels, species and box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tf_symgnn import names
from tf_symgnn.data.limits import MAX_ATOMS
from tf_symgnn.errors import InputError


def find_label(place: str, columns: Mapping[str, np.ndarray], label: str | None) -> np.ndarray | None:
    """The label column, or None where none is wanted or the file lacks the default one: such a glass is unlabelled.

    Raises:
        InputError: the file lacks a label that was asked for by another name than the default.
    """
    if label is None:
        return None
    if label in columns:
        return columns[label]
    if label == names.ENERGY_BARRIER:
        return None
    raise InputError(
        place, label, "no such column", "one of " + (", ".join(sorted(columns)) or "none: it is unlabelled")
    )


def name_types(place: str, types: np.ndarray, species: Sequence[str] | None) -> np.ndarray:
    """Chemical symbols [N] of atoms whose types i[N] count from 1.

    Raises:
        InputError: the types are not named, not whole numbers, or beyond the names.
    """
    found = np.unique(types).tolist()
    if not species:
        raise InputError(place, "species", f"types {found} without names", "their symbols by --species, as in Cu,Zr")
    if types.dtype.kind not in "iu" or not found or found[0] < 1 or found[-1] > len(species):
        raise InputError(place, "types", found, f"1 to {len(species)}, for {', '.join(species)}")
    return np.array(species)[types - 1]


def to_cell(place: str, field: str, box: np.ndarray) -> np.ndarray:
    """Cell vectors [3, 3] from cell vectors or from the three edge lengths of a cuboid, A.

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
    """The number of atoms that a header declares.

    Raises:
        InputError: it is no number from 1 to `MAX_ATOMS`.
    """
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= MAX_ATOMS:
        raise InputError(place, "number of atoms", repr(text.strip()), f"a whole number from 1 to {MAX_ATOMS}")
    return count
