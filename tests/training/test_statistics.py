"""Moving statistics estimated afresh: those of the batches at the present weights, and of nothing before."""

import numpy as np
import tensorflow as tf

from tests.conftest import SPECIES, random_glass
from tf_symgnn.graph import SubsetStream, build_graph, to_graph_tensor
from tf_symgnn.model.normalization import MaskedBatchNormalization
from tf_symgnn.model.symgnn import SymGNN
from tf_symgnn.training.statistics import FreshStatistics


def test_nothing_is_left_of_what_the_averages_held_before():
    graphs = [build_graph(random_glass(k, 30), cutoff=4.0, self_loops=True) for k in range(2)]
    sizes = {"width": 8, "heads": (2, 1), "decoder_layers": 1, "transforms": 2, "distribution": "uniform"}
    model = SymGNN(species=SPECIES, cutoff=4.0, **sizes)
    model(to_graph_tensor(graphs[0]))
    norms = [layer for layer in model.submodules if isinstance(layer, MaskedBatchNormalization)]

    def of_one_batch(graph) -> list[tf.Tensor]:
        for norm in norms:
            norm.moving_mean.assign(tf.zeros_like(norm.moving_mean))
            norm.moving_variance.assign(tf.zeros_like(norm.moving_variance))
        model(to_graph_tensor(graph), training=True)
        return [value / 0.1 for norm in norms for value in (norm.moving_mean, norm.moving_variance)]

    first, second = (of_one_batch(graph) for graph in graphs)
    for norm in norms:
        norm.moving_mean.assign(tf.fill(norm.moving_mean.shape, 1e3))
    FreshStatistics(model, SubsetStream(graphs)).on_test_begin()
    found = [value for norm in norms for value in (norm.moving_mean, norm.moving_variance)]
    for one, other, value in zip(first, second, found, strict=True):
        np.testing.assert_allclose(value, (0.9 * one + other) / 1.9, rtol=1e-4, atol=1e-5)
