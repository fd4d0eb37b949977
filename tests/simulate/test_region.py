"""Active regions: the forces of the whole glass inside them, and the saddles that are found there."""

import ase.build
import numpy as np
import pytest

from tf_symgnn.simulate.barriers import Labelling, _Worker
from tf_symgnn.simulate.engine import SEARCH_POINTS, Forces, Potential
from tf_symgnn.simulate.events import EVENT
from tf_symgnn.simulate.region import FREE_RADIUS, ActiveRegion, worth_a_region


@pytest.fixture(scope="module")
def crystal():
    """FCC copper of 2916 atoms with a vacancy, at rest."""
    atoms = ase.build.bulk("Cu", cubic=True, a=3.6385).repeat(9)
    del atoms[0]
    field = Forces(atoms, Potential(), table_points=SEARCH_POINTS)
    for _ in range(60):
        atoms.positions += 0.02 * field(atoms.positions)[1]
    return atoms, field


def test_a_large_glass_is_worth_a_region(crystal, small_glass):
    assert worth_a_region(crystal[0]) and not worth_a_region(small_glass)
    long = ase.build.bulk("Cu", cubic=True, a=3.64).repeat((4, 40, 40))
    assert not worth_a_region(long)  # its periodic images would meet in a region


def test_forces_in_a_region_are_those_of_the_whole(crystal):
    atoms, field = crystal
    energy, forces = field(atoms.positions)
    region = ActiveRegion(atoms, forces, 200, Potential())
    inside = np.linalg.norm(region.minimum.positions - region.minimum.positions[region.atom], axis=1)
    assert len(region.free) == len(inside) and inside.max() < FREE_RADIUS
    at_rest = region(region.minimum.positions)
    np.testing.assert_allclose(at_rest[1], forces[region.free], atol=1e-9)
    moved = region.minimum.positions + np.random.default_rng(0).normal(0, 0.1, (len(inside), 3))
    moved_energy, moved_forces = region(moved)
    whole_energy, whole_forces = field(region.embed(atoms, moved))
    np.testing.assert_allclose(moved_forces, whole_forces[region.free], atol=5e-3)
    assert moved_energy - at_rest[0] == pytest.approx(whole_energy - energy, abs=0.01)
    assert whole_energy - energy > 1.0


def test_force_calls_in_a_region_count(crystal, monkeypatch):
    """Of a search that fails there, all but one are in the region."""
    worker = _Worker(crystal[0], Labelling())
    monkeypatch.setattr("tf_symgnn.simulate.saddles.MOST_CALLS", 5)
    assert worker._in_regions
    search = worker.search(200, 0)
    assert search.outcome != EVENT and search.calls > 5


@pytest.mark.slow
def test_a_vacancy_hops_with_the_same_barrier_in_a_region_and_in_the_whole(crystal, monkeypatch):
    atoms, _ = crystal
    worker = _Worker(atoms, Labelling())
    neighbor = int(np.linalg.norm(atoms.positions - [0.0, 1.82, 1.82], axis=1).argmin())
    found = {}
    for in_regions in (True, False):
        monkeypatch.setattr(worker, "_in_regions", in_regions)
        searches = [worker.search(neighbor, number) for number in range(4)]
        found[in_regions] = min(search.barrier for search in searches if search.outcome == EVENT)
    assert found[True] == pytest.approx(found[False], abs=4e-3)  # forces at a saddle are zero within 0.01 eV/A
