"""Batch normalisation's moving statistics, kept to the weights that are about to be scored."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.nn.normalization import MaskedBatchNormalization


class EpochStatistics(tf.keras.callbacks.Callback):
    """Has the moving statistics forget, at each epoch's start, all that was before it.

    Over the whole run they lag behind weights that have moved on, and never lose what they started from: predictions
    were off by an electronvolt (Wu and Johnson 2021, "Rethinking batch in BatchNorm", section 3). Of one epoch alone,
    and divided by the weight that its steps have, they cost nothing and lag by a few steps, which is near enough to
    tell epochs apart by Pearson; what is scored and served is settled (benchmarks/RESULTS.md).

    Args:
        network: whose statistics these are.
    """

    def __init__(self, network: tf.keras.Model):
        super().__init__()
        self._norms = _norms(network)
        self._seen = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Forgets."""
        self._seen = 0
        _forget(self._norms)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts the epoch's steps."""
        self._seen += 1

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Divides by the weight of the steps, as Adam does with its averages."""
        for norm in self._norms:
            weight = 1 - norm.momentum**self._seen
            norm.moving_mean.assign(norm.moving_mean / weight)
            norm.moving_variance.assign(norm.moving_variance / weight)


def settle(network: tf.keras.Model, graphs: Iterable[tfgnn.GraphTensor]) -> None:
    """Sets the moving statistics to their means over batches of graphs, of the weights as they stand.

    Statistics of steps that moved the weights lag behind them, the more the larger the steps: by the best epoch of a
    run of the published sizes predictions were 0.3 eV higher than by these (benchmarks/RESULTS.md).
    """
    norms = _norms(network)
    step = tf.function(lambda graph: network(graph, training=True), reduce_retracing=True)
    means, variances = [0.0] * len(norms), [0.0] * len(norms)
    batches = 0
    for graph in graphs:
        batches += 1
        _forget(norms)
        step(graph)
        for k, norm in enumerate(norms):
            means[k] += norm.moving_mean / (1 - norm.momentum)
            variances[k] += norm.moving_variance / (1 - norm.momentum)
    for norm, mean, variance in zip(norms, means, variances, strict=True):
        norm.moving_mean.assign(mean / batches)
        norm.moving_variance.assign(variance / batches)


def _norms(network: tf.keras.Model) -> list[MaskedBatchNormalization]:
    return [layer for layer in network.submodules if isinstance(layer, MaskedBatchNormalization)]


def _forget(norms: list[MaskedBatchNormalization]) -> None:
    for norm in norms:
        norm.moving_mean.assign(tf.zeros_like(norm.moving_mean))
        norm.moving_variance.assign(tf.zeros_like(norm.moving_variance))
