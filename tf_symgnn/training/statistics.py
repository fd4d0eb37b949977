"""Batch normalisation's moving statistics, kept to the weights that are about to be scored."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.model.normalization import MaskedBatchNormalization


class EpochStatistics(tf.keras.callbacks.Callback):
    """Has the moving statistics forget, at each epoch's start, all that was before it.

    Over the whole run they lag behind weights that have moved on, and never lose what they started from: predictions
    were off by an electronvolt (Wu and Johnson 2021, "Rethinking batch in BatchNorm", section 3). Of one epoch alone,
    and divided by the weight that its steps have, they cost nothing and served as well as a pass of their own over
    the data (benchmarks/RESULTS.md).

    Args:
        network: whose statistics these are.
    """

    def __init__(self, network: tf.keras.Model):
        super().__init__()
        self._norms = [layer for layer in network.submodules if isinstance(layer, MaskedBatchNormalization)]
        self._seen = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Forgets."""
        self._seen = 0
        for norm in self._norms:
            norm.moving_mean.assign(tf.zeros_like(norm.moving_mean))
            norm.moving_variance.assign(tf.zeros_like(norm.moving_variance))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts the epoch's steps."""
        self._seen += 1

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Divides by the weight of the steps, as Adam does with its averages."""
        for norm in self._norms:
            weight = 1 - norm.momentum**self._seen
            norm.moving_mean.assign(norm.moving_mean / weight)
            norm.moving_variance.assign(norm.moving_variance / weight)
