"""Hessians and the quantities of atoms: finite differences of LAMMPS' forces, dense inverses, symmetries."""

import ase
import numpy as np
import pytest
import tensorflow as tf
from ase.build import bulk

from tf_symgnn.potentials import response
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.hessian import GlassHessian, Pairs, Regions
from tf_symgnn.potentials.response import DESCRIPTORS, PUSHED, REGION, PotentialDescriptors
from tf_symgnn.potentials.tables import read_tables
from tf_symgnn.simulate.engine import Forces, Potential

from .conftest import PairArrays


@pytest.fixture(scope="module")
def glass(glass_at_rest) -> ase.Atoms:
    return glass_at_rest


@pytest.fixture(scope="module")
def columns(glass, copper_zirconium) -> dict[str, np.ndarray]:
    return by_name(glass, copper_zirconium)


def by_name(atoms, potential) -> dict[str, np.ndarray]:
    found = PotentialDescriptors(potential)(*PairArrays.of(atoms, potential.cutoff), len(atoms))[0].numpy()
    assert found.shape == (len(atoms), len(DESCRIPTORS))
    return dict(zip(DESCRIPTORS, found.T, strict=True))


def whole_hessian(atoms: ase.Atoms) -> np.ndarray:
    """Return the Hessian [3 N, 3 N] of all atoms, by finite differences of the forces of LAMMPS."""
    forces, step = Forces(atoms, Potential()), 1e-6
    rows = []
    for atom in range(len(atoms)):
        for axis in range(3):
            ends = []
            for sign in (1, -1):
                moved = atoms.positions.copy()
                moved[atom, axis] += sign * step
                ends.append(forces(moved)[1].ravel())
            rows.append((ends[1] - ends[0]) / (2 * step))
    return np.array(rows)


@pytest.fixture(scope="module")
def hessian(glass) -> np.ndarray:
    return whole_hessian(glass)


def test_a_region_has_the_hessian_of_its_atoms(glass, hessian, copper_zirconium, monkeypatch):
    monkeypatch.setattr("tf_symgnn.potentials.hessian.NEGLIGIBLE", 0.0)
    monkeypatch.setattr("tf_symgnn.potentials.hessian.NEGLIGIBLE_BLOCK", 0.0)
    arrays = PairArrays.of(glass, copper_zirconium.cutoff)
    pairs = Pairs.of(arrays.source, arrays.target, len(glass))
    state = copper_zirconium.state(*arrays)
    centers = tf.constant([5, 60], tf.int32)
    regions = Regions.around(centers, pairs, state.distance, REGION, len(glass))
    every_atom = tf.fill([len(glass)], True)
    found = GlassHessian.of(copper_zirconium, state, pairs, every_atom).of_regions(regions).numpy()
    found = np.tril(found) + np.tril(found, -1).transpose(0, 2, 1)
    for row, center in enumerate(centers.numpy()):
        distances = glass.get_distances(center, range(len(glass)), mic=True)
        nearest_last = np.argsort(-distances)[-regions.count[row] :]
        assert distances[nearest_last[0]] < REGION and (distances < REGION).sum() == len(nearest_last)
        coordinates = (3 * nearest_last[:, np.newaxis] + np.arange(3)).ravel()
        expected = np.eye(found.shape[1])
        expected[-len(coordinates) :, -len(coordinates) :] = hessian[np.ix_(coordinates, coordinates)]
        # Curvatures of splines jump at the points of the table, where few of the finite differences are.
        assert np.quantile(np.abs(found[row] - expected), 0.99) < 1e-5
        np.testing.assert_allclose(found[row], expected, atol=5e-3)


def test_quantities_are_those_of_the_inverse_of_the_hessian(glass, hessian, columns):
    for center in (5, 60, 101):
        distances = glass.get_distances(center, range(len(glass)), mic=True)
        free = np.flatnonzero(distances < REGION)
        coordinates = (3 * free[:, np.newaxis] + np.arange(3)).ravel()
        response = np.linalg.inv(hessian[np.ix_(coordinates, coordinates)])
        trace = np.diag(response).reshape(-1, 3).sum(axis=1)
        of_center, pushed = np.repeat(free == center, 3), np.repeat(distances[free] < PUSHED, 3)
        block, part = response[np.ix_(of_center, of_center)], response[np.ix_(pushed, pushed)]
        expected = {
            "stiffness": hessian[3 * center : 3 * center + 3, 3 * center : 3 * center + 3].trace(),
            "softness": block.trace(),
            "softest direction": np.linalg.eigvalsh(block)[-1],
            "reach": (response[:, of_center] ** 2).sum(),
            "softness of the pushed atoms": trace[distances[free] < PUSHED].mean(),
            "softest mode of the pushed atoms": np.linalg.eigvalsh(part)[-1],
            "stiffness of the pushed atoms": (1 / np.linalg.eigvalsh(part)).mean(),
            "softness of the region": trace.mean(),
        }
        for name, value in expected.items():
            # Far contributions to densities are left out, which makes it softer.
            assert columns[name][center] == pytest.approx(np.log(value), abs=3e-3), name


def test_energy_and_density_are_those_of_the_potential(glass, columns, copper_zirconium):
    np.testing.assert_allclose(columns["energy"], Forces(glass, Potential()).atom_energies(glass.positions), atol=1e-5)
    state = copper_zirconium.state(*PairArrays.of(glass, copper_zirconium.cutoff))
    np.testing.assert_allclose(np.exp(columns["density"]), state.density, rtol=1e-5)


def test_a_region_is_whole_where_the_cutoff_is_smaller(lammps_potentials):
    """87 atoms of fcc copper are within 6.5 A, and 55 within the cutoff of this potential, 5.5 A."""
    potential = EamPotential(read_tables(lammps_potentials / "Cu_mishin1.eam.alloy", "eam/alloy"))
    describe = PotentialDescriptors(potential)
    assert potential.cutoff < describe.cutoff == REGION
    crystal = bulk("Cu", "fcc", a=3.615, cubic=True).repeat(6)
    arrays = PairArrays.of(crystal, describe.cutoff)
    pairs = Pairs.of(arrays.source, arrays.target, len(crystal))
    distance = potential.state(*arrays).distance
    assert Regions.around(tf.constant([0]), pairs, distance, REGION, len(crystal)).size == 87


def test_atoms_of_a_crystal_are_alike(copper_zirconium):
    crystal = bulk("Cu", "fcc", a=3.64, cubic=True).repeat(4)
    for name, values in by_name(crystal, copper_zirconium).items():
        np.testing.assert_allclose(values, values[0], atol=2e-4, err_msg=name)


def test_quantities_depend_on_neither_frame_nor_order_nor_batches(glass, columns, copper_zirconium, monkeypatch):
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned = glass.copy()
    turned.set_cell(glass.cell.array @ rotation)
    turned.positions = glass.positions @ rotation + [1.0, 2.0, 3.0]
    order = np.random.default_rng(2).permutation(len(glass))
    monkeypatch.setattr(response, "CENTERS", 50)
    for name, values in by_name(turned[order], copper_zirconium).items():
        np.testing.assert_allclose(values, columns[name][order], atol=5e-4, err_msg=name)


def test_a_stretched_glass_is_softer(glass, columns, copper_zirconium):
    stretched = glass.copy()
    stretched.set_cell(glass.cell * 1.005, scale_atoms=True)
    found = by_name(stretched, copper_zirconium)
    assert found["stiffness"].mean() < columns["stiffness"].mean()
    assert found["softness of the region"].mean() > columns["softness of the region"].mean()


def test_an_atom_that_is_not_at_a_minimum_has_no_response(glass, columns, copper_zirconium):
    """Here one atom is pushed from its place; regions without it are not affected."""
    moved = glass.copy()
    distances = glass.get_distances(0, range(len(glass)), mic=True)
    neighbor = int(np.argsort(distances)[1])
    moved.positions[0] -= 0.3 * glass.get_distance(0, neighbor, mic=True, vector=True)
    found = by_name(moved, copper_zirconium)
    unstable = np.isnan(found["softness"])
    assert unstable[0]
    assert np.isfinite(found["energy"]).all()
    assert not np.isnan(np.array([found[name] for name in DESCRIPTORS]))[:, ~unstable].any()


def test_a_crystal_beyond_its_stability_has_no_response(copper_zirconium):
    stretched = bulk("Cu", "fcc", a=5.2, cubic=True).repeat(3)
    found = by_name(stretched, copper_zirconium)
    assert all(np.isnan(found[name]).all() for name in DESCRIPTORS[3:])
