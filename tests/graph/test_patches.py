"""Patches of a glass: cores, halos and the subgraphs induced on them."""

import numpy as np
import pytest

from tests.conftest import ZOO, random_glass
from tf_symgnn.data import InputError, perpendicular_heights
from tf_symgnn.graph import PatchedGlass, build_graph
from tf_symgnn.graph.glass_graph import received_pairs


def minimum_image_distance(graph, origin):
    """Return the distance of every atom from one atom, through the nearest of 125 images."""
    cell = graph.cell.astype(float)
    shifts = np.array(np.meshgrid(*([-2, -1, 0, 1, 2] if p else [0] for p in graph.pbc))).reshape(3, -1).T @ cell
    delta = graph.positions - graph.positions[origin]
    return np.linalg.norm(delta[:, None] + shifts, axis=-1).min(axis=1)


@pytest.mark.parametrize("name", ["orthorhombic", "triclinic", "slab", "cluster", "isolated atom"])
def test_every_atom_is_in_one_core(name):
    graph = build_graph(ZOO[name](), cutoff=3.0, self_loops=True)
    patched = PatchedGlass(graph, size=4.0, halo=2.0)
    owners = np.concatenate([atoms[core] for _, atoms, core in map(patched.extract, range(len(patched)))])
    np.testing.assert_array_equal(np.sort(owners), np.arange(graph.n_atoms))


def test_cores_have_at_most_the_requested_size():
    graph = build_graph(random_glass(0, 300), cutoff=3.0, self_loops=True)
    patched = PatchedGlass(graph, size=6.0, halo=0.0)
    heights = perpendicular_heights(graph.cell)
    assert len(patched) == np.prod(np.ceil(heights / 6.0))
    for patch in patched.patches:
        assert ((patch.upper - patch.lower) * heights <= 6.0 + 1e-6).all()


@pytest.mark.parametrize("name", ["orthorhombic", "triclinic", "slab", "wire"])
def test_halo_contains_every_atom_within_its_width_of_a_core_atom(name):
    graph = build_graph(ZOO[name](), cutoff=3.0, self_loops=True)
    patched = PatchedGlass(graph, size=3.0, halo=2.5)
    for k in range(len(patched)):
        _, atoms, core = patched.extract(k)
        needed = set()
        for atom in atoms[core]:
            needed |= set(np.flatnonzero(minimum_image_distance(graph, atom) < 2.5))
        assert needed <= set(atoms)


def test_a_patch_of_a_large_glass_is_smaller_than_the_glass():
    graph = build_graph(random_glass(1, 1000), cutoff=3.0, self_loops=True)
    patched = PatchedGlass(graph, size=6.0, halo=3.0)
    for k in range(len(patched)):
        part, atoms, core = patched.extract(k)
        assert 0 < core.sum() < len(atoms) < graph.n_atoms
        assert part.n_pairs < graph.n_pairs


def test_subgraph_is_induced(zoo_glass):
    graph = build_graph(zoo_glass, cutoff=4.0, self_loops=True)
    atoms = np.flatnonzero(np.random.default_rng(0).random(graph.n_atoms) < 0.6)
    if not len(atoms):
        atoms = np.array([0])
    part = graph.subgraph(atoms, graph.row_splits)
    kept = np.isin(graph.source, atoms) & np.isin(graph.target, atoms)
    np.testing.assert_array_equal(atoms[part.source], graph.source[kept])
    np.testing.assert_array_equal(atoms[part.target], graph.target[kept])
    np.testing.assert_array_equal(part.displacement, graph.displacement[kept])
    np.testing.assert_array_equal(part.atomic_numbers, graph.atomic_numbers[atoms])


def test_taken_pairs_are_those_that_some_atoms_receive(zoo_glass):
    graph = build_graph(zoo_glass, cutoff=4.0, self_loops=True)
    receivers = np.arange(0, graph.n_atoms, 3)
    pairs = received_pairs(graph.row_splits, receivers)
    np.testing.assert_array_equal(pairs, np.flatnonzero(np.isin(graph.target, receivers)))
    atoms = np.union1d(receivers, graph.source[pairs])
    part = graph.take(atoms, pairs)
    np.testing.assert_array_equal(atoms[part.source], graph.source[pairs])
    np.testing.assert_array_equal(atoms[part.target], graph.target[pairs])
    np.testing.assert_array_equal(part.displacement, graph.displacement[pairs])


def test_only_orthogonal_matrices_transform_a_graph():
    graph = build_graph(random_glass(0, 10), cutoff=3.0, self_loops=True)
    with pytest.raises(InputError, match="element: found .*, expected an orthogonal matrix"):
        graph.transformed(2 * np.eye(3))
