"""Moving statistics of batch normalization, recomputed for the weights that are scored."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from tf_symgnn.models.base import BarrierModel
from tf_symgnn.nn.normalization import MaskedBatchNormalization

# So many batches give precise statistics, and cost little beside an epoch of more.
MAX_BATCHES = 32


class BatchStatistics(tf.keras.callbacks.Callback):
    """Sets the moving statistics to their means over training batches before each validation.

    Statistics of steps that moved the weights lag behind them: predictions were off by up to an electronvolt, and the
    best epoch was chosen by scores that the kept weights did not have (Wu and Johnson 2021, "Rethinking batch in
    BatchNorm", section 3). Recomputed statistics are those that the weights are stored with.

    Args:
        model: that is trained.
        batches: training batches of (GraphTensor, ...), in each pass the same ones.
        n_batches: their number.
        strategy: by which replicas share each batch.
    """

    def __init__(self, model: BarrierModel, batches: tf.data.Dataset, n_batches: int, strategy: tf.distribute.Strategy):
        super().__init__()
        self._norms = [layer for layer in model.submodules if isinstance(layer, MaskedBatchNormalization)]
        self._batches, self._n_batches, self._strategy = batches, n_batches, strategy

        def of_batch(graph: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
            for norm in self._norms:
                norm.moving_mean.assign(tf.zeros_like(norm.moving_mean))
                norm.moving_variance.assign(tf.zeros_like(norm.moving_variance))
            model(graph, training=True)
            weights = [1 - norm.momentum for norm in self._norms]
            return [
                (norm.moving_mean / weight, norm.moving_variance / weight)
                for norm, weight in zip(self._norms, weights, strict=True)
            ]

        # The iterator is the argument, so that graphs of all sizes have one trace.
        @tf.function
        def of_next(iterator: Iterator) -> list:
            graph, *_ = next(iterator)
            return strategy.run(of_batch, (graph,))

        self._of_next = of_next

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Recompute the statistics."""
        self.recompute()

    def recompute(self) -> None:
        """Set the moving statistics to their means over the batches, for the weights as they are."""
        if not self._norms:
            return
        iterator = iter(self._batches)
        moments = [self._of_next(iterator) for _ in range(self._n_batches)]
        with self._strategy.scope():
            for norm, of_batches in zip(self._norms, zip(*moments, strict=True), strict=True):
                means, variances = zip(*of_batches, strict=True)
                norm.moving_mean.assign(self._average(means))
                norm.moving_variance.assign(self._average(variances))

    def _average(self, values: tuple) -> tf.Tensor:
        """Return the mean over batches; all replicas have the same value of each."""
        return tf.add_n([self._strategy.experimental_local_results(value)[0] for value in values]) / len(values)
