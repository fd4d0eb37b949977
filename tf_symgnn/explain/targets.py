"""Which atoms are explained."""

from __future__ import annotations

import re

import numpy as np
from ase.geometry import find_mic

from tf_symgnn.data import Glass, InputError

FORMS = "atoms as in 0,5,10-20, or nearest:50"


def parse_targets(text: str, glass: Glass) -> list[int]:
    """Atoms by indices from 0 and ranges, both ends included, or the so many nearest the origin; each once.

    Raises:
        InputError: the text is neither, or an atom is not in the glass.
    """
    compact = text.replace(" ", "")
    if match := re.fullmatch(r"nearest:(\d{1,12})", compact):
        number = int(match[1])
        if not 0 < number <= glass.n_atoms:
            raise InputError(glass.place, "atoms", text, f"at most the {glass.n_atoms} atoms there are, at least one")
        _, distance = find_mic(glass.positions, glass.cell, glass.pbc)
        return np.sort(np.argsort(distance, kind="stable")[:number]).tolist()
    found: dict[int, None] = {}
    for part in compact.split(","):
        match = re.fullmatch(r"(\d{1,12})(?:-(\d{1,12}))?", part)
        if not match:
            raise InputError(glass.place, "atoms", text, FORMS)
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InputError(glass.place, "atoms", part, "a range from the lower to the higher atom")
        if last >= glass.n_atoms:
            raise InputError(glass.place, "atoms", last, f"an atom from 0 to {glass.n_atoms - 1}")
        found |= dict.fromkeys(range(first, last + 1))
    return sorted(found)
