"""Descriptors of whole glasses: slabs, and what is refused."""

import ase
import numpy as np
import pytest

from tf_symgnn.data import Glass, InputError
from tf_symgnn.potentials import glasses
from tf_symgnn.potentials.glasses import glass_descriptors
from tf_symgnn.potentials.response import PotentialDescriptors


@pytest.fixture(scope="module")
def describe(copper_zirconium) -> PotentialDescriptors:
    return PotentialDescriptors(copper_zirconium)


def test_a_glass_in_slabs_has_the_descriptors_of_the_whole(glass_at_rest, describe, monkeypatch):
    long = glass_at_rest.repeat((1, 4, 1))
    whole = glass_descriptors(describe, Glass.from_ase(long))
    monkeypatch.setattr(glasses, "MAX_ATOMS", 150)
    np.testing.assert_allclose(glass_descriptors(describe, Glass.from_ase(long)), whole, atol=2e-4)
    # Copies of the cell are alike, and the cell itself is but for members that are images of one another.
    np.testing.assert_allclose(whole[:108], whole[108:216], atol=2e-4)


def test_what_is_not_at_rest_is_refused(glass_at_rest, describe):
    shaken = glass_at_rest.copy()
    shaken.rattle(0.3, seed=0)
    message = r"atoms: structure: found \d+ of 108 atoms not at a minimum, with forces up to .* eV/A, expected a glass"
    with pytest.raises(InputError, match=message):
        glass_descriptors(describe, Glass.from_ase(shaken))


def test_species_without_a_table_and_atoms_on_top_of_each_other_are_refused(describe):
    with pytest.raises(InputError, match="species: found Al, expected only species .*: Cu, Zr"):
        glass_descriptors(describe, Glass.from_ase(ase.Atoms("Al", cell=[9.0] * 3, pbc=True)))
    twice = ase.Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 1e-4]], cell=[9.0] * 3, pbc=True)
    with pytest.raises(InputError, match="positions"):
        glass_descriptors(describe, Glass.from_ase(twice))
