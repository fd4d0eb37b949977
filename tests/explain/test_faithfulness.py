"""Fidelity curves: their end points, the order of good and random rankings, and agreement of importances."""

import numpy as np
import pytest

from tests.conftest import ZOO
from tests.explain.conftest import CUTOFF
from tests.explain.known import true_pairs
from tf_symgnn.explain.faithfulness import (
    FRACTIONS,
    agreement,
    fidelity,
    most_important,
    nearness_ranking,
    random_ranking,
)
from tf_symgnn.explain.neighborhoods import cut_all
from tf_symgnn.explain.probe import Batch
from tf_symgnn.graph import build_graph

SPREAD = 0.2


@pytest.fixture(scope="module")
def neighborhoods(graph):
    return cut_all(graph, [0, 7, 30, 101], CUTOFF)


def truth(neighborhoods):
    return [true_pairs(n.graph, n.center_index).astype(float) for n in neighborhoods]


def test_the_end_points_of_the_curves_are_the_whole_neighborhood_and_an_isolated_atom(known, neighborhoods):
    for ranking in (nearness_ranking(neighborhoods), random_ranking(neighborhoods, 0)):
        curve = fidelity(known, neighborhoods, ranking, spread=SPREAD)
        # The model predicts 1 for an atom without Zr neighbors.
        isolated = np.abs(known.predict(Batch(neighborhoods)) - 1.0).mean() / SPREAD
        assert FRACTIONS[0] == 0 and FRACTIONS[-1] == 1
        assert curve.removed[0] == curve.kept[-1] == 0
        assert curve.removed[-1] == pytest.approx(isolated, rel=1e-5)
        assert curve.kept[0] == pytest.approx(isolated, rel=1e-5)


def test_the_true_pairs_have_better_curves_than_random_ones(known, neighborhoods):
    true = fidelity(known, neighborhoods, truth(neighborhoods), spread=SPREAD)
    random = fidelity(known, neighborhoods, random_ranking(neighborhoods, 0), spread=SPREAD)
    assert (true.removed >= random.removed - 1e-6).all() and (true.kept <= random.kept + 1e-6).all()
    middle = FRACTIONS.index(0.2)  # more than the fraction of true pairs
    assert true.removed[middle] == pytest.approx(true.removed[-1]) and true.kept[middle] == pytest.approx(0)
    assert random.kept[middle] > 0.3 * random.kept[0]


def test_an_isolated_atom_has_flat_curves(known):
    lonely = cut_all(build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=True), [0], CUTOFF)
    curve = fidelity(known, lonely, nearness_ranking(lonely), spread=0.0)
    assert not curve.removed.any() and not curve.kept.any()
    assert not len(most_important(lonely[0], nearness_ranking(lonely)[0], 10))
    assert agreement(lonely, [nearness_ranking(lonely)] * 2) == {"overlap": None, "by_chance": None, "spearman": None}


def test_the_nearest_pairs_have_the_nearest_midpoints(neighborhoods):
    for neighborhood, importance in zip(neighborhoods, nearness_ranking(neighborhoods), strict=True):
        graph, first = neighborhood.graph, most_important(neighborhood, importance, 1)[0]
        assert neighborhood.center_index in (graph.target[first], graph.source[first])
        length = np.linalg.norm(graph.displacement, axis=1)
        assert length[first] == pytest.approx(
            length[neighborhood.explained & (graph.target == neighborhood.center_index)].min()
        )
        receiver, sender = neighborhood.ends
        np.testing.assert_allclose(importance, -np.linalg.norm(receiver + sender, axis=1) / 2)


def test_random_rankings_agree_by_chance(neighborhoods):
    measured = agreement(neighborhoods, [random_ranking(neighborhoods, seed) for seed in range(6)])
    assert measured["overlap"] == pytest.approx(measured["by_chance"], abs=0.05)
    assert abs(measured["spearman"]) < 0.05
