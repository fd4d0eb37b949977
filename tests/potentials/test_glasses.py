"""Descriptors of whole glasses: narrow cells, blocks, clusters, and what is refused."""

from dataclasses import replace

import ase
import numpy as np
import pytest
from ase.build import bulk

from tf_symgnn.data import Glass, InputError, InputNotice
from tf_symgnn.potentials import glasses
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.glasses import glass_descriptors, peak_bytes
from tf_symgnn.potentials.relaxation import relaxed
from tf_symgnn.potentials.response import DESCRIPTORS, PotentialDescriptors
from tf_symgnn.potentials.tables import read_tables


@pytest.fixture(scope="module")
def describe(copper_zirconium) -> PotentialDescriptors:
    return PotentialDescriptors(copper_zirconium)


@pytest.fixture(scope="module")
def wide(glass_at_rest, describe) -> tuple[Glass, np.ndarray]:
    """Return eight copies of a glass of 108 atoms in one cell, 24 A wide, and their descriptors."""
    glass = Glass.from_ase(glass_at_rest.repeat(2))
    return glass, glass_descriptors(describe, glass)


def test_a_narrow_cell_is_that_of_its_copies(glass_at_rest, describe, wide):
    found = glass_descriptors(describe, Glass.from_ase(glass_at_rest))
    np.testing.assert_allclose(found, wide[1][:108], atol=3e-4)
    np.testing.assert_allclose(wide[1][108:216], wide[1][:108], atol=3e-4)


def test_a_glass_in_blocks_has_the_descriptors_of_the_whole(describe, wide, monkeypatch):
    monkeypatch.setattr(glasses, "MAX_ATOMS", 500)
    monkeypatch.setattr(glasses, "BLOCK", 15.0)
    np.testing.assert_allclose(glass_descriptors(describe, wide[0]), wide[1], atol=3e-4)


def test_a_cluster_has_descriptors(glass_at_rest, describe):
    """It is open in all directions, and at rest again."""
    atoms = glass_at_rest.copy()
    atoms.pbc = False
    cluster = relaxed(describe.potential, Glass.from_ase(atoms), max_force=1e-3)
    found = glass_descriptors(describe, cluster)
    assert np.isfinite(found).all()
    center, corner = np.argsort(np.linalg.norm(cluster.positions - 6.0, axis=1))[[0, -1]]
    softness = DESCRIPTORS.index("softness")
    assert found[corner, softness] > found[center, softness] + 0.3


def test_what_is_not_at_rest_is_refused(glass_at_rest, describe):
    shaken = glass_at_rest.copy()
    shaken.rattle(0.03, seed=0)
    message = r"atoms: structure: found forces up to .* eV/A, expected a glass at rest under the potential of the model"
    with pytest.raises(InputError, match=message):
        glass_descriptors(describe, Glass.from_ase(shaken))


def test_another_potential_is_refused(lammps_potentials, glass_at_rest):
    tables = read_tables(lammps_potentials / "CuZr_mm.eam.fs", "eam/fs")
    other = PotentialDescriptors(EamPotential(replace(tables, pair=1.5 * tables.pair)))
    with pytest.raises(InputError, match="structure: found forces up to"):
        glass_descriptors(other, Glass.from_ase(glass_at_rest))


def test_a_glass_that_is_nearly_at_rest_is_noticed(glass_at_rest, describe):
    rounded = glass_at_rest.copy()
    rounded.rattle(0.001, seed=0)
    with pytest.warns(InputNotice, match=r"largest force: found 0\.0\d+ eV/A"):
        glass_descriptors(describe, Glass.from_ase(rounded))


def test_a_saddle_is_refused(describe):
    crystal = bulk("Cu", "fcc", a=5.2, cubic=True).repeat(5)  # stretched beyond its stability, without a force
    with pytest.raises(InputError, match="500 of 500 atoms at no minimum of the energy, such as atom 0"):
        glass_descriptors(describe, Glass.from_ase(crystal))


def test_the_memory_is_stated(describe, wide, monkeypatch):
    whole = peak_bytes(describe, wide[0])
    assert whole == 864 * (glasses.BYTES_PER_ATOM + glasses.BYTES_PER_CENTER)
    monkeypatch.setattr(glasses, "MAX_ATOMS", 500)
    assert peak_bytes(describe, wide[0]) > whole  # for all images within the halo


def test_species_without_a_table_and_atoms_on_top_of_each_other_are_refused(describe):
    with pytest.raises(InputError, match="species: found Al, expected only species .*: Cu, Zr"):
        glass_descriptors(describe, Glass.from_ase(ase.Atoms("Al", cell=[9.0] * 3, pbc=True)))
    twice = ase.Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 1e-4]], cell=[9.0] * 3, pbc=True)
    with pytest.raises(InputError, match="positions"):
        glass_descriptors(describe, Glass.from_ase(twice))
