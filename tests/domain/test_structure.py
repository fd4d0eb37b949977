"""Structural statistics: crystals with known numbers, and what they must not depend on."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from tests.conftest import SAMPLE
from tf_symgnn.data import Glass, read_glasses
from tf_symgnn.domain.structure import BOND_LENGTH, BOND_SPREAD, DENSITY, FRACTION, Structure, structure_statistics
from tf_symgnn.graph import build_graph


def crystal(symbols: str, structure: str, spacing: float, repeats: int) -> Glass:
    atoms = bulk(symbols, structure, a=spacing, cubic=True).repeat(repeats)
    return Glass(atoms.positions, atoms.cell.array, [True] * 3, np.array(atoms.get_chemical_symbols()), None, "c.xyz")


def statistics(glass: Glass, cutoff: float = 5.0, self_loops: bool = True) -> Structure:
    return structure_statistics(build_graph(glass, cutoff=cutoff, self_loops=self_loops), cutoff)


def test_fcc():
    """12 bonds of length a / sqrt(2), and 12 + 6 + 24 neighbors within 5 A."""
    found = statistics(crystal("Cu", "fcc", 3.6, 4))
    assert found[FRACTION] == {"Cu": (1.0, 0.0)}
    assert found[BOND_LENGTH]["Cu-Cu"].value == pytest.approx(3.6 / np.sqrt(2), rel=1e-6)
    assert found[BOND_SPREAD]["Cu-Cu"].value == pytest.approx(0, abs=1e-6)
    assert found[DENSITY][""].value == pytest.approx(42 / (4 / 3 * np.pi * 5**3))


def test_cesium_chloride():
    """Each atom has 8 neighbors of the other species at a sqrt(3) / 2 and 6 of its own at a."""
    found = statistics(crystal("CuZr", "cesiumchloride", 3.26, 5))
    assert {symbol: x.value for symbol, x in found[FRACTION].items()} == {"Cu": 0.5, "Zr": 0.5}
    lengths = {pair: x.value for pair, x in found[BOND_LENGTH].items()}
    assert lengths == pytest.approx({"Cu-Zr": 3.26 * np.sqrt(3) / 2, "Cu-Cu": 3.26, "Zr-Zr": 3.26}, rel=1e-6)


def test_a_spread_of_displacements_is_the_spread_of_bonds():
    """Independent displacements of width s change a bond of length b by sqrt(2) s along it."""
    glass, width = crystal("Cu", "fcc", 3.6, 6), 0.05
    moved = glass.positions + np.random.default_rng(0).normal(0, width, glass.positions.shape)
    spread, error = statistics(replace(glass, positions=moved))[BOND_SPREAD]["Cu-Cu"]
    assert spread == pytest.approx(np.sqrt(2) * width / (3.6 / np.sqrt(2)), abs=4 * error)
    assert error < 0.02 * spread


@pytest.mark.parametrize("strain", [-0.02, 0.01, 0.03])
def test_bond_lengths_are_proportional_to_strain(strain):
    (glass,) = read_glasses(SAMPLE)["validation"]
    stretched = replace(glass, positions=(1 + strain) * glass.positions, cell=(1 + strain) * glass.cell)
    before, after = statistics(glass), statistics(stretched)
    for pair, (length, _) in before[BOND_LENGTH].items():
        assert after[BOND_LENGTH][pair].value == pytest.approx((1 + strain) * length, rel=1e-4)
        assert after[BOND_SPREAD][pair].value == pytest.approx(before[BOND_SPREAD][pair].value, rel=1e-3)


def test_neither_surfaces_nor_self_loops_change_the_density():
    """A slab with 12 fcc cells across: less than a quarter of its atoms are within 5 A of a surface."""
    slab = crystal("Cu", "fcc", 3.6, 12)
    slab = replace(slab, pbc=[True, True, False], cell=slab.cell + np.diag([0, 0, 30.0]))
    whole = statistics(crystal("Cu", "fcc", 3.6, 4))
    assert statistics(slab, self_loops=False)[DENSITY][""].value == pytest.approx(whole[DENSITY][""].value)


def test_the_standard_error_is_the_spread_between_glasses():
    """Of 40 glasses of 250 atoms each, cut from one distribution of displacements."""
    rng, found = np.random.default_rng(1), []
    glass = crystal("Cu", "fcc", 3.6, 4)
    for _ in range(40):
        moved = replace(glass, positions=glass.positions + rng.normal(0, 0.05, glass.positions.shape))
        found.append(statistics(moved)[BOND_SPREAD]["Cu-Cu"])
    values, errors = np.transpose(found)
    assert values.std() == pytest.approx(errors.mean(), rel=0.5)


def test_a_single_atom_has_no_bonds():
    lone = Glass(np.zeros((1, 3)), 20 * np.eye(3), [True] * 3, np.array(["Cu"]), None, "c.xyz")
    found = statistics(lone)
    assert found[BOND_LENGTH] == {} and found[DENSITY][""].value == 0
