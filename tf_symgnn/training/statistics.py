"""Batch normalisation's moving statistics, estimated afresh for the weights that are about to be scored."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.graph import SubsetStream
from tf_symgnn.model.normalization import MaskedBatchNormalization

# Batches that the estimate is taken from, at most: a data set of many patches needs no more.
BATCHES = 32


class FreshStatistics(tf.keras.callbacks.Callback):
    """Before each validation, takes the moving statistics from training batches at the present weights alone.

    The averages that training keeps are of weights that have moved on. A glass has its own statistics, so an average
    over a few steps leans to the last glasses besides: predictions were off by an electronvolt (Wu and Johnson 2021,
    "Rethinking batch in BatchNorm", section 3).

    Args:
        network: whose statistics are estimated.
        stream: of the training data.
    """

    def __init__(self, network: tf.keras.Model, stream: SubsetStream):
        super().__init__()
        self._batches = stream.in_order().take(BATCHES)
        self._norms = [layer for layer in network.submodules if isinstance(layer, MaskedBatchNormalization)]

        @tf.function(input_signature=[self._batches.element_spec[0]])
        def see(graph: tfgnn.GraphTensor) -> None:
            network(graph, training=True)

        self._see = see

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Forgets the moving statistics, sees the batches, and divides by the weight that these have then."""
        for norm in self._norms:
            norm.moving_mean.assign(tf.zeros_like(norm.moving_mean))
            norm.moving_variance.assign(tf.zeros_like(norm.moving_variance))
        seen = 0
        for graph, _, _ in self._batches:
            self._see(graph)
            seen += 1
        for norm in self._norms:
            weight = 1 - norm.momentum**seen
            norm.moving_mean.assign(norm.moving_mean / weight)
            norm.moving_variance.assign(norm.moving_variance / weight)
