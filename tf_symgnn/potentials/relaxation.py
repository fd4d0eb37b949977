"""Relaxation of glasses to a minimum of the energy of a potential."""

from __future__ import annotations

from dataclasses import replace

import ase
import numpy as np
import tensorflow as tf
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import LBFGS

from tf_symgnn.data import Glass, require_species
from tf_symgnn.errors import InputError, require_number
from tf_symgnn.graph.neighbors import find_pairs, require_physical
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.progress import progress_bar

MAX_FORCE = 0.005  # eV/A, at the end of a relaxation; published glasses have 0.002
MAX_STEPS = 2000
# A, of an atom in a step. Atoms of a glass that was stored with few digits move less in all.
_MAX_STEP = 0.1


class EamCalculator(Calculator):
    """An ASE calculator of an embedded-atom potential: energy, eV, energies of atoms, eV, and forces, eV/A.

    Args:
        potential: the potential.
    """

    implemented_properties = ("energy", "energies", "forces")

    def __init__(self, potential: EamPotential):
        super().__init__()
        self._potential = potential

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: tuple[str, ...] = ("energy",),
        system_changes: list[str] = all_changes,
    ) -> None:
        """Set `results`; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        target, source, displacement = find_pairs(
            self.atoms.positions, self.atoms.cell.array, self.atoms.pbc, self._potential.cutoff
        )
        energies, forces = self._potential.energies_and_forces(
            tf.constant(self.atoms.numbers, tf.int32),
            tf.constant(source, tf.int32),
            tf.constant(target, tf.int32),
            tf.constant(displacement, tf.float64),
        )
        self.results = {
            "energy": float(tf.reduce_sum(energies)),
            "energies": energies.numpy(),
            "forces": forces.numpy(),
        }


def relaxed(potential: EamPotential, glass: Glass, *, max_force: float = MAX_FORCE) -> Glass:
    """Return a glass at the minimum of the energy that is nearest, in the same cell, without labels.

    Barriers and numbers of events of the glass as it was are dropped; other columns are kept.

    Args:
        potential: the potential.
        glass: the glass.
        max_force: largest force on an atom at the end, eV/A.

    Raises:
        InputError: a species has no table, or the forces are still larger after `MAX_STEPS` steps.
    """
    require_number(glass.place, "max_force", max_force, above=0)
    require_species([glass], potential.species)
    require_physical(glass, potential.cutoff)
    atoms = ase.Atoms(list(glass.species), positions=glass.positions, cell=glass.cell, pbc=glass.pbc)
    atoms.calc = EamCalculator(potential)
    steps = LBFGS(atoms, logfile=None, maxstep=_MAX_STEP).irun(fmax=max_force, steps=MAX_STEPS)
    with progress_bar(unit="step", title=f"relaxing {glass.name}") as bar:
        for _ in steps:
            bar.update()
            bar.set_postfix_str(f"largest force {_largest_force(atoms):.2g} eV/A")
    if _largest_force(atoms) > max_force:
        found = f"{_largest_force(atoms):.2g} eV/A after {MAX_STEPS} steps"
        raise InputError(glass.place, "largest force", found, f"at most {max_force:g} eV/A")
    return replace(glass, positions=atoms.positions, barrier=None, events=None)


def _largest_force(atoms: ase.Atoms) -> float:
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())
