"""An ASE calculator of energy barriers."""

from __future__ import annotations

import os
from collections.abc import Sequence

import ase
import numpy as np
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

from tf_symgnn import names
from tf_symgnn.api.predictor import Predictor, load_model

ENERGY_BARRIERS = "energy_barriers"


class BarrierCalculator(Calculator):
    """An ASE calculator whose property `energy_barriers` holds one barrier per atom f64[N], eV.

    `atoms.calc.get_property("energy_barriers", atoms)` also sets the array `energy_barrier` of the atoms, which
    `ase.io.write` writes to extended XYZ. ASE's `Trajectory` keeps neither: it stores only what ASE defines itself.
    Barriers are computed again only after a change of positions, cell, periodicity or species. There are no energies
    and no forces.

    Args:
        model: a `Predictor`, or what `load_model` takes.

    Raises:
        InputError: as `load_model`; when barriers are computed, as `Predictor.predict`.
    """

    implemented_properties = [ENERGY_BARRIERS]

    def __init__(self, model: Predictor | str | os.PathLike[str]):
        super().__init__()
        self.predictor = model if isinstance(model, Predictor) else load_model(model)

    def get_property(self, name: str, atoms: ase.Atoms | None = None, allow_calculation: bool = True) -> np.ndarray:
        """Return a property; see `ase.calculators.calculator.Calculator`.

        Raises:
            PropertyNotImplementedError: it is not `energy_barriers`.
        """
        if name not in self.implemented_properties:
            raise PropertyNotImplementedError(f"{name}: a BarrierCalculator has the property {ENERGY_BARRIERS} only")
        barriers = super().get_property(name, atoms, allow_calculation)
        if atoms is not None and barriers is not None:
            atoms.set_array(names.ENERGY_BARRIER, barriers)
        return barriers

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: Sequence[str] = (ENERGY_BARRIERS,),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute the barriers of atoms, by default of those of the last call, into `results`."""
        super().calculate(atoms, properties, system_changes)
        self.results = {ENERGY_BARRIERS: self.predictor.predict(self.atoms)}
