"""Voronoi indices of crystals, rings that can be counted by hand, and statistics of selected pairs."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from tests.conftest import fcc_copper, random_glass
from tf_symgnn.data import Glass
from tf_symgnn.explain.cycles import pair_keys, shortest_cycles
from tf_symgnn.explain.neighborhoods import cut, cut_all
from tf_symgnn.explain.structure import cycle_statistics, distance_statistics, end_distances, environment_statistics
from tf_symgnn.explain.voronoi import as_text, voronoi_indices
from tf_symgnn.graph import build_graph

GOLDEN = (1 + 5**0.5) / 2


def glass_of(atoms: Atoms) -> Glass:
    return Glass(atoms.positions, atoms.cell.array, atoms.pbc, np.array(atoms.get_chemical_symbols()), None, "made.xyz")


def graph_of(atoms: Atoms, cutoff: float = 5.0):
    return build_graph(glass_of(atoms), cutoff=cutoff, self_loops=True)


def open_structure(positions: np.ndarray):
    return graph_of(Atoms(f"Cu{len(positions)}", positions=positions, cell=[40] * 3, pbc=False))


def ring(number: int, radius: float, height: float = 0.0) -> np.ndarray:
    """Return a regular polygon with random displacements of 0.003 A, which make all filtration values different."""
    angle = 2 * np.pi * np.arange(number) / number
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(number, height)], axis=1)
    return points + np.random.default_rng(number).normal(0, 0.003, points.shape)


def icosahedron() -> Atoms:
    corners = [(0, a, b * GOLDEN) for a in (-1, 1) for b in (-1, 1)]
    corners = np.array([np.roll(corner, k) for corner in corners for k in range(3)]) * 1.4
    return Atoms("Cu13", positions=[(0, 0, 0), *corners], cell=[30] * 3, pbc=False)


@pytest.mark.parametrize(
    ("atoms", "index"),
    [
        (bulk("Cu", "fcc", a=3.61, cubic=True), (0, 12, 0, 0)),
        (bulk("Fe", "bcc", a=2.87, cubic=True).repeat(2), (0, 6, 0, 8)),
        (bulk("Fe", "bcc", a=2.87), (0, 6, 0, 8)),
    ],
    ids=["fcc", "bcc", "bcc, one atom in a slanted cell"],
)
def test_voronoi_indices_of_crystals(atoms, index):
    found = voronoi_indices(graph_of(atoms))
    assert (found == index).all() and len(found) == len(atoms)


def test_an_icosahedron_has_twelve_pentagons_at_its_center_and_open_cells_at_its_corners():
    found = voronoi_indices(graph_of(icosahedron()))
    assert as_text(found[0]) == "<0, 0, 12, 0>"
    assert (found[1:] == -1).all() and as_text(found[1]) == "open"


def test_too_few_atoms_have_open_cells():
    assert as_text(voronoi_indices(open_structure(np.zeros((1, 3))))[0]) == "open"


def test_a_hexagon_is_one_ring_of_its_six_edges():
    cycles = shortest_cycles(open_structure(ring(6, 2.5)))
    (edges,) = (cycle for cycle, life in zip(cycles.edges, cycles.death - cycles.birth, strict=True) if life > 0.5)
    assert {key[:2] for key in edges} == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)}
    long = np.argmax(cycles.death - cycles.birth)
    assert cycles.birth[long] == pytest.approx(1.25, abs=0.02)  # half a side
    assert cycles.death[long] == pytest.approx(2.5, abs=0.05)  # the radius of the circumscribed circle


def test_separate_polygons_are_two_rings_and_a_shared_edge_is_on_both():
    apart = shortest_cycles(open_structure(np.concatenate([ring(5, 2.5), ring(6, 2.5, height=15.0)])))
    lasting = [len(c) for c, life in zip(apart.edges, apart.death - apart.birth, strict=True) if life > 0.5]
    assert sorted(lasting) == [5, 6]
    # Two squares side by side, sides of 3 A, sharing the edge between points 1 and 4.
    squares = np.array([[0, 0, 0], [3, 0, 0], [6, 0, 0], [0, 3, 0.0], [3, 3, 0], [6, 3, 0]])
    squares += np.random.default_rng(0).normal(0, 0.002, squares.shape)
    joined = shortest_cycles(open_structure(squares))
    lasting = [c for c, life in zip(joined.edges, joined.death - joined.birth, strict=True) if life > 0.4]
    keys = [{key[:2] for key in cycle} for cycle in lasting]
    assert len(keys) == 2 and {(0, 1), (1, 4), (3, 4), (0, 3)} in keys
    assert (1, 4) in keys[0] | keys[1]


def test_a_tree_has_no_ring():
    assert not len(shortest_cycles(open_structure(np.array([[0.0, 0, 0], [3, 0, 0], [6, 0.1, 0]]))).birth)


def test_every_cycle_is_closed():
    cycles = shortest_cycles(build_graph(random_glass(0, 100), cutoff=4.0, self_loops=True))
    assert len(cycles.birth) > 100 and (cycles.death > cycles.birth).all()
    for cycle in cycles.edges:
        ends = np.array([key[:2] for key in cycle]).ravel()
        assert len(cycle) >= 3 and (np.unique(ends, return_counts=True)[1] % 2 == 0).all()


def test_cycles_do_not_depend_on_the_position_of_the_cell():
    """Atoms that are moved across the faces of a periodic cell are on the same rings, with few exceptions."""
    glass = random_glass(1, 150)
    moved = replace(glass, positions=(glass.positions + [3.0, 1.0, 5.0]) % np.diag(glass.cell))
    found = []
    for each in (glass, moved):
        graph = build_graph(each, cutoff=4.0, self_loops=True)
        cycles = shortest_cycles(graph)
        through = cycles.through()
        pairs = np.flatnonzero(np.any(graph.displacement != 0, axis=1))
        counts = np.array([through[key] for key in pair_keys(graph, pairs)])
        order = np.lexsort((*np.round(graph.displacement[pairs].T, 3), graph.source[pairs], graph.target[pairs]))
        found.append((len(cycles.birth), counts[order]))
    assert found[0][0] == pytest.approx(found[1][0], rel=0.01)
    assert found[0][1].sum() > 150
    assert (found[0][1] != found[1][1]).mean() < 0.05


def test_both_directions_of_a_pair_have_one_key():
    graph = build_graph(random_glass(6, 3, cell=np.diag([3.7, 4.1, 3.9])), cutoff=4.0, self_loops=False)
    keys = pair_keys(graph, np.arange(graph.n_pairs))
    assert len(set(keys)) == graph.n_pairs / 2
    names, counts = np.unique([str(key) for key in keys], return_counts=True)
    assert (counts == 2).all() and len(names) == graph.n_pairs / 2


def test_distances_in_fcc_are_its_shells():
    neighborhoods = [cut(build_graph(fcc_copper(3), cutoff=3.0, self_loops=True), 0, 5.0)]
    all_pairs = [np.flatnonzero(neighborhoods[0].explained)]
    found = distance_statistics(neighborhoods, all_pairs, 5.0)
    counted = {round(r, 1): n for r, n in zip(found["distance"], found["important"], strict=True) if n}
    assert counted == {2.5: 12, 3.7: 6, 4.5: 24}  # bins that hold 3.61 / sqrt 2, 3.61 and 3.61 sqrt(3 / 2)
    assert found["important"] == found["all"] and found["species"]["all"] == {"Cu": 1.0}
    assert found["peaks"] == [2.5, 3.7, 4.5]


def test_the_center_is_not_among_its_important_atoms():
    (neighborhood,) = cut_all(build_graph(fcc_copper(3), cutoff=3.0, self_loops=True), [5], 0.0)
    distance, numbers = end_distances([neighborhood], [np.arange(3)])
    assert len(distance) == len(numbers) <= 3 and (distance > 2.5).all()


def test_pairs_on_many_rings_are_on_more_rings_than_random_pairs():
    graph = build_graph(random_glass(1, 120), cutoff=4.0, self_loops=True)
    neighborhoods, cycles = cut_all(graph, list(range(8)), 4.0), shortest_cycles(graph)
    through = cycles.through()
    counts = [np.array([through[key] for key in pair_keys(graph, n.pairs)]) for n in neighborhoods]
    selection = [np.argsort(-count)[:20] for count in counts]
    found = cycle_statistics(graph, neighborhoods, selection, cycles, seed=0)
    assert found["important"] == pytest.approx(np.mean([count[:][np.argsort(-count)[:20]].mean() for count in counts]))
    assert found["important"] > found["random"] and found["p_random"] == pytest.approx(1 / 256, abs=1e-3)
    of_centers = [np.sort(count)[-20:].mean() for count in counts]
    error = np.std(of_centers, ddof=1) / np.sqrt(8)
    low, high = found["intervals"]["important"]
    assert low < found["important"] < high and high - low == pytest.approx(4 * error, rel=0.3)
    nothing = cycle_statistics(graph, neighborhoods, [np.zeros(0, int)] * 8, cycles, seed=0)
    assert nothing["important"] is None and nothing["p_random"] is None
    assert nothing["intervals"]["important"] is None


def test_important_pairs_are_not_compared_with_themselves():
    """If all pairs on rings are important, the unimportant pairs of the same length are on no ring."""
    graph = build_graph(random_glass(1, 120), cutoff=4.0, self_loops=True)
    neighborhoods, cycles = cut_all(graph, list(range(8)), 4.0), shortest_cycles(graph)
    through = cycles.through()
    counts = [np.array([through[key] for key in pair_keys(graph, n.pairs)]) for n in neighborhoods]
    selection = [np.flatnonzero((count > 0) & n.explained) for count, n in zip(counts, neighborhoods, strict=True)]
    assert all(((count == 0) & n.explained).any() for count, n in zip(counts, neighborhoods, strict=True))
    found = cycle_statistics(graph, neighborhoods, selection, cycles, seed=0)
    assert found["random_of_same_length"] == 0 and found["important_with_such"] >= 1


def test_pairs_without_others_of_their_length_are_compared_with_none():
    """In fcc no unimportant pair has the length of the nearest pairs if all of these are important."""
    graph = build_graph(fcc_copper(3), cutoff=4.0, self_loops=True)
    neighborhoods, cycles = [cut(graph, 0, 4.0)], shortest_cycles(graph)
    length = np.linalg.norm(neighborhoods[0].graph.displacement, axis=1)
    near, far = (np.flatnonzero((np.abs(length - r) < 0.1) & neighborhoods[0].explained) for r in (2.55, 3.61))
    assert len(near) and len(far) > 2
    alone = cycle_statistics(graph, neighborhoods, [near], cycles, seed=0)
    assert alone["important"] is not None and alone["random_of_same_length"] is None
    keys = [str(key) for key in pair_keys(graph, neighborhoods[0].pairs)]
    some = [far[keys[far[0]] == np.array(keys)[far]]]
    both = cycle_statistics(graph, neighborhoods, [np.concatenate([near, *some])], cycles, seed=0)
    assert both["random_of_same_length"] is not None and both["important_with_such"] is not None


def test_environments_of_the_highest_and_lowest_barriers():
    graph = graph_of(icosahedron())
    barrier = np.zeros(13)
    barrier[0] = 1.0
    found = environment_statistics(graph, barrier, voronoi_indices(graph))
    # Wilson's interval of one of one begins at 1 / (1 + 1.96^2).
    assert found["high"] == {
        "atoms": 1,
        "species": {"Cu": 1.0},
        "coordination": 12.0,
        "indices": {"<0, 0, 12, 0>": 1.0, "open": 0.0},
        "intervals": {
            "<0, 0, 12, 0>": [pytest.approx(0.2065, abs=1e-4), 1.0],
            "open": [0.0, pytest.approx(0.7935, abs=1e-4)],
        },
    }
    assert found["low"]["coordination"] is None
    assert list(found["low"]["indices"].items()) == [("open", 1.0), ("<0, 0, 12, 0>", 0.0)]
