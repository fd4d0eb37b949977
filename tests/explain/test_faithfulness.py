"""Fidelity curves: their ends, the better ranking wins, and agreement."""

import numpy as np
import pytest

from tests.conftest import ZOO
from tests.explain.conftest import CUTOFF
from tests.explain.known import true_pairs
from tf_symgnn.explain.faithfulness import SHARES, agreement, at_random, fidelity, nearest, top
from tf_symgnn.explain.neighbourhoods import cut_all
from tf_symgnn.explain.probe import Batch
from tf_symgnn.graph import build_graph

SPREAD = 0.2


@pytest.fixture(scope="module")
def neighbourhoods(graph):
    return cut_all(graph, [0, 7, 30, 101], CUTOFF)


def truth(neighbourhoods):
    return [true_pairs(n.graph, n.centre).astype(float) for n in neighbourhoods]


def test_nothing_removed_changes_nothing_and_everything_leaves_an_isolated_atom(known, neighbourhoods):
    for ranking in (nearest(neighbourhoods), at_random(neighbourhoods, 0)):
        curve = fidelity(known, neighbourhoods, ranking, spread=SPREAD)
        # An atom without Zr neighbours has a barrier of 1 by the model's equation.
        isolated = np.abs(known.predict(Batch(neighbourhoods)) - 1.0).mean() / SPREAD
        assert SHARES[0] == 0 and SHARES[-1] == 1
        assert curve.removed[0] == curve.kept[-1] == 0
        assert curve.removed[-1] == pytest.approx(isolated, rel=1e-5)
        assert curve.kept[0] == pytest.approx(isolated, rel=1e-5)


def test_the_pairs_that_count_beat_random_ones_on_both_curves(known, neighbourhoods):
    right = fidelity(known, neighbourhoods, truth(neighbourhoods), spread=SPREAD)
    random = fidelity(known, neighbourhoods, at_random(neighbourhoods, 0), spread=SPREAD)
    assert (right.removed >= random.removed - 1e-6).all() and (right.kept <= random.kept + 1e-6).all()
    middle = SHARES.index(0.2)  # more than there are pairs that count
    assert right.removed[middle] == pytest.approx(right.removed[-1]) and right.kept[middle] == pytest.approx(0)
    assert random.kept[middle] > 0.3 * random.kept[0]


def test_an_isolated_atom_has_flat_curves(known):
    lonely = cut_all(build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=True), [0], CUTOFF)
    curve = fidelity(known, lonely, nearest(lonely), spread=0.0)
    assert not curve.removed.any() and not curve.kept.any()
    assert not len(top(lonely[0], nearest(lonely)[0], 10))
    assert agreement(lonely, [nearest(lonely)] * 2) == {"overlap": None, "by_chance": None, "spearman": None}


def test_the_nearest_pairs_are_those_with_the_nearest_middle(neighbourhoods):
    for neighbourhood, importance in zip(neighbourhoods, nearest(neighbourhoods), strict=True):
        graph, first = neighbourhood.graph, top(neighbourhood, importance, 1)[0]
        assert neighbourhood.centre in (graph.target[first], graph.source[first])
        length = np.linalg.norm(graph.displacement, axis=1)
        assert length[first] == pytest.approx(
            length[neighbourhood.explained & (graph.target == neighbourhood.centre)].min()
        )
        receiver, sender = neighbourhood.ends
        np.testing.assert_allclose(importance, -np.linalg.norm(receiver + sender, axis=1) / 2)


def test_agreement_of_random_rankings_is_that_of_chance(neighbourhoods):
    found = agreement(neighbourhoods, [at_random(neighbourhoods, seed) for seed in range(6)])
    assert found["overlap"] == pytest.approx(found["by_chance"], abs=0.05)
    assert abs(found["spearman"]) < 0.05
