"""A modifier for OVITO that predicts energy barriers and colors atoms by them; README.md describes its use."""

from __future__ import annotations

from functools import lru_cache

import ase
import numpy as np
from ovito.data import DataCollection
from ovito.modifiers import ColorCodingModifier
from ovito.pipeline import ModifierInterface
from traits.api import Bool, Str

import tf_symgnn

PROPERTY = "Energy Barrier"

# Every frame of a trajectory calls the modifier, and loading takes seconds.
load_model = lru_cache(maxsize=2)(tf_symgnn.load_model)


class EnergyBarrierModifier(ModifierInterface):
    """Add the particle property `Energy Barrier`, eV, and color the particles by it.

    Raises:
        InputError: there is no such model, particle types have no chemical symbols, or the model refuses the structure.
    """

    model = Str("cuzr", label="Shipped model, run folder or export")
    species = Str("", label="Symbols of types 1, 2, ... (Cu,Zr)")
    color = Bool(True, label="Color by barrier")

    def modify(self, data: DataCollection, **_):
        """Change one frame, as OVITO asks for it; what is yielded appears in the status line."""
        atoms = to_ase(data, self.species)
        yield f"Predicting {len(atoms)} energy barriers"
        data.particles_.create_property(PROPERTY, data=load_model(self.model).predict(atoms))
        if self.color:
            data.apply(ColorCodingModifier(property=PROPERTY))


def to_ase(data: DataCollection, species: str = "") -> ase.Atoms:
    """Return the particles of a frame as Atoms, in A.

    OVITO's own `ovito_to_ase` takes type 1 without a name for hydrogen.

    Args:
        data: a frame.
        species: chemical symbols of types 1, 2, ..., as in `Cu,Zr`; by default the types' names in OVITO.

    Raises:
        InputError: there are no particles, or a type has no chemical symbol.
    """
    if data.particles is None or not data.particles.count:
        raise tf_symgnn.InputError("OVITO", "particles", "none", "at least one")
    symbols = dict(enumerate(species.replace(",", " ").split(), start=1))
    types = data.particles.particle_types
    if not symbols and types is not None:
        symbols = {kind.id: kind.name for kind in types.types}
    types = np.zeros(data.particles.count, int) if types is None else np.array(types)
    missing = [int(kind) for kind in np.unique(types) if symbols.get(kind) not in ase.data.chemical_symbols[1:]]
    if missing:
        expected = "chemical symbols of types 1, 2, ... in the modifier's field `species`, as in Cu,Zr"
        raise tf_symgnn.InputError("OVITO", "Particle Type", f"types {missing} without a chemical symbol", expected)
    box = {} if data.cell is None else {"cell": data.cell[:, :3].T, "celldisp": data.cell[:, 3], "pbc": data.cell.pbc}
    return ase.Atoms([symbols[kind] for kind in types], positions=np.array(data.particles.positions), **box)
