"""Every op of the training step and of the exported graph can be placed on a GPU, by TensorFlow's own registry.

The registry of the Linux build lists GPU kernels whether or not the machine has a GPU. Kernels registered for the
device type DEFAULT run on every device.
"""

from collections.abc import Iterator

import pytest
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.python.framework import kernels

from tests.conftest import SPECIES, random_glass
from tf_symgnn.config import NetworkConfig, RunConfig
from tf_symgnn.data import LabelScaling
from tf_symgnn.export.signatures import ServedModel
from tf_symgnn.graph import SubsetStream, build_graph
from tf_symgnn.runs import configured_model
from tf_symgnn.training.fit import _optimizer
from tf_symgnn.training.regressor import BarrierRegressor

SCALING = LabelScaling(0.0, 1.0)

ON_THE_HOST = {
    "Const (string)": "text of an assertion's message; a GPU holds no strings",
    "DenseToDenseSetOperation": "Keras compares the shapes of labels and weights, a handful of host integers",
    "ParseExampleV2": "parses the serialized request, which arrives as bytes on the host",
}


def nodes_of(graph: graph_pb2.GraphDef) -> Iterator[node_def_pb2.NodeDef]:
    """Yield every node of a graph and of the functions that it calls."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def runs_on_gpu(node: node_def_pb2.NodeDef) -> bool:
    """Return whether a GPU kernel is registered for the op and the dtypes of a node."""

    def admits(kernel) -> bool:
        for constraint in kernel.constraint:
            dtype, admitted = node.attr[constraint.name], constraint.allowed_values.list.type
            if not set([dtype.type] if dtype.type else dtype.list.type) <= set(admitted):
                return False
        return kernel.device_type in ("GPU", "DEFAULT")

    return any(admits(kernel) for kernel in kernels.get_registered_kernels_for_op(node.op).kernel)


def host_only(function) -> set[str]:
    """Return the names of the ops of a traced function that have no GPU kernel."""
    return {
        f"{node.op} (string)" if node.attr["dtype"].type == tf.string.as_datatype_enum else node.op
        for node in nodes_of(function.graph.as_graph_def())
        if not runs_on_gpu(node)
    }


@pytest.fixture(
    scope="module",
    params=[
        ("symgnn", "euler_von_mises", False),
        pytest.param(("symgnn", "angular_gaussian", True), marks=pytest.mark.slow),
        ("symgnn_spectral", "haar", False),
    ],
    ids=str,
)
def network(request):
    name, distribution, resample = request.param
    sizes = {"width": 8, "heads": (2, 1), "decoder_layers": 1, "transforms": 2}
    small = NetworkConfig(**sizes, distribution=distribution, resample=resample)
    return configured_model(RunConfig(model=name, network=small), SPECIES, SCALING)


def test_the_registry_distinguishes_ops_with_and_without_gpu_kernels():
    product = tf.function(lambda x: x @ x).get_concrete_function(tf.TensorSpec([2, 2], tf.float32))
    lowered = tf.function(tf.strings.lower).get_concrete_function(tf.TensorSpec([2], tf.string))
    assert host_only(product) == set()
    assert "StringLower" in host_only(lowered)


def test_training_step(network):
    regressor = BarrierRegressor(network, SCALING)
    config = RunConfig()
    regressor.compile(optimizer=_optimizer(config, steps=100), weighted_metrics=[])
    stream = SubsetStream([build_graph(random_glass(0, 40), cutoff=4.0, self_loops=True)])
    step = tf.function(regressor.train_step).get_concrete_function(stream.in_order().element_spec)
    assert host_only(step) <= ON_THE_HOST.keys() - {"ParseExampleV2"}


def test_exported_graph(network, tmp_path):
    record = tmp_path / "metadata.json"
    record.write_text("{}")
    served = ServedModel(network, species=SPECIES, cutoff=5.0, self_loops=True, metadata=record)
    for signature in served.signatures().values():
        assert host_only(signature) <= ON_THE_HOST.keys()
