"""The periodic neighbor list against brute force over images and known crystals, and invalid input."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.conftest import fcc_copper, random_glass
from tf_symgnn.data import InputError, perpendicular_heights, read_glass
from tf_symgnn.graph import build_graph

CUTOFF = 5.0


def brute_force(glass, cutoff):
    """Return sorted rows (target, source, displacement) of all pairs through all images within the cutoff."""
    heights = perpendicular_heights(glass.cell)
    reach = [int(np.ceil(cutoff / h)) + 1 if p else 0 for h, p in zip(heights, glass.pbc, strict=True)]
    # Atoms may lie outside the cell, and images are counted from wrapped positions.
    fractional = glass.positions @ np.linalg.inv(glass.cell)
    wrap = np.floor(fractional) * glass.pbc
    positions = glass.positions - wrap @ glass.cell
    rows = []
    for image in product(*(range(-n, n + 1) for n in reach)):
        delta = positions[None, :] - positions[:, None] + np.array(image) @ glass.cell  # [target, source]
        near = np.linalg.norm(delta, axis=-1) < cutoff
        if image == (0, 0, 0):
            np.fill_diagonal(near, False)
        rows += [(i, j, *delta[i, j]) for i, j in np.argwhere(near)]
    return sort_rows(np.array(rows).reshape(-1, 5))


def sort_rows(rows):
    rows = np.round(rows, 4) + 0.0  # turns -0.0 into 0.0
    return rows[np.lexsort(rows.T[::-1])]


def test_equals_brute_force_over_images(zoo_glass):
    graph = build_graph(zoo_glass, cutoff=CUTOFF, self_loops=False)
    found = sort_rows(np.column_stack([graph.target, graph.source, graph.displacement.astype(float)]))
    np.testing.assert_allclose(found, brute_force(zoo_glass, CUTOFF), atol=2e-4)


def test_atoms_outside_the_cell_have_the_same_neighbors():
    glass = random_glass(11, 50)
    moved = replace(glass, positions=glass.positions + np.array([3, -2, 1]) @ glass.cell)
    one, other = (build_graph(g, cutoff=CUTOFF, self_loops=True) for g in (glass, moved))
    np.testing.assert_array_equal(one.source, other.source)
    np.testing.assert_allclose(one.displacement, other.displacement, atol=1e-5)


def test_displacement_points_from_target_to_source():
    positions = np.array([[1.0, 1.0, 1.0], [2.5, 1.0, 1.0]])
    glass = replace(random_glass(0, 2, cell=np.eye(3) * 20), positions=positions)
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=False)
    np.testing.assert_array_equal(graph.target, [0, 1])
    np.testing.assert_array_equal(graph.source, [1, 0])
    np.testing.assert_allclose(graph.displacement, [[1.5, 0, 0], [-1.5, 0, 0]])


def test_displacement_crosses_the_boundary():
    positions = np.array([[0.5, 5.0, 5.0], [19.5, 5.0, 5.0]])
    glass = replace(random_glass(0, 2, cell=np.eye(3) * 20), positions=positions)
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=False)
    np.testing.assert_allclose(graph.displacement, [[-1.0, 0, 0], [1.0, 0, 0]])


def test_fcc_has_twelve_neighbors_at_one_distance():
    graph = build_graph(fcc_copper(), cutoff=3.0, self_loops=False)
    np.testing.assert_array_equal(np.bincount(graph.target), 12)
    np.testing.assert_allclose(np.linalg.norm(graph.displacement, axis=1), 3.61 / np.sqrt(2), rtol=1e-6)


def test_self_loops_add_one_zero_displacement_per_atom(zoo_glass):
    without, with_loops = (build_graph(zoo_glass, cutoff=CUTOFF, self_loops=loops) for loops in (False, True))
    loops = (with_loops.source == with_loops.target) & ~with_loops.displacement.any(axis=1)
    np.testing.assert_array_equal(with_loops.target[loops], np.arange(zoo_glass.n_atoms))
    np.testing.assert_array_equal(with_loops.displacement[~loops], without.displacement)


def test_pairs_are_sorted_and_reproducible(zoo_glass):
    graph = build_graph(zoo_glass, cutoff=CUTOFF, self_loops=True)
    key = graph.target.astype(np.int64) * graph.n_atoms + graph.source
    assert (np.diff(key) >= 0).all()
    again = build_graph(zoo_glass, cutoff=CUTOFF, self_loops=True)
    np.testing.assert_array_equal(graph.displacement, again.displacement)


def test_coincident_atoms_are_refused():
    glass = random_glass(0, 30)
    positions = glass.positions.copy()
    positions[17] = positions[4] + glass.cell[1]
    with pytest.raises(InputError, match=r"random\.xyz: positions: found atoms 4 and 17 at one point"):
        build_graph(replace(glass, positions=positions), cutoff=CUTOFF, self_loops=True)
    with pytest.raises(InputError, match=r"random\.xyz@7: positions: found atoms 4 and 17 at one point"):
        build_graph(replace(glass, positions=positions, frame=7), cutoff=CUTOFF, self_loops=True)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False)])
def test_a_glass_in_nanometers_is_refused(pbc):
    """The cell along an open direction is arbitrary."""
    glass = random_glass(0, 500, pbc=pbc)
    build_graph(glass, cutoff=CUTOFF, self_loops=True)
    cell = glass.cell * np.where(pbc, 0.1, 100)[:, np.newaxis]
    found = "cell: found .* atoms per A.3" if all(pbc) else "positions: found .* atoms within reach of each other"
    with pytest.raises(InputError, match=rf"random\.xyz: {found}, expected at most .*; lengths are in A"):
        build_graph(replace(glass, positions=0.1 * glass.positions, cell=cell), cutoff=CUTOFF, self_loops=True)


def test_published_glass_has_the_known_number_of_pairs(published_data):
    graph = build_graph(read_glass(published_data / "train0.pickle"), cutoff=CUTOFF, self_loops=True)
    assert (graph.n_atoms, graph.n_pairs) == (8000, 267838)
