"""The kernel `chunked` compared to `reference`: values and gradients on several kinds of graphs."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, ZOO, random_glass
from tests.small_runs import padded
from tf_symgnn import names
from tf_symgnn.graph import PatchedGlass, SubsetStream, build_graph, to_graph_tensor, with_pair_weights
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.chunked import partition, uses_chunks
from tf_symgnn.nn.chunked.partition import partition_at_atoms
from tf_symgnn.nn.message_passing import MessagePassing
from tf_symgnn.nn.normalization import Moments
from tf_symgnn.nn.symmetrization import Symmetrization

CUTOFF = 4.0


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Make chunks much smaller than the graphs below, and segments shorter than the lists of incoming pairs."""
    monkeypatch.setattr(partition, "MAX_CHUNK_PAIRS", 100)
    monkeypatch.setattr(partition, "SEGMENT_LENGTH", 5)


def graph_of(glass, self_loops=True):
    return build_graph(glass, cutoff=CUTOFF, self_loops=self_loops)


def patch():
    return PatchedGlass(graph_of(random_glass(0, 300)), size=6.0, halo=5.0).extract(0)[0]


def several():
    graphs = [graph_of(random_glass(k, n)) for k, n in enumerate((30, 45, 38))]
    return next(iter(SubsetStream(graphs, batch_size=2).in_order()))[0]


def isolated():
    """Return a graph whose first, last and some other atoms have no incoming pairs."""
    graph = graph_of(random_glass(0, 60), self_loops=False)
    kept = ~np.isin(graph.target, (0, 1, 17, 58, 59))
    return replace(graph, source=graph.source[kept], target=graph.target[kept], displacement=graph.displacement[kept])


def weighted():
    graph = to_graph_tensor(graph_of(random_glass(2, 60)))
    weight = np.random.default_rng(0).random(graph.edge_sets[names.NEIGHBORS].total_size)
    return with_pair_weights(graph, tf.constant(np.where(weight < 0.3, 0, weight), tf.float32))


GRAPHS = {
    "whole": lambda: to_graph_tensor(graph_of(random_glass(0, 60))),
    "several": several,
    "padded": lambda: padded(several()),
    "patch": lambda: to_graph_tensor(patch()),
    "weighted": weighted,
    "atoms without incoming pairs": lambda: to_graph_tensor(isolated()),
    "no pair": lambda: to_graph_tensor(graph_of(ZOO["isolated atom"](), self_loops=False)),
}


def model_pair() -> tuple[SymGNN, SymGNN]:
    """Return a model for each kernel, in float64, with the same perturbed weights."""
    sizes = {"species": SPECIES, "width": 8, "heads": (4, 2, 1), "decoder_layers": 1, "transforms": 2}
    fast, reference = (
        SymGNN(**sizes, distribution="angular_gaussian", kernel=kernel, dtype="float64")
        for kernel in ("chunked", "reference")
    )
    for model in (fast, reference):
        model(GRAPHS["whole"]())
    for k, variable in enumerate(fast.trainable_variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, (k, 0), dtype=tf.float64))
    reference.set_weights(fast.get_weights())
    return fast, reference


def evaluate(model, graph, training: bool) -> list[tf.Tensor]:
    """Return predictions, gradients with respect to pair features and weights, and moving averages."""
    pairs = {name: tf.cast(x, model.compute_dtype) for name, x in graph.edge_sets[names.NEIGHBORS].features.items()}
    with tf.GradientTape() as tape:
        tape.watch(pairs)
        predicted = model(graph.replace_features(edge_sets={names.NEIGHBORS: pairs}), training=training)
        mix = tf.cast(tf.random.stateless_normal(tf.shape(predicted), (0, 1)), predicted.dtype)
        total = tf.reduce_sum(mix * predicted)
    weights = model.trainable_variables
    pair_gradients, weight_gradients = tape.gradient(
        total, (pairs, weights), unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return [
        predicted,
        *pair_gradients.values(),
        _concatenated(weight_gradients),
        _concatenated(model.non_trainable_variables),
    ]


def _concatenated(tensors) -> tf.Tensor:
    """Return one vector, since some gradients alone are rounding errors, as that of a bias before batch norm."""
    return tf.concat([tf.reshape(tf.cast(tf.convert_to_tensor(x), tf.float64), [-1]) for x in tensors], axis=0)


def assert_close(actual: list[tf.Tensor], expected: list[tf.Tensor], tolerance: float):
    for one, other in zip(actual, expected, strict=True):
        error = np.linalg.norm(tf.cast(one, tf.float64) - other)
        assert error <= tolerance * np.linalg.norm(other) + 1e-12


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", list(GRAPHS))
def test_kernels_give_the_same_model_up_to_rounding(kind, training):
    fast, reference = model_pair()
    graph = GRAPHS[kind]()
    assert_close(evaluate(fast, graph, training), evaluate(reference, graph, training), 1e-10)


LAYERS = {
    "concatenated heads": lambda: (MessagePassing, {"heads": 4, "units": 8}),
    "mean of heads": lambda: (MessagePassing, {"heads": 2, "units": 8, "merge": "mean"}),
    "no edge update": lambda: (MessagePassing, {"heads": 2, "units": 8, "update_edges": False}),
    "symmetrization": lambda: (Symmetrization, {"units": (8, 8), "transforms": 4}),
    "symmetrization of default width": lambda: (Symmetrization, {"units": (32, 32)}),
    "symmetrization of two widths": lambda: (Symmetrization, {"units": (6, 8), "transforms": 4}),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", list(LAYERS))
def test_chunked_float32_layers_match_the_float64_reference_to_1e_5(name, training):
    layer_class, config = LAYERS[name]()
    graph = weighted()
    rng = np.random.default_rng(3)
    n_atoms, n_edges = graph.node_sets[names.ATOMS].total_size, graph.edge_sets[names.NEIGHBORS].total_size
    masks = [(rng.random(n) < 0.9).astype(float) for n in (n_atoms, n_edges)]
    shapes = [(n_atoms, 8), (n_edges, 8)] if layer_class is MessagePassing else [(n_edges, 3)]
    states = [rng.normal(size=shape) for shape in shapes]

    def apply(layer, dtype) -> list[tf.Tensor]:
        inputs = [tf.constant(x, dtype) for x in states]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            if layer_class is MessagePassing:
                cast = tuple(tf.constant(x, dtype) for x in masks)
                outputs = layer(tuple(inputs), graph=graph, masks=cast, training=training)
            else:
                outputs = [layer(inputs[0], mask=tf.constant(masks[1], dtype), training=training)]
            mix = [tf.random.stateless_normal(x.shape, (k, 1)) for k, x in enumerate(outputs)]
            total = tf.add_n([tf.reduce_sum(tf.cast(m, dtype) * x) for m, x in zip(mix, outputs, strict=True)])
        input_gradients, weight_gradients = tape.gradient(total, (inputs, layer.trainable_variables))
        input_gradients = [x for x in input_gradients if x is not None]
        weights = _concatenated(weight_gradients), _concatenated(layer.non_trainable_variables)
        return [*outputs, *input_gradients, *weights]

    reference = layer_class(**config, kernel="reference", dtype="float64")
    fast = layer_class(**config, kernel="chunked", dtype="float32")
    apply(reference, tf.float64), apply(fast, tf.float32)  # creates the weights
    reference.set_weights(fast.get_weights())
    assert_close(apply(fast, tf.float32), apply(reference, tf.float64), 1e-5)


def test_variables_have_the_same_names_and_order_with_each_kernel():
    fast, reference = model_pair()
    of_fast, of_reference = ([v.name.split("/", 1)[1] for v in model.variables] for model in (fast, reference))
    assert of_fast == of_reference


def test_one_trace_serves_all_sizes():
    model, _ = model_pair()
    traces = []

    stream = SubsetStream([graph_of(random_glass(k, n)) for k, n in enumerate((30, 45, 38))]).in_order()

    @tf.function(input_signature=[stream.element_spec[0]])
    def step(graph):
        traces.append(graph)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(graph, training=True))
        return tape.gradient(loss, model.trainable_variables)

    for graph, _, _ in stream:
        step(graph)
    assert len(traces) == 1


def test_a_tape_outside_a_compiled_function_records_gradients():
    model, _ = model_pair()
    graph = weighted()
    expected = evaluate(model, graph, False)
    compiled = tf.function(lambda graph: model(graph, training=False))
    weight = graph.edge_sets[names.NEIGHBORS][names.PAIR_WEIGHT]
    with tf.GradientTape() as tape:
        tape.watch(weight)
        predicted = compiled(with_pair_weights(graph, weight))
    np.testing.assert_allclose(predicted, expected[0], atol=1e-5)
    assert np.isfinite(tape.gradient(predicted, weight)).all()


def relative_error(actual, expected):
    """Return the norm of the error over the norm of the expected values."""
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(("policy", "rounding"), [("mixed_bfloat16", 0.3), ("mixed_float16", 0.1)])
def test_half_precision_is_single_precision_up_to_rounding(policy, rounding):
    tf.keras.utils.set_random_seed(0)
    sizes = {"width": 8, "heads": (2, 1), "decoder_layers": 1, "transforms": 2, "distribution": "uniform"}
    graph = GRAPHS["padded"]()
    exact = SymGNN(species=SPECIES, **sizes)
    half = SymGNN(species=SPECIES, **sizes, dtype=policy)
    expected = exact(graph, training=True)
    half(graph)
    half.set_weights(exact.get_weights())
    with tf.GradientTape() as tape:
        predicted = half(graph, training=True)
    assert predicted.dtype == tf.float32
    assert relative_error(predicted, expected) < rounding
    for gradient in tape.gradient(predicted, half.trainable_variables):
        assert gradient.dtype == tf.float32
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_half_precision_moments_of_more_rows_than_its_largest_count():
    rows = tf.cast(tf.random.stateless_normal((100_000, 2), (0, 0)) + 3, tf.float16)
    moments = Moments.of_rows(rows, tf.ones(len(rows), tf.float16))
    assert float(moments.count[0]) == len(rows)
    np.testing.assert_allclose(moments.mean, rows.numpy().astype(np.float64).mean(axis=0), rtol=1e-5)


def test_half_precision_sums_gradients_of_more_rows_than_its_largest_count(monkeypatch):
    monkeypatch.setattr(partition, "MAX_CHUNK_PAIRS", 8192)  # in one chunk
    displacement = tf.random.stateless_normal((6000, 3), (0, 2)) * 2
    gradients = []
    for policy in ("float32", "mixed_float16"):
        tf.keras.utils.set_random_seed(0)
        layer = Symmetrization(units=(8, 8), distribution="uniform", kernel="chunked", dtype=policy)
        inputs = tf.cast(displacement, layer.compute_dtype)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.cast(layer(inputs, training=True), tf.float32))
        gradients.append(tape.gradient(total, layer._encoder.linear_and_norm[1][1].gamma))
    assert relative_error(gradients[1], gradients[0]) < 0.02


def test_chunks_have_whole_atoms_and_each_pair_once():
    target = tf.constant([0] * 3 + [2] * 250 + [3, 4, 4, 7], tf.int32)
    chunks = partition_at_atoms(tf.zeros_like(target), target, 10, width=partition.MAX_CHUNK_ELEMENTS // 50)
    assert int(chunks.number) == 6  # 257 pairs, 50 per chunk
    edges, atoms = chunks.edges.numpy(), chunks.atoms.numpy()
    np.testing.assert_array_equal(edges[[0, -1]], [0, len(target)])
    np.testing.assert_array_equal(atoms[[0, -1]], [0, 10])
    assert (np.diff(edges) >= 0).all() and (np.diff(atoms) >= 0).all()
    for k in range(int(chunks.number)):
        receivers = target.numpy()[edges[k] : edges[k + 1]]
        assert ((receivers >= atoms[k]) & (receivers < atoms[k + 1])).all()


def test_unsorted_pairs_are_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="sorted by target"):
        partition_at_atoms(tf.constant([0, 1, 2]), tf.constant([0, 2, 1]), 3, width=1)


def test_auto_is_chunked_without_a_gpu(monkeypatch):
    assert uses_chunks("auto")
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"] if kind == "GPU" else [])
    assert not uses_chunks("auto") and uses_chunks("chunked") and not uses_chunks("reference")
    for layer in (
        lambda kernel: MessagePassing(heads=1, units=2, kernel=kernel),
        lambda kernel: Symmetrization(kernel=kernel),
    ):
        with pytest.raises(ValueError, match="kernel: found blocked, expected one of auto, reference, chunked"):
            layer("blocked")
