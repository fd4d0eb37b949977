"""The signatures of an export: predictions of the model from raw coordinates, or an error that names the input."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry

from tests.conftest import SPECIES, ZOO, random_glass
from tests.server.test_server import with_sizes
from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, InputError, LabelScaling, read_glass
from tf_symgnn.export.signatures import ServedModel
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.graph.neighbors import find_pairs
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import configured_model, glass_graphs


def inputs(glass) -> dict[str, tf.Tensor]:
    return {
        "positions": tf.constant(glass.positions, tf.float32),
        "cell": tf.constant(glass.cell, tf.float32),
        "pbc": tf.constant(glass.pbc),
        "atomic_numbers": tf.constant(glass.atomic_numbers),
    }


def batch_of(glasses) -> dict[str, tf.Tensor]:
    each = [inputs(glass) for glass in glasses]
    batch = {name: tf.concat([x[name] for x in each], 0) for name in ("positions", "atomic_numbers")}
    batch |= {name: tf.stack([x[of] for x in each]) for name, of in (("cells", "cell"), ("pbc", "pbc"))}
    return batch | {"n_atoms": tf.constant([glass.n_atoms for glass in glasses])}


@pytest.fixture(scope="module")
def served(exported):
    loaded = tf.saved_model.load(str(exported / "1"))
    yield loaded.signatures
    assert loaded  # a signature has no reference to the weights


@pytest.fixture(scope="module")
def live(finished_run):
    predict = CompiledModel(finished_run.load_model())
    return lambda glass: predict(*glass_graphs(finished_run.config(), [glass]))


def test_one_glass_is_predicted_as_by_the_model(served, live, zoo_glass):
    barrier = served["serving_default"](**inputs(zoo_glass))[names.ENERGY_BARRIER]
    assert barrier.dtype == tf.float32
    np.testing.assert_allclose(barrier, live(zoo_glass), atol=1e-5)


def test_a_batch_is_predicted_as_each_of_its_glasses(served, live):
    glasses = [make() for make in ZOO.values()]
    answer = served["batch"](**batch_of(glasses))
    np.testing.assert_array_equal(answer["n_atoms"], [glass.n_atoms for glass in glasses])
    np.testing.assert_allclose(answer[names.ENERGY_BARRIER], np.concatenate([*map(live, glasses)]), atol=1e-5)


def serialized(glasses, config) -> tf.Tensor:
    graphs = map(to_graph_tensor, glass_graphs(config, glasses))
    return tf.constant([tfgnn.write_example(graph).SerializeToString() for graph in graphs])


def test_graphs_are_predicted_as_coordinates_are(served, live, finished_run):
    glasses = [random_glass(20, 30), random_glass(21, 45)]
    answer = served["serialized_graphs"](examples=serialized(glasses, finished_run.config()))
    np.testing.assert_array_equal(answer["n_atoms"], [30, 45])
    np.testing.assert_allclose(answer[names.ENERGY_BARRIER], np.concatenate([*map(live, glasses)]), atol=1e-5)


@pytest.mark.slow
def test_a_published_glass_is_predicted_as_by_the_model(published_data, tmp_path):
    # The default model with a fitted regression. Its other weights have their initial values.
    glass = read_glass(published_data / "test0.pickle")
    graph = build_graph(glass, cutoff=5.0, self_loops=True)
    model = configured_model(RunConfig(), SPECIES, LabelScaling(1.6, 0.3))
    model.prepare([to_graph_tensor(graph)], [graph.barrier])
    record = tmp_path / "metadata.json"
    record.write_text("{}")
    serving = ServedModel(model, species=SPECIES, cutoff=5.0, self_loops=True, metadata=record)
    serving.save(tmp_path / "model")
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    barrier = loaded.signatures["serving_default"](**inputs(glass))[names.ENERGY_BARRIER]
    rounded = {name: getattr(glass, name).astype(np.float32) for name in ("positions", "cell")}  # as in the request
    live = CompiledModel(model)(build_graph(replace(glass, **rounded), cutoff=5.0, self_loops=True))
    assert len(barrier) == 3000 and live.std() > 1e-3
    np.testing.assert_allclose(barrier, live, atol=1e-6)
    # Coordinates of 36 A are rounded by up to 2e-6 A in single precision, and barriers have slopes of a few eV / A.
    np.testing.assert_allclose(barrier, CompiledModel(model)(graph), atol=3e-5)


GLASS = random_glass(22, 12)
REFUSED = {
    "gold": ({"atomic_numbers": np.array([79] + [29] * 11, np.int32)}, r"atomic_numbers: .*29 and 40, found\] \[79\]"),
    "padding": ({"atomic_numbers": np.array([0] + [29] * 11, np.int32)}, r"atomic_numbers: .*found\] \[0\]"),
    "no element": ({"atomic_numbers": np.array([-1, 500] + [29] * 10, np.int32)}, r"atomic_numbers: .*\[-1 500\]"),
    "too few species": ({"atomic_numbers": GLASS.atomic_numbers[:5]}, r"atomic_numbers: expected as many.*\[5\]"),
    "nothing": (
        {"positions": np.zeros((0, 3), np.float32), "atomic_numbers": np.zeros(0, np.int32)},
        "positions: expected at least one atom",
    ),
    "flat cell": ({"cell": np.ones((3, 3), np.float32)}, "cell: expected vectors that span a volume"),
    "tiny cell": ({"cell": np.eye(3, dtype=np.float32) * 1e-3}, "cell: expected A, and at most"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_by_name(served, name):
    changed, message = REFUSED[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serving_default"](**inputs(GLASS) | {key: tf.constant(x) for key, x in changed.items()})


def test_a_batch_with_an_invalid_glass_is_refused(served):
    batch = batch_of([GLASS, GLASS])
    wrong = {
        "n_atoms: expected as many atoms in all": {"n_atoms": tf.constant([12, 11])},
        "n_atoms: expected at least one atom": {"n_atoms": tf.constant([24, 0])},
        "n_atoms: expected as many numbers": {"n_atoms": tf.constant([24])},
        "n_atoms: expected at least one": {"n_atoms": tf.constant([36, -12])},
        "cell: expected vectors": {"cells": batch["cells"] * [[[1.0]], [[0.0]]]},
        "atomic_numbers: expected only": {"atomic_numbers": batch["atomic_numbers"] + 1},
    }
    for message, changed in wrong.items():
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            served["batch"](**batch | changed)


def test_a_graph_with_a_foreign_species_is_refused(served, finished_run):
    (graph,) = glass_graphs(finished_run.config(), [GLASS])
    graph.atomic_numbers[3] = 79
    example = tfgnn.write_example(to_graph_tensor(graph)).SerializeToString()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"atomic_numbers: .*found\] \[79\]"):
        served["serialized_graphs"](examples=tf.constant([example]))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"source": -1}, r"neighbors: expected atoms of the glass, found\] \[-1\]"),
        ({"source": 12}, r"neighbors: expected atoms of the glass, found\] \[12\]"),
        ({"target": 2**31 - 1}, r"neighbors: expected atoms of the glass, found\] \[2147483647\]"),
        ({"target": 0}, "neighbors: expected pairs sorted by target"),
    ],
)
def test_graphs_whose_pairs_are_not_their_own_are_refused(served, finished_run, change, message):
    good, bad = glass_graphs(finished_run.config(), [GLASS, GLASS])
    for name, value in change.items():
        getattr(bad, name)[-1] = value
    examples = [tfgnn.write_example(to_graph_tensor(graph)).SerializeToString() for graph in (bad, good)]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serialized_graphs"](examples=tf.constant(examples))


@pytest.mark.parametrize("feature, name", [("nodes/atoms.#size", "atoms"), ("edges/neighbors.#size", "neighbors")])
def test_graphs_of_other_sizes_than_declared_are_refused(served, finished_run, feature, name):
    """The cases are a batch whose declared sizes have the right sum, and a huge declared size."""
    (graph,) = glass_graphs(finished_run.config(), [GLASS])
    valid = tfgnn.write_example(to_graph_tensor(graph))
    (size,) = valid.features.feature[feature].int64_list.value

    for declared in ([size + 1, size - 1], [2 * 10**9]):
        examples = [with_sizes(valid, feature, [size]).SerializeToString() for size in declared]
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: expected as many as its sizes declare"):
            served["serialized_graphs"](examples=tf.constant(examples))
    assert len(served["serialized_graphs"](examples=tf.constant([valid.SerializeToString()]))["n_atoms"]) == 1


def test_an_atom_with_too_many_pairs_is_refused(served, finished_run):
    """Padded tensors have as many rows for every atom as for the one with the most pairs."""
    rng = np.random.default_rng(0)
    crowd, far = rng.uniform(0, 4, (200, 3)), rng.uniform(0, 4, (1, 3)) + 50
    species = np.full(201, "Cu")
    glass = Glass(np.concatenate([crowd, far]), np.eye(3) * 100, np.ones(3, bool), species, None, "crowd")
    message = r"positions: expected A, and at most \d+ pairs an atom, found\] \[\d+\]"
    with pytest.raises(InputError, match="positions: found .* neighbors of an atom, expected at most"):
        glass_graphs(finished_run.config(), [glass])
    (sparse,) = glass_graphs(
        finished_run.config(), [replace(glass, positions=8 * glass.positions, cell=8 * glass.cell)]
    )
    target, source, displacement = find_pairs(glass.positions, glass.cell, glass.pbc, 4.0)
    order = np.argsort(target, kind="stable")
    graph = replace(
        sparse,
        source=source[order].astype(np.int32),
        target=target[order].astype(np.int32),
        displacement=displacement[order].astype(np.float32),
    )
    example = tfgnn.write_example(to_graph_tensor(graph)).SerializeToString()
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["serialized_graphs"](examples=tf.constant([example]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="positions: expected A, and at most"):
        served["serving_default"](**inputs(glass))


def test_an_export_needs_no_compiler_and_no_custom_operation(exported):
    saved = SavedModel.FromString((exported / "1" / "saved_model.pb").read_bytes()).meta_graphs[0]
    functions = saved.graph_def.library.function
    nodes = [*saved.graph_def.node, *(node for function in functions for node in function.node_def)]
    assert not any(part.attr["_XlaMustCompile"].b for part in [*nodes, *functions])
    called = {function.signature.name for function in functions}
    assert all(node.op in called or op_def_registry.get(node.op) for node in nodes)
