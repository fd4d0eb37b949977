"""Moving statistics of an epoch: of its steps alone, the later the heavier, and of nothing before."""

import numpy as np
import tensorflow as tf

from tests.conftest import SPECIES, random_glass
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.model.normalization import MaskedBatchNormalization
from tf_symgnn.model.symgnn import SymGNN
from tf_symgnn.training.statistics import EpochStatistics


def test_nothing_is_left_of_what_the_averages_held_before():
    graphs = [to_graph_tensor(build_graph(random_glass(k, 30), cutoff=4.0, self_loops=True)) for k in range(2)]
    sizes = {"width": 8, "heads": (2, 1), "decoder_layers": 1, "transforms": 2, "distribution": "uniform"}
    model = SymGNN(species=SPECIES, cutoff=4.0, **sizes)
    model(graphs[0])
    norms = [layer for layer in model.submodules if isinstance(layer, MaskedBatchNormalization)]
    statistics = EpochStatistics(model)

    def of_epoch(*steps) -> list[np.ndarray]:
        statistics.on_epoch_begin(0)
        for k, graph in enumerate(steps):
            model(graph, training=True)
            statistics.on_train_batch_end(k)
        statistics.on_test_begin()
        return [value.numpy() for norm in norms for value in (norm.moving_mean, norm.moving_variance)]

    first, second = (of_epoch(graph) for graph in graphs)
    for norm in norms:
        norm.moving_mean.assign(tf.fill(norm.moving_mean.shape, 1e3))
    for one, other, value in zip(first, second, of_epoch(*graphs), strict=True):
        np.testing.assert_allclose(value, (0.9 * one + other) / 1.9, rtol=1e-4, atol=1e-5)
