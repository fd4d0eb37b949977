"""Streaming, mask-aware metrics, exact over batches."""

from __future__ import annotations

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PearsonCorrelation(tf.keras.metrics.Metric):
    """Pearson's correlation of all predictions with all labels since the last reset, weighted by `sample_weight`.

    It is computed from six sums in float64, so that it does not depend on batches and replicas. They are of differences
    from `center`, a value near the labels, so that a large mean costs no digits. It is NaN if either side is constant.

    Args:
        center: subtracted from predictions and labels alike.
    """

    def __init__(self, *, center: float = 0.0, name: str = "pearson", **kwargs):
        super().__init__(name=name, **{"dtype": tf.float64} | kwargs)
        self.center = center
        # weight, x, y, x x, y y, x y
        self.sums = self.add_weight(name="sums", shape=(6,), initializer="zeros", dtype=tf.float64)

    def update_state(self, y_true: tf.Tensor, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None) -> None:
        """Add a batch of labels [N] and predictions [N], with weights [N] or None."""
        x, y = (tf.reshape(tf.cast(v, tf.float64), [-1]) - self.center for v in (y_true, y_pred))
        w = tf.ones_like(x) if sample_weight is None else tf.reshape(tf.cast(sample_weight, tf.float64), [-1])
        moments = tf.stack([tf.ones_like(x), x, y, x * x, y * y, x * y])
        # Values without weight may be anything, NaN included.
        moments = tf.where(w > 0, moments * w, tf.zeros_like(moments))
        self.sums.assign_add(tf.reduce_sum(moments, axis=1))

    def result(self) -> tf.Tensor:
        """Return the correlation, a float64 scalar."""
        n, x, y, xx, yy, xy = tf.unstack(self.sums)
        covariance, var_x, var_y = n * xy - x * y, n * xx - x * x, n * yy - y * y
        return covariance / tf.sqrt(tf.maximum(var_x, 0.0) * tf.maximum(var_y, 0.0))

    def reset_state(self) -> None:
        """Reset the sums."""
        self.sums.assign(tf.zeros_like(self.sums))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"center": self.center}
