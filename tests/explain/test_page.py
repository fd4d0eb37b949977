"""The scene of a report: which atoms and bonds it has, where, and how large."""

import numpy as np

from tests.explain.conftest import CUTOFF
from tf_symgnn.explain.neighborhoods import cut
from tf_symgnn.explain.page import DRAWN_RADIUS, THICKNESS, _scene

CENTER = 7


def important(neighborhood, number: int) -> np.ndarray:
    """Pairs nearest to the center, of two different atoms."""
    return [e for e in np.argsort(neighborhood.distance) if neighborhood.explained[e]][:number]


def test_bonds_join_the_atoms_of_their_pairs(graph):
    neighborhood = cut(graph, CENTER, 2 * CUTOFF)
    pairs = np.array(important(neighborhood, 12))
    scene = _scene(neighborhood, pairs)
    lengths = np.linalg.norm(neighborhood.graph.displacement[pairs], axis=1)
    for k, pair in enumerate(pairs):
        ends = [neighborhood.graph.target[pair], neighborhood.graph.source[pair]]
        for point, atom in zip((scene.bonds.start[k], scene.bonds.stop[k]), ends, strict=True):
            (at,) = np.flatnonzero(np.linalg.norm(scene.positions - point, axis=1) < 2e-3)
            assert scene.labels[at].endswith(f", atom {neighborhood.atoms[atom]}")
    np.testing.assert_allclose(np.linalg.norm(scene.bonds.stop - scene.bonds.start, axis=1), lengths, atol=1e-6)
    assert len(np.unique(scene.positions, axis=0)) == len(scene.labels)


def test_the_first_pair_is_the_thickest_and_its_atoms_are_large(graph):
    neighborhood = cut(graph, CENTER, 2 * CUTOFF)
    (pair,) = important(neighborhood, 1)
    scene, several = (_scene(neighborhood, np.array(important(neighborhood, n))) for n in (1, 5))
    assert scene.bonds.radii.tolist() == [THICKNESS[1]]
    np.testing.assert_allclose(several.bonds.radii, np.linspace(THICKNESS[1], THICKNESS[0], 5))
    assert several.bonds.colors[0, 1] < several.bonds.colors[4, 1]  # red, and pale
    ends = [neighborhood.graph.target[pair], neighborhood.graph.source[pair], neighborhood.center_index]
    large = np.array(scene.labels)[scene.radii > 0.5]  # A, between a small Zr and a large Cu
    assert {int(label.split()[-1]) for label in large} == set(neighborhood.atoms[ends].tolist())


def test_the_center_is_black_and_all_atoms_near_it_are_drawn(graph):
    neighborhood = cut(graph, CENTER, 2 * CUTOFF)
    scene = _scene(neighborhood, np.array([], int))
    (black,) = np.flatnonzero(scene.colors.max(axis=1) < 0.2)
    assert scene.positions[black].tolist() == [0, 0, 0] and scene.labels[black].endswith(f", atom {CENTER}")
    assert len(scene.labels) == (np.linalg.norm(neighborhood.relative_positions, axis=1) <= DRAWN_RADIUS).sum()
    assert scene.bonds.radii.shape == (0,)
