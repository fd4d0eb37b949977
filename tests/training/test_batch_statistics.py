"""Moving statistics: of an epoch's steps alone, the later the heavier, and recomputed of all batches alike."""

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, random_glass
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.normalization import MaskedBatchNormalization
from tf_symgnn.training.batch_statistics import EpochStatistics, recompute_batch_norm


@pytest.fixture
def graphs():
    return [to_graph_tensor(build_graph(random_glass(k, 30), cutoff=4.0, self_loops=True)) for k in range(2)]


@pytest.fixture
def model(graphs):
    tf.keras.utils.set_random_seed(0)
    sizes = {"width": 8, "heads": (2, 1), "decoder_layers": 1, "transforms": 2, "distribution": "uniform"}
    model = SymGNN(species=SPECIES, cutoff=4.0, **sizes)
    model(graphs[0])
    return model


def moving(model: SymGNN) -> list[tf.Variable]:
    norms = [layer for layer in model.submodules if isinstance(layer, MaskedBatchNormalization)]
    return [value for norm in norms for value in (norm.moving_mean, norm.moving_variance)]


def test_recomputed_they_are_means_over_batches_whatever_they_were(model, graphs):
    alone = []
    for graph in graphs:
        recompute_batch_norm(model, [graph])
        alone.append([value.numpy() for value in moving(model)])
    for value in moving(model):
        value.assign(tf.fill(value.shape, 1e3))
    recompute_batch_norm(model, graphs)
    for value, one, other in zip(moving(model), *alone, strict=True):
        np.testing.assert_allclose(value, (one + other) / 2, rtol=1e-4, atol=1e-5)


def test_recomputed_on_one_glass_predictions_are_those_of_training(model, graphs):
    recompute_batch_norm(model, graphs[:1])
    np.testing.assert_allclose(model(graphs[0]), model(graphs[0], training=True), atol=1e-4)


def test_nothing_is_left_of_what_the_averages_held_before(model, graphs):
    statistics = EpochStatistics(model)

    def of_epoch(*steps) -> list[np.ndarray]:
        statistics.on_epoch_begin(0)
        for k, graph in enumerate(steps):
            model(graph, training=True)
            statistics.on_train_batch_end(k)
        statistics.on_test_begin()
        return [value.numpy() for value in moving(model)]

    first, second = (of_epoch(graph) for graph in graphs)
    for value in moving(model)[::2]:
        value.assign(tf.fill(value.shape, 1e3))
    for one, other, value in zip(first, second, of_epoch(*graphs), strict=True):
        np.testing.assert_allclose(value, (0.9 * one + other) / 1.9, rtol=1e-4, atol=1e-5)
