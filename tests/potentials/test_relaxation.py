"""Relaxation: the minimum that LAMMPS finds, and the command."""

from dataclasses import replace

import ase
import ase.io
import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_stress
from ase.optimize import LBFGS

import tf_symgnn
from tf_symgnn.cli import main
from tf_symgnn.data import Glass, InputError, read_glass, write_glasses
from tf_symgnn.potentials.relaxation import EamCalculator, relaxed
from tf_symgnn.simulate.engine import Forces, ForcesCalculator, Potential


@pytest.fixture(scope="module")
def shaken(glass_at_rest) -> ase.Atoms:
    atoms = glass_at_rest.copy()
    atoms.rattle(0.1, seed=4)
    return atoms


def test_the_minimum_is_that_of_lammps(shaken, glass_at_rest, copper_zirconium):
    found = relaxed(copper_zirconium, Glass.from_ase(shaken), max_force=1e-3)
    reference = shaken.copy()
    reference.calc = ForcesCalculator(Forces(shaken, Potential()))
    assert np.abs(reference.get_forces()).max() > 0.5
    LBFGS(reference, logfile=None, maxstep=0.1).run(fmax=1e-3)
    np.testing.assert_allclose(found.positions, reference.positions, atol=1e-5)
    moved = found.positions - glass_at_rest.positions
    np.testing.assert_allclose(moved - moved.mean(axis=0), 0, atol=0.02)  # it has not left its basin


def test_the_calculator_is_one_of_ase(glass_at_rest, copper_zirconium):
    atoms = glass_at_rest.copy()
    atoms.calc = EamCalculator(copper_zirconium)
    energy, _ = Forces(atoms, Potential())(atoms.positions)
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-9)
    assert atoms.get_potential_energies().sum() == pytest.approx(energy, abs=1e-9)


def test_the_stress_is_the_slope_of_the_energy_by_strain(structures, copper_zirconium):
    """In the order of ASE: xx, yy, zz, yz, xz, xy; this cell, of half the density of a glass, would contract."""
    atoms, step = structures(("Cu", "Zr")), 1e-5
    atoms.calc = EamCalculator(copper_zirconium)
    stress = atoms.get_stress()
    np.testing.assert_allclose(stress, calculate_numerical_stress(atoms, eps=step), atol=1e-7)
    assert (stress[:3] > 0).all() and np.abs(stress[3:]).min() > 1e-5
    cluster = ase.Atoms("Cu2", [[0, 0, 0], [2.5, 0, 0]])
    cluster.calc = EamCalculator(copper_zirconium)
    assert np.isfinite(cluster.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError):
        cluster.get_stress()


def test_columns_of_the_positions_before_are_dropped(glass_at_rest, copper_zirconium):
    glass = replace(
        Glass.from_ase(glass_at_rest),
        barrier=np.ones(108),
        events=np.ones(108, int),
        spread=np.ones(108),
        ids=np.arange(108),
        columns={"energies": np.ones(108)},
    )
    found = relaxed(copper_zirconium, glass)
    assert found.barrier is found.events is found.spread is None and not found.columns
    np.testing.assert_array_equal(found.ids, glass.ids)


@pytest.mark.parametrize("during", [False, True])
def test_coincident_atoms_are_refused(glass_at_rest, copper_zirconium, monkeypatch, during):
    """Also those that a step moves to one point."""
    atoms = glass_at_rest.copy()
    if during:
        monkeypatch.setattr(LBFGS, "step", lambda self, *_: self.optimizable.set_x(np.zeros(3 * len(atoms))))
        atoms.rattle(0.1, seed=0)
    else:
        atoms.positions[1] = atoms.positions[0]
    with pytest.raises(InputError, match="glass.xyz: positions: found atoms 0 and 1 at one point"):
        relaxed(copper_zirconium, Glass.from_ase(atoms, source="glass.xyz"))


def test_the_function_is_the_command(shaken, copper_zirconium, lammps_potentials):
    found = tf_symgnn.relax(shaken, lammps_potentials / "CuZr_mm.eam.fs", max_force=0.05)
    expected = relaxed(copper_zirconium, Glass.from_ase(shaken), max_force=0.05)
    np.testing.assert_array_equal(found.positions, expected.positions)


def test_what_does_not_come_to_rest_is_refused(shaken, copper_zirconium, monkeypatch):
    monkeypatch.setattr("tf_symgnn.potentials.relaxation.MAX_STEPS", 3)
    with pytest.raises(InputError, match="largest force: found .* eV/A after 3 steps, expected at most 0.001 eV/A"):
        relaxed(copper_zirconium, Glass.from_ase(shaken), max_force=1e-3)


def test_the_command(shaken, lammps_potentials, copper_zirconium, tmp_path, capsys):
    potential = str(lammps_potentials / "CuZr_mm.eam.fs")
    write_glasses(tmp_path / "shaken.npz", [Glass.from_ase(shaken)])
    command = ["relax", str(tmp_path / "shaken.npz"), "--output", str(tmp_path / "relaxed.npz")]
    assert main([*command, "--potential", potential]) == 0
    forces = Forces(shaken, Potential())(read_glass(tmp_path / "relaxed.npz").positions)[1]
    assert np.linalg.norm(forces, axis=1).max() <= 0.005
    for arguments, message in (
        (["--potential", potential], "expected"),
        (["--potential", "absent.eam.fs", "--overwrite"], "absent.eam.fs: potential: found FileNotFoundError"),
        (["--potential", "absent", "--overwrite"], "absent: potential: found a file of unknown pair style"),
    ):
        assert main([*command, *arguments]) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]
