"""Moving statistics of batch normalization, made to agree with the weights that are scored."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.models.base import BarrierModel
from tf_symgnn.nn.normalization import MaskedBatchNormalization


class EpochStatistics(tf.keras.callbacks.Callback):
    """Restricts the moving statistics to the steps of the current epoch.

    Over the whole run they lag behind weights that have moved on, and never lose what they started from: predictions
    were off by an electronvolt (Wu and Johnson 2021, "Rethinking batch in BatchNorm", section 3). Of one epoch alone,
    and divided by the weight of its steps, they cost nothing and lag by a few steps. That is near enough to rank epochs
    by Pearson; for the weights that are kept they are recomputed (benchmarks/RESULTS.md).

    Args:
        model: that is trained.
    """

    def __init__(self, model: BarrierModel):
        super().__init__()
        self._norms = _norms(model)
        self._steps = 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Reset the statistics."""
        self._steps = 0
        _reset(self._norms)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count the epoch's steps."""
        self._steps += 1

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Divide by the weight of the steps, as Adam does with its averages."""
        for norm in self._norms:
            weight = 1 - norm.momentum**self._steps
            norm.moving_mean.assign(norm.moving_mean / weight)
            norm.moving_variance.assign(norm.moving_variance / weight)


def recompute_batch_norm(model: BarrierModel, graphs: Iterable[tfgnn.GraphTensor]) -> None:
    """Set the moving statistics to their means over batches of graphs, for the weights as they are.

    Statistics of steps that moved the weights lag behind them, the more the larger the steps: by the best epoch of a
    run of the published sizes predictions were 0.3 eV higher than by these (benchmarks/RESULTS.md).
    """
    norms = _norms(model)
    step = tf.function(lambda graph: model(graph, training=True), reduce_retracing=True)
    means, variances = [0.0] * len(norms), [0.0] * len(norms)
    batches = 0
    for graph in graphs:
        batches += 1
        _reset(norms)
        step(graph)
        for k, norm in enumerate(norms):
            means[k] += norm.moving_mean / (1 - norm.momentum)
            variances[k] += norm.moving_variance / (1 - norm.momentum)
    for norm, mean, variance in zip(norms, means, variances, strict=True):
        norm.moving_mean.assign(mean / batches)
        norm.moving_variance.assign(variance / batches)


def _norms(model: BarrierModel) -> list[MaskedBatchNormalization]:
    return [layer for layer in model.submodules if isinstance(layer, MaskedBatchNormalization)]


def _reset(norms: list[MaskedBatchNormalization]) -> None:
    for norm in norms:
        norm.moving_mean.assign(tf.zeros_like(norm.moving_mean))
        norm.moving_variance.assign(tf.zeros_like(norm.moving_variance))
