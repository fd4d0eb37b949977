"""The atoms whose predictions are explained."""

from __future__ import annotations

import re

import numpy as np
from ase.geometry import find_mic

from tf_symgnn.data import Glass, InputError

FORMS = "indices such as 0,5,10-20, or nearest:50"


def parse_centers(text: str, glass: Glass) -> list[int]:
    """Return the sorted indices of the atoms that a text selects.

    Args:
        text: indices and inclusive ranges, for example `0,5,10-20`, or `nearest:50` for those nearest the origin.
        glass: the glass.

    Raises:
        InputError: the text has another form, or an atom is not in the glass.
    """
    compact = text.replace(" ", "")
    if match := re.fullmatch(r"nearest:(\d{1,12})", compact):
        number = int(match[1])
        if not 0 < number <= glass.n_atoms:
            raise InputError(glass.place, "atoms", text, f"a number from 1 to {glass.n_atoms}")
        _, distance = find_mic(glass.positions, glass.cell, glass.pbc)
        return np.sort(np.argsort(distance, kind="stable")[:number]).tolist()
    centers: set[int] = set()
    for part in compact.split(","):
        match = re.fullmatch(r"(\d{1,12})(?:-(\d{1,12}))?", part)
        if not match:
            raise InputError(glass.place, "atoms", text, FORMS)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(glass.place, "atoms", part, "a range from the lower to the higher index")
        if last >= glass.n_atoms:
            raise InputError(glass.place, "atoms", last, f"an index from 0 to {glass.n_atoms - 1}")
        centers.update(range(first, last + 1))
    return sorted(centers)
