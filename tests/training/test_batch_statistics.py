"""Moving statistics: recomputed of all batches alike, whatever they were before."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, random_glass
from tf_symgnn.graph import SubsetStream, build_graph, to_graph_tensor
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.normalization import MaskedBatchNormalization
from tf_symgnn.training.batch_statistics import BatchStatistics


@pytest.fixture(scope="module")
def graphs():
    return [build_graph(random_glass(k, 30), cutoff=4.0, self_loops=True) for k in range(2)]


@pytest.fixture(scope="module")
def model(graphs):
    tf.keras.utils.set_random_seed(0)
    sizes = {"width": 8, "heads": (2, 1), "decoder_layers": 1, "transforms": 2, "distribution": "uniform"}
    model = SymGNN(species=SPECIES, cutoff=4.0, **sizes)
    model(to_graph_tensor(graphs[0]))
    return model


def moving(model: SymGNN) -> list[tf.Variable]:
    norms = [layer for layer in model.submodules if isinstance(layer, MaskedBatchNormalization)]
    return [value for norm in norms for value in (norm.moving_mean, norm.moving_variance)]


@pytest.fixture(scope="module")
def recomputed(model, graphs) -> dict[str, list[np.ndarray]]:
    """Return the moving statistics recomputed of each glass alone, and of both."""
    found = {}
    for name, members in (("first", graphs[:1]), ("second", graphs[1:]), ("both", graphs)):
        for value in moving(model):
            value.assign(tf.fill(value.shape, 1e3))
        statistics = BatchStatistics(
            model, SubsetStream(members).in_order(), len(members), tf.distribute.get_strategy()
        )
        statistics.on_test_begin()
        found[name] = [value.numpy() for value in moving(model)]
    return found


def test_recomputed_they_are_means_over_batches_whatever_they_were(recomputed):
    for both, one, other in zip(recomputed["both"], recomputed["first"], recomputed["second"], strict=True):
        np.testing.assert_allclose(both, (one + other) / 2, rtol=1e-4, atol=1e-5)


def test_recomputed_on_one_glass_predictions_are_those_of_training(model, graphs, recomputed):
    for value, of_first in zip(moving(model), recomputed["first"], strict=True):
        value.assign(of_first)
    graph = to_graph_tensor(graphs[0])
    np.testing.assert_allclose(model(graph), model(graph, training=True), atol=1e-4)
