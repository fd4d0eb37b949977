"""Displaced atoms: the same predictions as of the displaced glass, and which rankings find the atoms that matter."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ZOO, random_glass
from tests.explain.conftest import CUTOFF
from tests.explain.known import HEAVY
from tf_symgnn import names
from tf_symgnn.explain.displacements import (
    ATOM_FRACTIONS,
    SIZE,
    atom_importance,
    displacement_changes,
    nearest_atoms,
    random_atoms,
)
from tf_symgnn.explain.neighborhoods import cut_all
from tf_symgnn.explain.probe import Batch, Probe
from tf_symgnn.graph import build_graph
from tf_symgnn.models.base import BarrierModel

CENTERS = [0, 7, 30, 101]
SPREAD = 0.2


class SquaredLengths(BarrierModel):
    """Predicts 1 eV plus the sum of the squared lengths of the pairs that an atom receives from Zr, over 100 A^2/eV."""

    receptive_field = CUTOFF

    def call(self, graph, training=False):
        pairs, species = graph.edge_sets[names.NEIGHBORS], graph.node_sets[names.ATOMS][names.SPECIES]
        from_heavy = tf.cast(tf.gather(species, pairs.adjacency.source) == HEAVY, tf.float32)
        squared = tf.reduce_sum(pairs[names.DISPLACEMENT] ** 2, axis=1)
        return 1.0 + tf.math.unsorted_segment_sum(from_heavy * squared, pairs.adjacency.target, tf.size(species)) / 100


@pytest.fixture(scope="module")
def neighborhoods(graph):
    return cut_all(graph, CENTERS, CUTOFF)


@pytest.fixture(scope="module")
def heavy():
    return Probe(SquaredLengths())


def heavy_neighbors(neighborhoods):
    """Return importances 1 for the atoms that the model depends on, and -inf for the center."""
    found = []
    for n in neighborhoods:
        near = n.graph.source[(n.graph.target == n.center_index) & n.explained]
        importance = np.isin(np.arange(n.graph.n_atoms), near) & (n.graph.atomic_numbers == HEAVY)
        found.append(np.where(np.arange(n.graph.n_atoms) == n.center_index, -np.inf, importance.astype(float)))
    return found


def test_the_graph_is_that_of_the_displaced_glass(graph):
    """Displacements of 1e-4 A move no pair across the cutoff in this glass."""
    (whole,) = cut_all(graph, [7], np.inf)
    shift = np.random.default_rng(0).normal(0, 1e-4, (graph.n_atoms, 3))
    glass = random_glass(3, 200)
    moved = build_graph(replace(glass, positions=glass.positions + shift), cutoff=CUTOFF, self_loops=True)
    (expected,) = cut_all(moved, [7], np.inf)
    np.testing.assert_array_equal(expected.graph.source, whole.graph.source)
    found = Batch([whole]).displaced(shift[whole.atoms])
    displacement = found.edge_sets[names.NEIGHBORS][names.DISPLACEMENT]
    np.testing.assert_allclose(displacement, expected.graph.displacement, atol=2e-6)
    np.testing.assert_allclose(found.node_sets[names.ATOMS][names.POSITION], expected.graph.positions, atol=2e-6)
    assert np.abs(displacement - whole.graph.displacement).max() > 1e-4


def test_a_common_displacement_changes_nothing(attentive, neighborhoods):
    probe, batch = Probe(attentive), Batch(neighborhoods)
    n_atoms = sum(n.graph.n_atoms for n in neighborhoods)
    together = np.tile([0.3, -0.2, 0.1], (n_atoms, 1))
    np.testing.assert_allclose(probe.predict(batch, shift=together), probe.predict(batch), atol=1e-5)
    apart = np.random.default_rng(1).normal(0, 0.3, (n_atoms, 3))
    assert np.abs(probe.predict(batch, shift=apart) - probe.predict(batch)).max() > 1e-3


def test_the_atoms_that_matter_change_as_much_as_all_atoms_and_others_nothing(heavy, neighborhoods):
    truth = heavy_neighbors(neighborhoods)
    rankings = {
        "true": truth,
        "false": [np.where(np.isfinite(x), -x, x) for x in truth],
        "random": random_atoms(neighborhoods, 0),
    }
    found = {
        name: displacement_changes(heavy, neighborhoods, ranking, spread=SPREAD, seed=1).change
        for name, ranking in rankings.items()
    }
    share = max(np.mean(x > 0) for x in truth)
    enough = [k for k, fraction in enumerate(ATOM_FRACTIONS) if fraction > share]
    assert enough and len(enough) < len(ATOM_FRACTIONS)
    np.testing.assert_allclose(found["true"][enough], found["true"][-1], rtol=1e-5)
    np.testing.assert_allclose(found["false"][: ATOM_FRACTIONS.index(0.5)], 0, atol=1e-6)
    np.testing.assert_allclose(found["random"][-1], found["true"][-1], rtol=1e-5)
    assert (found["true"][:-1] > found["random"][:-1]).all()


def test_the_change_is_the_expected_one_by_hand(heavy, neighborhoods):
    """An atom at distance d that moves by u changes d^2 by 2 d.u + u^2: of variance 4 d^2 s^2 + 6 s^4, mean 3 s^2."""
    expected = []
    for n in neighborhoods:
        near = (n.graph.target == n.center_index) & (n.graph.atomic_numbers[n.graph.source] == HEAVY) & n.explained
        squared = (n.graph.displacement[near] ** 2).sum(axis=1)
        expected.append((4 * squared * SIZE**2 + 6 * SIZE**4).sum() + (3 * SIZE**2 * len(squared)) ** 2)
    several = [
        displacement_changes(heavy, neighborhoods, nearest_atoms(neighborhoods), spread=1.0, seed=seed).change[-1]
        for seed in range(40)
    ]
    measured = np.sqrt(np.mean(np.square(several)))  # of 480 displacements
    assert measured == pytest.approx(np.sqrt(np.mean(expected)) / 100, rel=0.1)


def test_importances_of_atoms_are_sums_over_their_pairs(neighborhoods):
    n = neighborhoods[0]
    importance = np.random.default_rng(0).random(n.n_pairs)
    found = atom_importance(n, importance)
    assert found[n.center_index] == -np.inf
    for atom in np.setdiff1d(np.arange(5), [n.center_index]):
        at_atom = importance * n.explained
        expected = at_atom[n.graph.source == atom].sum() + at_atom[n.graph.target == atom].sum()
        assert found[atom] == pytest.approx(expected)
    assert np.argmax(nearest_atoms([n])[0]) == np.argsort(np.linalg.norm(n.relative_positions, axis=1))[1]


def test_an_isolated_atom_has_a_flat_curve(heavy):
    lonely = cut_all(build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=True), [0], CUTOFF)
    assert not displacement_changes(heavy, lonely, nearest_atoms(lonely), spread=0.0, seed=0).change.any()
