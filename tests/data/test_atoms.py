"""Glasses from ASE's Atoms and back."""

import ase
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from tests.conftest import random_glass
from tf_symgnn.data import Glass, InputError


def test_a_glass_is_the_same_after_a_round_trip(zoo_glass):
    n_atoms = zoo_glass.n_atoms
    full = Glass(
        positions=zoo_glass.positions,
        cell=zoo_glass.cell,
        pbc=zoo_glass.pbc,
        species=zoo_glass.species,
        barrier=zoo_glass.barrier,
        source="full.xyz",
        origin=(1.0, -2.0, 0.5),
        ids=np.arange(n_atoms)[::-1],
        step=7,
        events=None if zoo_glass.barrier is None else np.full(n_atoms, 4),
        columns={"charge": np.linspace(0, 1, n_atoms), "velo": np.ones((n_atoms, 3))},
    )
    back = Glass.from_ase(full.to_ase())
    for field in ("positions", "cell", "pbc", "species", "barrier", "origin", "ids", "step", "events"):
        np.testing.assert_array_equal(getattr(back, field), getattr(full, field))
    assert back.columns.keys() == full.columns.keys()
    for name, values in full.columns.items():
        np.testing.assert_array_equal(back.columns[name], values)


def test_atoms_do_not_share_arrays_with_the_glass():
    glass = random_glass(0, 8)
    atoms = glass.to_ase()
    atoms.positions += 1.0
    atoms.arrays["energy_barrier"][0] = 9.0
    assert glass.barrier[0] != 9.0 and not np.array_equal(glass.positions, atoms.positions)


def test_a_cluster_needs_no_box():
    glass = Glass.from_ase(ase.Atoms("CuZr", positions=[[0, 0, 0], [0, 0, 2.5]]))
    assert glass.volume > 0 and not glass.pbc.any()


def test_results_of_a_calculator_become_columns():
    atoms = random_glass(0, 8).to_ase()
    atoms.calc = SinglePointCalculator(atoms, energies=np.arange(8.0), energy=3.0)
    assert list(Glass.from_ase(atoms).columns) == ["energies"]


def test_labels_of_another_name_are_required():
    atoms = random_glass(0, 8).to_ase()
    atoms.set_array("mine", np.ones(8))
    np.testing.assert_array_equal(Glass.from_ase(atoms, label="mine").barrier, 1.0)
    assert Glass.from_ase(atoms, label=None).barrier is None
    with pytest.raises(InputError, match="atoms: other: found no such column"):
        Glass.from_ase(atoms, label="other")


def test_invalid_atoms_are_refused_in_one_line():
    for atoms, words in (
        (ase.Atoms(cell=[9, 9, 9], pbc=True), r"atoms: positions: found shape \(0, 3\)"),
        (ase.Atoms("Cu", pbc=True), "atoms: cell: found no vector along which it is periodic"),
        (ase.Atoms("X", cell=[9, 9, 9]), "atoms: species: found 'X'"),
        ("CuZr", "structure: found 'CuZr', expected ase.Atoms"),
    ):
        with pytest.raises(InputError, match=words):
            Glass.from_ase(atoms)
