"""Structural descriptors: symmetries, brute-force sums, a crystal with known bond order."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import SPECIES, ZOO, fcc_copper, random_glass
from tf_symgnn.graph import build_graph
from tf_symgnn.graph.descriptors import REACH, SHELL_WIDTH, SHELLS, structural_descriptors

RADIAL = slice(1, 1 + 2 * 27)


def descriptors_of(glass) -> np.ndarray:
    return structural_descriptors(build_graph(glass, cutoff=REACH, self_loops=False), SPECIES)


def bond_order(own: np.ndarray, degree: int) -> np.ndarray:
    """Return the invariants of one degree, [N, 5 shells, 2 species]."""
    first = RADIAL.stop + 10 * (degree - 1)
    return own[:, first : first + 10].reshape(-1, 5, 2)


def test_number_of_descriptors(zoo_glass):
    found = descriptors_of(zoo_glass)
    assert found.shape == (zoo_glass.n_atoms, 945)
    assert np.isfinite(found).all()


def test_descriptors_are_invariant_under_rotation_reflection_and_translation():
    glass = random_glass(0, 60)
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]]) @ np.diag([1, 1, -1])
    turned = replace(glass, positions=glass.positions @ turn + [3.0, -1.0, 0.2], cell=glass.cell @ turn)
    np.testing.assert_allclose(descriptors_of(turned), descriptors_of(glass), atol=1e-4)


def test_permutation_of_atoms_permutes_descriptors():
    glass = random_glass(0, 60)
    order = np.random.default_rng(0).permutation(60)
    shuffled = replace(glass, positions=glass.positions[order], species=glass.species[order], barrier=None)
    np.testing.assert_allclose(descriptors_of(shuffled), descriptors_of(glass)[order], atol=1e-5)


def test_radial_functions_and_averages_are_sums_over_the_neighbors_of_a_species():
    glass = ZOO["cluster"]()
    found = descriptors_of(glass)
    zirconium = glass.species == "Zr"
    for j in range(glass.n_atoms):
        distance = np.linalg.norm(glass.positions - glass.positions[j], axis=1)
        near = zirconium & (distance > 0) & (distance < REACH)
        shells = np.exp(-0.5 * ((distance[near, None] - SHELLS) / SHELL_WIDTH) ** 2).sum(0)
        np.testing.assert_allclose(found[j, RADIAL][27:], shells, atol=1e-5)
        share = np.exp(-distance / 5.0) * near
        average = share @ found[:, :135] / share.sum()
        np.testing.assert_allclose(found[j, 4 * 135 : 5 * 135], average, atol=1e-5)


@pytest.mark.parametrize("degree, known", [(4, 0.1909), (6, 0.5745)])
def test_bond_order_of_an_fcc_crystal(degree, known):
    """Steinhardt's order parameters of the twelve nearest neighbors, which dominate the first shell."""
    copper = bond_order(descriptors_of(fcc_copper()), degree)[:, 0, 0]
    weight = np.exp(-0.5 * ((3.61 / np.sqrt(2) - 2.6) / 0.3) ** 2)
    np.testing.assert_allclose(copper / (12 * weight), known, rtol=0.01)


def test_odd_degrees_vanish_at_a_center_of_inversion():
    own = descriptors_of(fcc_copper())
    for degree in (1, 3, 5, 7):
        np.testing.assert_allclose(bond_order(own, degree), 0, atol=1e-4)
