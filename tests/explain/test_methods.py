"""Masks, integrated gradients and attention: known pairs are found, and results are reproducible."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.conftest import ZOO
from tests.explain.conftest import CUTOFF
from tests.explain.known import true_pairs
from tf_symgnn.explain.attention import attention_rollout, layer_matrix
from tf_symgnn.explain.explain import shuffled_weights
from tf_symgnn.explain.faithfulness import agreement
from tf_symgnn.explain.gradients import integrated_gradients
from tf_symgnn.explain.masks import MaskSettings, edge_masks
from tf_symgnn.explain.neighborhoods import cut, cut_all
from tf_symgnn.explain.probe import Batch, Probe, choose_reach, in_batches
from tf_symgnn.explain.result_cache import ResultCache
from tf_symgnn.graph import build_graph, to_graph_tensor

CENTERS = [0, 7, 30, 101]
SHORT = MaskSettings(steps=12)


@pytest.fixture(scope="module")
def neighborhoods(graph):
    return cut_all(graph, CENTERS, CUTOFF)


@pytest.fixture(scope="module")
def probe(attentive):
    return Probe(attentive)


@pytest.fixture(scope="module")
def masks(probe, neighborhoods):
    return edge_masks(probe, neighborhoods, spread=0.1, seed=0, settings=SHORT)


def test_a_cut_at_the_receptive_field_minus_a_cutoff_is_exact_and_a_nearer_cut_is_not(probe, attentive, graph):
    whole = attentive(to_graph_tensor(graph)).numpy()[CENTERS]
    found = {reach: probe.predict(Batch(cut_all(graph, CENTERS, reach))) for reach in (CUTOFF, 0.0)}
    assert attentive.receptive_field == 2 * CUTOFF
    np.testing.assert_allclose(found[CUTOFF], whole, atol=2e-5)
    assert np.abs(found[0.0] - whole).max() > 1e-3
    assert cut(graph, 0, CUTOFF).n_pairs < graph.n_pairs


def test_the_reach_is_exact_if_no_smaller_one_is_accurate_enough(probe, attentive, graph):
    barrier = attentive(to_graph_tensor(graph)).numpy().astype(float)
    reach, change = choose_reach(probe, graph, CENTERS, barrier, CUTOFF)
    assert reach == CUTOFF and change < 1e-3


def test_slopes_are_finite_differences(known, neighborhoods):
    batch = Batch(neighborhoods)
    weight = np.random.default_rng(0).uniform(0.2, 0.8, batch.n_pairs)
    _, slope = known.slopes(batch, weight)
    for pair in np.argsort(-np.abs(slope))[:3]:
        moved = [known.predict(batch, weight + sign * 0.05 * np.eye(1, batch.n_pairs, pair)[0]) for sign in (1, -1)]
        assert (moved[0] - moved[1])[batch.owner[pair]] / 0.1 == pytest.approx(slope[pair], rel=1e-3)
        others = np.arange(len(neighborhoods)) != batch.owner[pair]
        np.testing.assert_allclose(moved[0][others], moved[1][others], atol=1e-6)


@pytest.fixture(scope="module")
def dependent(graph):
    """Neighborhoods of centers whose barriers depend on a few pairs."""
    candidates = cut_all(graph, range(40), CUTOFF)
    found = [n for n in candidates if 3 <= true_pairs(n.graph, n.center_index).sum() < 0.1 * n.n_pairs]
    assert len(found) > 5
    return found


@pytest.mark.parametrize("method", ["masks", "gradients"])
def test_the_pairs_that_a_prediction_depends_on_are_found(known, dependent, method):
    if method == "masks":
        found = edge_masks(known, dependent, spread=0.2, seed=0).importance
    else:
        found = [np.abs(part) for part in integrated_gradients(known, dependent).contribution]
    for neighborhood, importance in zip(dependent, found, strict=True):
        inside, truth = neighborhood.explained, true_pairs(neighborhood.graph, neighborhood.center_index)
        assert roc_auc_score(truth[inside], importance[inside]) > 0.95


def test_the_loss_of_masks_falls_and_settles(known, dependent):
    masks = edge_masks(known, dependent, spread=0.2, seed=0)
    loss = masks.loss.mean(axis=0)
    assert loss.shape == (MaskSettings().steps + 1,)
    assert loss[-1] < 0.5 * loss[0] and 0 <= masks.still_falling < 0.1
    assert (masks.kept[:, -1] < 0.3 * masks.kept[:, 0]).all()


def test_masks_depend_on_the_seed_only(probe, masks, neighborhoods):
    again = edge_masks(probe, neighborhoods, spread=0.1, seed=0, settings=SHORT)
    other = edge_masks(probe, neighborhoods, spread=0.1, seed=1, settings=SHORT)
    for one, same, different in zip(masks.importance, again.importance, other.importance, strict=True):
        np.testing.assert_array_equal(one, same)
        assert np.abs(one - different).max() > 1e-3


def test_the_mask_of_a_center_does_not_depend_on_other_centers(probe, masks, neighborhoods):
    alone = edge_masks(probe, neighborhoods[2:3], spread=0.1, seed=0, settings=SHORT)
    np.testing.assert_allclose(alone.importance[0], masks.importance[2], atol=2e-3)


def test_batches_have_all_neighborhoods_in_order(neighborhoods, monkeypatch):
    monkeypatch.setattr("tf_symgnn.explain.probe.PAIRS_AT_ONCE", 2 * neighborhoods[0].n_pairs)
    batches = in_batches(neighborhoods)
    assert len(batches) > 1
    assert [n.center for batch in batches for n in batch.neighborhoods] == CENTERS


def test_masks_change_with_shuffled_weights_and_the_weights_are_restored(probe, attentive, masks, neighborhoods):
    before = attentive.get_weights()
    with shuffled_weights(attentive, 0):
        shuffled = edge_masks(probe, neighborhoods, spread=0.1, seed=0, settings=SHORT)
    for one, other in zip(before, attentive.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    found = agreement(neighborhoods, [masks.importance, shuffled.importance])
    assert found["overlap"] < 0.8 and found["spearman"] < 0.8
    same = agreement(neighborhoods, [masks.importance, masks.importance])
    assert same["overlap"] == 1 and same["spearman"] == pytest.approx(1)


def test_finished_masks_are_not_learned_again(probe, masks, neighborhoods, tmp_path, monkeypatch):
    cache = ResultCache(tmp_path, "a model and a glass")
    first = edge_masks(probe, neighborhoods, spread=0.1, seed=0, settings=SHORT, cache=cache)
    monkeypatch.setattr(probe, "slopes", None)
    again = edge_masks(probe, neighborhoods, spread=0.1, seed=0, settings=SHORT, cache=cache)
    np.testing.assert_array_equal(first.loss, again.loss)
    for k, mask in enumerate(again.importance):
        np.testing.assert_array_equal(mask, first.importance[k])
    with pytest.raises(TypeError):
        edge_masks(probe, neighborhoods, spread=0.1, seed=1, settings=SHORT, cache=cache)


def test_integrated_gradients_sum_to_the_difference(probe, neighborhoods):
    found = integrated_gradients(probe, neighborhoods)
    assert np.abs(found.difference).min() > 1e-3
    assert found.incompleteness < 0.02 * np.abs(found.difference).max()
    for neighborhood, part in zip(neighborhoods, found.contribution, strict=True):
        assert not part[~neighborhood.explained].any()


def test_rows_of_the_attention_rollout_sum_to_one(attentive, graph):
    rollout = np.eye(graph.n_atoms)
    for layer in attentive.attention(to_graph_tensor(graph)):
        attention = layer.numpy().mean(axis=1).astype(float)
        np.testing.assert_allclose(np.bincount(graph.target, attention), 1.0, atol=1e-5)
        rollout = layer_matrix(graph, attention) @ rollout
    np.testing.assert_allclose(rollout.sum(axis=1), 1.0, atol=1e-5)
    assert (rollout >= 0).all() and np.count_nonzero(rollout[0] > 0) > 1


def test_the_layer_matrix_of_a_graph_without_pairs_is_the_identity(graph):
    lonely = replace(graph, source=graph.source[:0], target=graph.target[:0], displacement=graph.displacement[:0])
    np.testing.assert_array_equal(layer_matrix(lonely, np.zeros(0)).toarray(), np.eye(graph.n_atoms))


def test_the_attention_rollout_includes_pairs_of_both_layers(attentive, neighborhoods):
    """Half of the center's state flows through pairs of the last layer, and more through those of the first."""
    for flow, neighborhood in zip(attention_rollout(attentive, neighborhoods), neighborhoods, strict=True):
        assert (flow >= 0).all()
        assert 0.3 < flow.sum() <= 1.0
        assert flow[neighborhood.graph.target == neighborhood.center_index].sum() > 0.2


@pytest.mark.parametrize("self_loops", [True, False])
def test_an_isolated_atom_has_nothing_to_explain(probe, attentive, self_loops):
    lonely = cut_all(build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=self_loops), [0], CUTOFF)
    assert not edge_masks(probe, lonely, spread=0.0, seed=0, settings=SHORT).importance[0].any()
    found = integrated_gradients(probe, lonely)
    assert found.incompleteness < 1e-6 and not found.contribution[0].any()
    assert not attention_rollout(attentive, lonely)[0].any()
