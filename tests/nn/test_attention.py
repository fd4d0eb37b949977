"""Attention message passing: an independent implementation, a cycle by hand, finite differences, pair weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.graph import build_graph, to_graph_tensor, with_pair_weights
from tf_symgnn.nn.attention import EdgeAttention
from tf_symgnn.nn.message_passing import MessagePassing

REFERENCE = Path(__file__).parents[1] / "egat_dgl_reference.npz"


def topology(source, target, n_atoms) -> tfgnn.GraphTensor:
    """Return a graph without features."""
    adjacency = tfgnn.Adjacency.from_indices(
        (names.ATOMS, tf.constant(source, tf.int32)), (names.ATOMS, tf.constant(target, tf.int32))
    )
    return tfgnn.GraphTensor.from_pieces(
        node_sets={names.ATOMS: tfgnn.NodeSet.from_fields(sizes=[n_atoms])},
        edge_sets={names.NEIGHBORS: tfgnn.EdgeSet.from_fields(sizes=[len(source)], adjacency=adjacency)},
    )


def attention_with(weights: dict[str, np.ndarray], *, heads: int, nodes, edges, graph) -> EdgeAttention:
    layer = EdgeAttention(
        heads=heads,
        node_units=np.shape(weights["message_kernel"])[1] // heads,
        edge_units=np.shape(weights["score"])[1],
        dtype=nodes.dtype,
    )
    layer((nodes, edges), graph=graph)
    for name, value in weights.items():
        getattr(layer, name).assign(value)
    return layer


def test_matches_an_independent_implementation():
    reference = np.load(REFERENCE)
    heads, edge_units = reference["w.attn"].shape[-2:]
    weights = {
        "source_kernel": reference["w.fc_ni.weight"].T,
        "target_kernel": reference["w.fc_nj.weight"].T,
        "edge_kernel": reference["w.fc_fij.weight"].T,
        "message_kernel": reference["w.fc_node_src.weight"].T,
        "bias": reference["w.bias"].reshape(-1),
        "score": reference["w.attn"].reshape(heads, edge_units),
    }
    nodes, edges = tf.constant(reference["node_in"]), tf.constant(reference["edge_in"])
    graph = topology(reference["source"], reference["target"], len(reference["node_in"]))
    layer = attention_with(weights, heads=heads, nodes=nodes, edges=edges, graph=graph)
    new_nodes, new_edges, attention = layer((nodes, edges), graph=graph)
    for result, key in ((new_nodes, "node_out"), (new_edges, "edge_out"), (attention, "attention")):
        np.testing.assert_allclose(np.squeeze(result), np.squeeze(reference[key]), atol=1e-5, rtol=1e-5)


def test_three_node_cycle_by_hand():
    """0 -> 1 -> 2 -> 0 and 0 -> 2, one head of width 1, every kernel 1, v = 2, b = -1."""
    graph = topology([0, 1, 2, 0], [1, 2, 0, 2], 3)
    nodes, edges = tf.constant([[1.0], [2.0], [-3.0]]), tf.constant([[0.5], [0.0], [1.0], [0.25]])
    ones = {name: [[1.0]] for name in ("source_kernel", "target_kernel", "edge_kernel", "message_kernel")}
    weights = ones | {"bias": [-1.0], "score": [[2.0]]}
    layer = attention_with(weights, heads=1, nodes=nodes, edges=edges, graph=graph)
    new_nodes, new_edges, attention = layer((nodes, edges), graph=graph)
    # 1 + 2 + 0.5 - 1; leaky(2 - 3 + 0 - 1); leaky(-3 + 1 + 1 - 1); leaky(1 - 3 + 0.25 - 1)
    hidden = [2.5, -0.02, -0.02, -0.0275]
    into_2 = np.exp([2 * -0.02, 2 * -0.0275])
    softmax = into_2 / into_2.sum()
    np.testing.assert_allclose(tf.reshape(new_edges, [-1]), hidden, rtol=1e-6)
    np.testing.assert_allclose(tf.reshape(attention, [-1]), [1.0, softmax[0], 1.0, softmax[1]], rtol=1e-6)
    np.testing.assert_allclose(tf.reshape(new_nodes, [-1]), [-3.0, 1.0, 2.0 * softmax[0] + 1.0 * softmax[1]], rtol=1e-6)


@pytest.fixture(scope="module")
def small():
    """Return a small graph with random states in float64."""
    graph = build_graph(random_glass(0, 12), cutoff=4.0, self_loops=True)
    rng = np.random.default_rng(1)
    states = (rng.normal(size=(graph.n_atoms, 5)), rng.normal(size=(graph.n_pairs, 3)))
    return to_graph_tensor(graph), *(tf.constant(state) for state in states)


def test_gradients_are_finite_differences(small):
    graph, nodes, edges = small
    layer = EdgeAttention(heads=2, node_units=4, edge_units=3, dtype=tf.float64)
    layer((nodes, edges), graph=graph)
    shapes = [output.shape for output in layer((nodes, edges), graph=graph)]
    mix = [tf.random.stateless_normal(shape, (k, 3), dtype=tf.float64) for k, shape in enumerate(shapes)]

    def value():
        outputs = layer((tf.identity(node_state), tf.identity(edge_state)), graph=graph)
        return tf.add_n([tf.reduce_sum(weight * output) for weight, output in zip(mix, outputs, strict=True)])

    node_state, edge_state = tf.Variable(nodes), tf.Variable(edges)
    variables = [node_state, edge_state, *layer.trainable_variables]
    with tf.GradientTape() as tape:
        total = value()
    for k, (variable, gradient) in enumerate(zip(variables, tape.gradient(total, variables), strict=True)):
        direction = tf.random.stateless_normal(variable.shape, (k, 7), dtype=tf.float64)
        step = 1e-6 * direction
        variable.assign_add(step)
        upper = value()
        variable.assign_sub(2 * step)
        lower = value()
        variable.assign_add(step)
        expected = float(tf.reduce_sum(tf.convert_to_tensor(gradient) * direction))
        np.testing.assert_allclose(float(upper - lower) / 2e-6, expected, rtol=1e-5, atol=1e-7)


def select_pairs(graph, kept):
    """Return a graph with some of the pairs of another."""
    return replace(graph, source=graph.source[kept], target=graph.target[kept], displacement=graph.displacement[kept])


@pytest.mark.parametrize("merge", ["concat", "mean"])
def test_a_pair_of_weight_zero_has_no_effect(merge):
    graph = build_graph(random_glass(2, 15), cutoff=4.0, self_loops=True)
    rng = np.random.default_rng(0)
    kept = rng.random(graph.n_pairs) < 0.6
    kept[graph.target == 3] = False  # one atom keeps no pair
    nodes = tf.constant(rng.normal(size=(graph.n_atoms, 8)))
    edges = tf.constant(rng.normal(size=(graph.n_pairs, 8)))
    layer = MessagePassing(heads=2, units=8, merge=merge, dtype=tf.float64)
    real = (tf.ones(graph.n_atoms, tf.float64), tf.ones(graph.n_pairs, tf.float64))
    weighted = with_pair_weights(to_graph_tensor(graph), tf.constant(kept, tf.float32))
    new_nodes, new_edges = layer((nodes, edges), graph=weighted, masks=real)
    without = to_graph_tensor(select_pairs(graph, kept))
    expected, expected_edges = layer((nodes, edges[kept]), graph=without, masks=(real[0], real[1][kept]))
    np.testing.assert_allclose(new_nodes, expected, atol=1e-12)
    np.testing.assert_allclose(new_edges[kept], expected_edges, atol=1e-12)


@pytest.mark.parametrize("dtype, rtol", [("float32", 1e-6), ("float16", 2e-3)])
def test_a_high_score_of_a_pair_of_weight_zero_does_not_underflow_the_others(dtype, rtol):
    graph = topology([0, 1, 2], [2, 2, 2], 3)
    nodes, edges = tf.zeros([3, 1], dtype), tf.constant([[1.0], [2.0], [300.0]], dtype)
    ones = {name: [[1.0]] for name in ("source_kernel", "target_kernel", "edge_kernel", "message_kernel")}
    layer = attention_with(ones | {"score": [[1.0]]}, heads=1, nodes=nodes, edges=edges, graph=graph)
    _, _, attention = layer((nodes, edges), graph=with_pair_weights(graph, tf.constant([1.0, 1.0, 0.0])))
    expected = np.array([np.exp(1.0), np.exp(2.0), 0.0]) / (np.exp(1.0) + np.exp(2.0))
    np.testing.assert_allclose(attention[:, 0], expected, rtol=rtol)


def test_weights_of_one_have_no_effect(small):
    graph, nodes, edges = small
    layer = EdgeAttention(heads=2, node_units=4, edge_units=3, dtype=tf.float64)
    plain = layer((nodes, edges), graph=graph)
    weighted = layer((nodes, edges), graph=with_pair_weights(graph, tf.ones(edges.shape[0])))
    for one, other in zip(plain, weighted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)


def test_attention_over_incoming_pairs_sums_to_one(small):
    graph, nodes, edges = small
    layer = EdgeAttention(heads=3, node_units=4, edge_units=5, dtype=tf.float64)
    _, _, attention = layer((nodes, edges), graph=graph)
    target = graph.edge_sets[names.NEIGHBORS].adjacency.target
    np.testing.assert_allclose(tf.math.segment_sum(attention, target), 1.0, rtol=1e-12)


def test_an_atom_without_incoming_pairs_gets_zeros():
    graph = topology([0, 0], [1, 1], 3)
    layer = EdgeAttention(heads=2, node_units=4, edge_units=4)
    new_nodes, _, _ = layer((tf.ones([3, 4]), tf.ones([2, 4])), graph=graph)
    np.testing.assert_array_equal(new_nodes.numpy()[[0, 2]], 0.0)
    assert np.abs(new_nodes.numpy()[1]).sum() > 0


@pytest.mark.parametrize(
    "layer", [EdgeAttention(heads=3, node_units=4, edge_units=2), MessagePassing(heads=2, units=8, merge="mean")]
)
def test_layers_are_restored_from_their_config(layer):
    restored = type(layer).from_config(layer.get_config())
    assert restored.get_config() == layer.get_config()


def test_an_unknown_merge_is_refused():
    with pytest.raises(ValueError, match="merge: found max, expected concat or mean"):
        MessagePassing(heads=1, units=2, merge="max")
