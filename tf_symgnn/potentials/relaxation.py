"""Relaxation of glasses downhill to a minimum of the energy of a potential."""

from __future__ import annotations

from dataclasses import replace

import ase
import numpy as np
import tensorflow as tf
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import LBFGS
from ase.stress import full_3x3_to_voigt_6_stress

from tf_symgnn.data import Glass, require_species
from tf_symgnn.data.limits import RELAXED_FORCE
from tf_symgnn.errors import InputError, require_number
from tf_symgnn.graph.neighbors import find_pairs, require_apart, require_physical
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.progress import progress_bar

MAX_STEPS = 2000
# A, of an atom in a step. Atoms of a glass that was stored with few digits move less in all.
_MAX_STEP = 0.1


class EamCalculator(Calculator):
    """An ASE calculator of an embedded-atom potential.

    It has the energy, eV, energies of atoms, eV, forces, eV/A, and of a cell of three vectors the stress, eV/A^3, in
    the order and with the sign of ASE: xx, yy, zz, yz, xz, xy, positive where the energy increases with the strain.

    Args:
        potential: the potential.
        name: of the atoms in errors.

    Raises:
        InputError: of a calculation, if a species has no table, two atoms coincide, or `require_physical` refuses them.
    """

    implemented_properties = ("energy", "free_energy", "energies", "forces", "stress")

    def __init__(self, potential: EamPotential, *, name: str = "atoms"):
        super().__init__()
        self._potential, self._name = potential, name

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: tuple[str, ...] = ("energy",),
        system_changes: list[str] = all_changes,
    ) -> None:
        """Set `results`; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        glass = Glass.from_ase(self.atoms, label=None, source=self._name)
        require_species([glass], self._potential.species)
        require_physical(glass, self._potential.cutoff)
        target, source, displacement = find_pairs(glass.positions, glass.cell, glass.pbc, self._potential.cutoff)
        require_apart(glass, source, target, displacement)
        numbers, source, target = (tf.constant(x, tf.int32) for x in (self.atoms.numbers, source, target))
        energies, forces = self._potential.energies_and_forces(numbers, source, target, displacement)
        self.results = {
            "energy": (energy := float(tf.reduce_sum(energies))),
            "free_energy": energy,  # which ASE's numerical derivatives take
            "energies": energies.numpy(),
            "forces": forces.numpy(),
        }
        if "stress" in properties and self.atoms.cell.rank == 3:
            state = self._potential.state(numbers, source, target, tf.constant(displacement))
            stress = -self._potential.virial(state, source, target).numpy() / glass.volume
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)


def relaxed(potential: EamPotential, glass: Glass, *, max_force: float = RELAXED_FORCE) -> Glass:
    """Return a glass moved downhill to a minimum of the energy, in the same cell.

    Labels and other columns belong to the positions before and are dropped. Ids are kept.

    Args:
        potential: the potential.
        glass: the glass.
        max_force: largest force on an atom at the end, eV/A.

    Raises:
        InputError: a species has no table, two atoms coincide at the start or during the run, or the forces are still
            larger after `MAX_STEPS` steps.
    """
    require_number(glass.place, "max_force", max_force, above=0)
    atoms = ase.Atoms(list(glass.species), positions=glass.positions, cell=glass.cell, pbc=glass.pbc)
    atoms.calc = EamCalculator(potential, name=glass.place)
    steps = LBFGS(atoms, logfile=None, maxstep=_MAX_STEP).irun(fmax=max_force, steps=MAX_STEPS)
    with progress_bar(unit="step", title=f"relaxing {glass.name}") as bar:
        for _ in steps:
            bar.update()
            bar.set_postfix_str(f"largest force {_largest_force(atoms):.2g} eV/A")
    if _largest_force(atoms) > max_force:
        found = f"{_largest_force(atoms):.2g} eV/A after {MAX_STEPS} steps"
        raise InputError(glass.place, "largest force", found, f"at most {max_force:g} eV/A")
    return replace(glass, positions=atoms.positions, barrier=None, events=None, spread=None, columns={}, info={})


def _largest_force(atoms: ase.Atoms) -> float:
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())
