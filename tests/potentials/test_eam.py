"""Energies, forces and stress of potentials: those of LAMMPS, finite differences, symmetries and values by hand."""

from dataclasses import replace

import ase
import numpy as np
import pytest
import tensorflow as tf

from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.tables import EamTables, read_tables
from tf_symgnn.simulate.engine import Forces, Potential

from .conftest import TABLES, PairArrays


def evaluate(potential: EamPotential, atoms: ase.Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return energies [N], forces [N, 3] and the virial [3, 3]."""
    pairs = PairArrays.of(atoms, potential.cutoff)
    state = potential.state(*pairs)
    return (
        potential.energies(state, pairs.target).numpy(),
        potential.forces(state, pairs.source, pairs.target).numpy(),
        potential.virial(state, pairs.source, pairs.target).numpy(),
    )


@pytest.mark.parametrize("name", TABLES)
def test_energies_and_forces_are_those_of_lammps(name, lammps_potentials, structures):
    style, symbols = TABLES[name]
    atoms, path = structures(symbols), lammps_potentials / name
    energies, forces, _ = evaluate(EamPotential(read_tables(path, style)), atoms)
    reference = Forces(atoms, Potential(style, str(path)))
    energy, expected = reference(atoms.positions)
    np.testing.assert_allclose(energies, reference.atom_energies(atoms.positions), atol=1e-9)
    assert energies.sum() == pytest.approx(energy, abs=1e-9)
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(forces, expected, atol=1e-9)


def test_densities_beyond_the_table_are_extrapolated_as_in_lammps(lammps_potentials, structures, tmp_path):
    atoms, path = structures(("Ni", "Al", "H")), tmp_path / "short.eam.alloy"
    tables = read_tables(lammps_potentials / "NiAlH_jea.eam.alloy", "eam/alloy")
    whole = EamPotential(tables)
    middle = np.median(whole.state(*PairArrays.of(atoms, whole.cutoff)).density)
    short = replace(tables, embedding=tables.embedding[:, : int(middle / tables.density_step)])
    short.write(path, "eam/alloy")
    potential = EamPotential(read_tables(path, "eam/alloy"))
    curvature = potential.state(*PairArrays.of(atoms, potential.cutoff)).embedding.second.numpy()
    assert 0 < np.count_nonzero(curvature) < len(atoms)
    energies, forces, _ = evaluate(potential, atoms)
    energy, expected = Forces(atoms, Potential("eam/alloy", str(path)))(atoms.positions)
    assert energies.sum() == pytest.approx(energy, rel=1e-10)
    assert energy != pytest.approx(evaluate(whole, atoms)[0].sum(), abs=1e-3)
    np.testing.assert_allclose(forces, expected, atol=1e-8)


def test_the_virial_is_the_slope_of_the_energy_by_strain(copper_zirconium, structures):
    atoms, step = structures(("Cu", "Zr")), 1e-5
    virial = evaluate(copper_zirconium, atoms)[2]
    np.testing.assert_allclose(virial, virial.T, atol=1e-12)
    for i, j in ((0, 0), (1, 2), (2, 1)):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[i, j] += sign * step
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            energies.append(evaluate(copper_zirconium, strained)[0].sum())
        assert virial[i, j] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=1e-5)


def test_energies_do_not_depend_on_the_frame(copper_zirconium, structures):
    atoms = structures(("Cu", "Zr"))
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ rotation)
    turned.positions = atoms.positions @ rotation + [1.0, 2.0, 3.0]
    (energies, forces, _), (same, turned_forces, _) = (evaluate(copper_zirconium, x) for x in (atoms, turned))
    np.testing.assert_allclose(same, energies, atol=1e-10)
    np.testing.assert_allclose(turned_forces, forces @ rotation, atol=1e-10)
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-10)
    order = np.random.default_rng(2).permutation(len(atoms))
    np.testing.assert_allclose(evaluate(copper_zirconium, atoms[order])[0], energies[order], atol=1e-10)


def test_a_pair_of_atoms_by_hand():
    """f(r) = (3 - r)^2, F(rho) = -rho^2 and phi(r) = 5 - r: splines are exact for these."""
    distances, densities = np.arange(31) * 0.1, np.arange(21) * 0.1
    tables = EamTables(
        symbols=("Cu",),
        masses=np.array([63.5]),
        lattices=((),),
        cutoff=3.0,
        density_step=0.1,
        distance_step=0.1,
        embedding=-(densities[np.newaxis] ** 2),
        density=((3 - distances) ** 2)[np.newaxis, np.newaxis],
        pair=(distances * (5 - distances))[np.newaxis, np.newaxis],
    )
    atoms = ase.Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.03]], cell=[9, 9, 9], pbc=False)
    energies, forces, virial = evaluate(EamPotential(tables), atoms)
    rho = 0.97**2
    np.testing.assert_allclose(energies, -(rho**2) + 2.97 / 2, atol=1e-12)
    # dE/dr = phi' + 2 F' f' with f' = -2 (3 - r).
    slope = -1 + 2 * (-2 * rho) * (-2 * 0.97)
    np.testing.assert_allclose(forces, [[0, 0, slope], [0, 0, -slope]], atol=1e-12)
    assert virial[2, 2] == pytest.approx(-slope * 2.03)


def test_pairs_beyond_the_cutoff_change_nothing(copper_zirconium, structures):
    atoms = structures(("Cu", "Zr"))
    energies, forces, _ = evaluate(copper_zirconium, atoms)
    pairs = PairArrays.of(atoms, 1.5 * copper_zirconium.cutoff)
    more, same = copper_zirconium.energies_and_forces(*pairs)
    np.testing.assert_allclose(more, energies, atol=1e-10)
    np.testing.assert_allclose(same, forces, atol=1e-10)


def test_an_atom_without_neighbors_has_the_energy_of_no_density(copper_zirconium):
    energies, forces, _ = evaluate(copper_zirconium, ase.Atoms("Zr", cell=[30] * 3, pbc=True))
    np.testing.assert_allclose(energies, 0, atol=1e-12)
    assert not forces.any()


def test_the_potential_is_saved_with_its_tables(copper_zirconium, structures, tmp_path):
    """Serving needs no file of the potential."""
    pairs = PairArrays.of(structures(("Cu", "Zr")), copper_zirconium.cutoff)

    class Served(tf.Module):
        def __init__(self):
            super().__init__()
            self.potential = copper_zirconium

        @tf.function(
            input_signature=[
                *[tf.TensorSpec([None], tf.int32)] * 3,
                tf.TensorSpec([None, 3], tf.float64),
            ]
        )
        def energies(self, numbers, source, target, displacement):
            state = self.potential.state(numbers, source, target, displacement)
            return self.potential.energies(state, target)

    tf.saved_model.save(Served(), str(tmp_path / "served"))
    expected = copper_zirconium.energies(copper_zirconium.state(*pairs), pairs.target)
    np.testing.assert_allclose(tf.saved_model.load(str(tmp_path / "served")).energies(*pairs), expected, atol=1e-12)
