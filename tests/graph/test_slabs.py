"""Slabs of a glass: their pairs are those of the whole glass, for any number of slabs."""

from itertools import pairwise

import numpy as np
import pytest

from tests.conftest import ZOO, random_glass
from tf_symgnn.data import Glass, InputError
from tf_symgnn.graph import build_graph
from tf_symgnn.graph.slabs import SlabbedGlass


def pairs_of(glass: Glass, *, cutoff: float, number: int, together: int) -> np.ndarray:
    """Return sorted rows of target, source and displacement, with the indices of atoms in the glass."""
    slabbed = SlabbedGlass(glass, cutoff=cutoff, self_loops=True, number=number)
    neighbors = slabbed.neighbors()
    rows = []
    for first in range(0, len(slabbed), together):
        end = min(first + together, len(slabbed))
        for k, pairs in zip(range(first, end), slabbed.pairs(first, end), strict=True):
            assert (np.diff(pairs.target) >= 0).all()
            senders = np.searchsorted(slabbed.splits, pairs.source, side="right") - 1
            assert set(senders) <= set(neighbors[k])
            ends = slabbed.order[pairs.target + slabbed.splits[k]], slabbed.order[pairs.source]
            rows.append(np.column_stack([*ends, pairs.displacement]))
    return in_order(np.concatenate(rows))


def in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(np.round(rows, 3).T[::-1])]


@pytest.mark.parametrize(("number", "together"), [(1, 1), (2, 1), (5, 2), (40, 7)])
def test_pairs_of_slabs_equal_those_of_the_glass(zoo_glass, number, together):
    graph = build_graph(zoo_glass, cutoff=4.0, self_loops=True)
    expected = in_order(np.column_stack([graph.target, graph.source, graph.displacement]))
    found = pairs_of(zoo_glass, cutoff=4.0, number=number, together=together)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_every_atom_is_in_one_slab(zoo_glass):
    slabbed = SlabbedGlass(zoo_glass, cutoff=4.0, self_loops=True, number=4)
    np.testing.assert_array_equal(np.sort(slabbed.order), np.arange(zoo_glass.n_atoms))
    np.testing.assert_array_equal(slabbed.atomic_numbers, zoo_glass.atomic_numbers[slabbed.order])
    assert (slabbed.sizes > 0).all() and slabbed.sizes.sum() == zoo_glass.n_atoms


def test_slabs_are_cut_across_the_longest_direction():
    slabbed = SlabbedGlass(random_glass(0, 60, cell=np.diag([6.0, 7.0, 40.0])), cutoff=3.0, self_loops=False, number=8)
    heights = [slabbed.glass.positions[slabbed.order[a:b], 2] for a, b in pairwise(slabbed.splits)]
    for below, above in pairwise(heights):
        assert below.max() < above.min()


def test_distant_slabs_are_no_neighbors():
    slabbed = SlabbedGlass(random_glass(0, 60, cell=np.diag([6.0, 7.0, 40.0])), cutoff=3.0, self_loops=False, number=10)
    assert slabbed.neighbors()[0] == [0, 1, 9]
    open_ended = random_glass(0, 60, cell=np.diag([6.0, 7.0, 40.0]), pbc=(True, True, False))
    assert 9 not in SlabbedGlass(open_ended, cutoff=3.0, self_loops=False, number=10).neighbors()[0]


def test_coincident_atoms_are_named_by_their_indices_in_the_glass():
    glass = ZOO["orthorhombic"]()
    positions = glass.positions.copy()
    positions[40] = positions[7] + glass.cell[2]
    twice = Glass(positions, glass.cell, glass.pbc, glass.species, None, "twice.xyz")
    slabbed = SlabbedGlass(twice, cutoff=3.0, self_loops=True, number=3)
    with pytest.raises(InputError, match="atoms 7 and 40 at one point"):
        slabbed.pairs(0, len(slabbed))
