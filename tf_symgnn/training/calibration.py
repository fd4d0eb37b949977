"""What is fitted to validation glasses, fitted before each validation."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_symgnn.models.base import BarrierModel


class Calibration(tf.keras.callbacks.Callback):
    """Calibrates a model before each validation, so that the best epoch is chosen by the score that is reported.

    Of several replicas each fits the same values, on one device.

    Args:
        model: to calibrate, which has `calibration_terms`.
        batches: of the validation glasses, (GraphTensor, labels, weights), where an atom without weight is left out.
        strategy: by which replicas share the model.
    """

    def __init__(self, model: BarrierModel, batches: tf.data.Dataset, strategy: tf.distribute.Strategy):
        super().__init__()
        self._model, self._batches, self._strategy = model, batches, strategy
        self._terms = tf.function(model.calibration_terms, reduce_retracing=True)

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Calibrate the model with its weights as they are."""
        rows, labels = [], []
        for graph, label, weight in self._batches:
            used = weight.numpy() > 0
            rows.append(np.stack(self._terms(graph), axis=1)[used])
            labels.append(label.numpy()[used])
        with self._strategy.scope():
            self._model.calibrate(np.concatenate(rows).astype(np.float64), np.concatenate(labels).astype(np.float64))
