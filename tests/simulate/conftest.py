"""Small simulated structures; what needs LAMMPS is skipped where it is not installed."""

import ase
import numpy as np
import pytest
from ase.build import bulk
from ase.optimize import BFGS

COPPER = 3.639  # A, lattice constant of fcc copper near this potential's minimum


@pytest.fixture(scope="session", autouse=True)
def lammps():
    """The LAMMPS module, or a skip with the reason."""
    from tf_symgnn.data import InputError
    from tf_symgnn.simulate.engine import load_lammps

    try:
        return load_lammps()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def small_glass(lammps) -> ase.Atoms:
    """16 atoms of Cu64Zr36, quenched in 2 ps."""
    from tf_symgnn.simulate.quench import Quench, parse_composition, quench_glass

    return quench_glass(Quench(parse_composition("Cu64Zr36", 16), rate=1e15, seed=1))


@pytest.fixture(scope="session")
def vacancy(lammps) -> ase.Atoms:
    """fcc copper, 107 atoms at rest round a vacancy at the origin."""
    from tf_symgnn.simulate.engine import Forces, ForcesCalculator, Potential

    atoms = bulk("Cu", "fcc", a=COPPER, cubic=True).repeat(3)
    del atoms[int(np.linalg.norm(atoms.positions, axis=1).argmin())]
    atoms.calc = ForcesCalculator(Forces(atoms, Potential()))
    BFGS(atoms, logfile=None).run(fmax=1e-4)
    atoms.calc = None
    return atoms
