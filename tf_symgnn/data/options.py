"""How structure files are read: what a user states about files that do not state it themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.errors import InputError, require_choice, require_type

# For each atom style of LAMMPS: index of the type and of x in a row of the section `Atoms`, and the number of values
# without image flags, which is not fixed for hybrid styles (https://docs.lammps.org/read_data.html).
ATOM_STYLES: dict[str, tuple[int, int, int | None]] = {
    "atomic": (1, 2, 5),
    "charge": (1, 3, 6),
    "molecular": (2, 3, 6),
    "bond": (2, 3, 6),
    "angle": (2, 3, 6),
    "full": (2, 4, 7),
    "dipole": (1, 3, 9),
    "spin": (1, 2, 9),
    "sphere": (1, 4, 7),
    "ellipsoid": (1, 4, 7),
    "hybrid": (1, 2, None),
}


@dataclass(frozen=True)
class ReadOptions:
    """How structure files are read.

    Args:
        label: the per-atom column or key of the energy barriers, eV. A file may lack the default one; its glasses are
            unlabeled then. None reads no labels.
        species: chemical symbols of LAMMPS types 1, 2, ...; formats with symbols need none.
        pbc: whether the box repeats along each cell vector, in place of what the file states; None keeps that.
        format: the format of the file, as ASE names it, `npz` or `pickle`; None recognizes it.
        atom_style: of LAMMPS data files that do not state it; None guesses it where the rows leave no doubt.
        keep_columns: whether all further per-atom columns are read.

    Raises:
        InputError: a field is invalid.
    """

    label: str | None = names.ENERGY_BARRIER
    species: Sequence[str] | None = None
    pbc: Sequence[bool] | None = None
    format: str | None = None
    atom_style: str | None = None
    keep_columns: bool = False

    def __post_init__(self):
        source = "reading"
        if self.label is not None:
            require_type(source, "label", self.label, str, "the name of a column")
        if isinstance(self.species, str):
            expected = "a sequence of chemical symbols, as in ('Cu', 'Zr')"
            raise InputError(source, "species", repr(self.species), expected)
        if self.pbc is not None and (isinstance(self.pbc, str) or np.shape(self.pbc) != (3,)):
            raise InputError(source, "pbc", repr(self.pbc), "three booleans")
        if self.atom_style is not None:
            require_choice(source, "atom_style", self.atom_style, list(ATOM_STYLES))

    @classmethod
    def of(cls, config: RunConfig) -> ReadOptions:
        """Return how the structure files that a run is trained on are read.

        Raises:
            InputError: the periodicity or the atom style is invalid.
        """
        return cls(
            label=config.label,
            species=config.type_names,
            pbc=None if config.pbc is None else parse_pbc(config.pbc),
            format=config.format,
            atom_style=config.atom_style,
        )


def parse_pbc(text: str) -> tuple[bool, bool, bool]:
    """Return the periodicity along the three cell vectors that a text states, as in `p,p,f` or `T T F`.

    Raises:
        InputError: it states none.
    """
    words = text.replace(",", " ").lower().split()
    if len(words) == 1 and len(words[0]) == 3:
        words = list(words[0])
    meanings = {"p": True, "t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
    if len(words) != 3 or not set(words) <= set(meanings):
        raise InputError("reading", "--pbc", text[:40], "p or f for each cell vector, as in p,p,f")
    first, second, third = (meanings[word] for word in words)
    return first, second, third
