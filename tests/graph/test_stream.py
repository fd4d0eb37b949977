"""The tf.data stream: arrays, order and batches."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.graph import ReplicaSlice, SubsetStream, build_graph


@pytest.fixture(scope="module")
def graphs():
    sizes = (40, 55, 30, 47, 62)
    glasses = [random_glass(k, n, name=f"glass{k}") for k, n in enumerate(sizes)]
    return [build_graph(glass, cutoff=4.0, self_loops=True) for glass in glasses]


def edges_of(graph):
    adjacency = graph.edge_sets[names.NEIGHBORS].adjacency
    return adjacency.source.numpy(), adjacency.target.numpy()


def test_stream_of_whole_glasses_yields_their_arrays(graphs):
    batches = list(SubsetStream(graphs).in_order())
    assert len(batches) == len(graphs)
    for (tensor, label, weight), graph in zip(batches, graphs, strict=True):
        np.testing.assert_array_equal(tensor.node_sets[names.ATOMS][names.SPECIES], graph.atomic_numbers)
        np.testing.assert_array_equal(tensor.edge_sets[names.NEIGHBORS][names.DISPLACEMENT], graph.displacement)
        np.testing.assert_array_equal(edges_of(tensor), (graph.source, graph.target))
        np.testing.assert_array_equal(tensor.context[names.CELL][0], graph.cell)
        np.testing.assert_array_equal(label, graph.barrier)
        np.testing.assert_array_equal(weight, 1.0)


def test_the_input_graph_has_no_labels(graphs):
    tensor, _, _ = next(iter(SubsetStream(graphs).in_order()))
    assert set(tensor.node_sets[names.ATOMS].features) == {names.SPECIES, names.POSITION}


def test_a_batch_has_one_component_per_glass(graphs):
    batches = list(SubsetStream(graphs, batch_size=2).in_order())
    assert [len(label) for _, label, _ in batches] == [95, 77, 62]
    tensor, label, _ = batches[0]
    source, target = edges_of(tensor)
    np.testing.assert_array_equal(source, np.r_[graphs[0].source, graphs[1].source + 40])
    np.testing.assert_array_equal(target, np.r_[graphs[0].target, graphs[1].target + 40])
    np.testing.assert_array_equal(tensor.node_sets[names.ATOMS].sizes, [40, 55])
    np.testing.assert_array_equal(label, np.r_[graphs[0].barrier, graphs[1].barrier])


def test_few_batches_of_a_long_pass_are_evenly_spaced(graphs):
    stream = SubsetStream(graphs, batch_size=2)
    assert [len(label) for _, label, _ in stream.in_order(most=2)] == [95, 62]
    assert [len(label) for _, label, _ in stream.in_order(most=1)] == [95]
    assert [len(label) for _, label, _ in stream.in_order(most=9)] == [95, 77, 62]
    shares = [stream.in_order(ReplicaSlice(k, 1, 2), most=2) for k in range(2)]
    assert [[len(label) for _, label, _ in share] for share in shares] == [[40, 62], [55, 1]]  # one atom of padding


def labels_by_batch(stream, seed, first, last):
    """Return the labels of each batch, epoch after epoch."""
    return [label.numpy().tolist() for _, label, _ in stream.shuffled(seed=seed, first_epoch=first, epochs=last)]


def test_order_depends_on_seed_and_epoch_only(graphs):
    stream = SubsetStream(graphs)
    whole = labels_by_batch(stream, 5, 0, 4)
    assert labels_by_batch(stream, 5, 2, 4) == whole[2 * len(graphs) :]
    assert labels_by_batch(stream, 6, 0, 4) != whole
    orders = {tuple(map(len, whole[k : k + 5])) for k in range(0, 20, 5)}
    assert len(orders) > 1
    assert all(sorted(order) == [30, 40, 47, 55, 62] for order in orders)


def test_names_of_a_step_are_those_of_its_batch(graphs):
    stream = SubsetStream(graphs, batch_size=2)
    by_size = {graph.n_atoms: graph.name for graph in graphs}
    batches = list(stream.shuffled(seed=3, first_epoch=1, epochs=2))
    for step, (tensor, _, _) in enumerate(batches):
        sizes = tensor.node_sets[names.ATOMS].sizes.numpy()
        assert stream.names_at(seed=3, epoch=1, step=step) == [by_size[n] for n in sizes]


@pytest.mark.parametrize("patch_size", [None, 5.0])
def test_each_label_has_its_own_weight(graphs, patch_size):
    weights = [1 + np.arange(graph.n_atoms, dtype=np.float32) for graph in graphs]
    stream = SubsetStream(graphs, batch_size=2, patch_size=patch_size, halo=3.0, weights=weights)
    found = {float(label): float(w) for _, *pair in stream.in_order() for label, w in zip(*pair, strict=True) if w}
    given = zip((graph.barrier for graph in graphs), weights, strict=True)
    assert found == {float(label): float(w) for pair in given for label, w in zip(*pair, strict=True)}


def test_patches_carry_each_label_once(graphs):
    stream = SubsetStream(graphs, batch_size=3, patch_size=5.0, halo=3.0)
    assert stream.n_subsets > len(graphs)
    labels, weights = zip(*((label, weight) for _, label, weight in stream.in_order()), strict=True)
    carried = tf.concat(labels, 0)[tf.concat(weights, 0) > 0]
    np.testing.assert_allclose(np.sort(carried), np.sort(np.concatenate([graph.barrier for graph in graphs])))
    assert len(labels) == stream.steps_per_epoch
