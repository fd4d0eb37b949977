"""Dropout whose draws are a function of a seed and of the number of steps, so that a resumed run goes on with them."""

from __future__ import annotations

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class CountedDropout(tf.keras.layers.Layer):
    """Sets a share of values to zero in every training step, and scales the others up (Srivastava et al. 2014).

    Replicas draw for their rows what one replica would draw for all, one after another's.

    Args:
        rate: the share.
        seed: of the draws.
    """

    def __init__(self, *, rate: float, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the number of draws so far, one for all replicas."""
        self.draws = self.add_weight(
            name="draws",
            shape=(),
            dtype=tf.int32,
            trainable=False,
            initializer="zeros",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        super().build(input_shape)

    def call(self, values: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Values [N, C], in prediction as they are."""
        if not training:
            return values
        self.draws.assign_add(1)
        before, shape = _rows_before(values), tf.shape(values)
        drawn = tf.random.stateless_uniform([before + shape[0], shape[1]], (self.seed, self.draws))[before:]
        return tf.where(drawn < self.rate, 0.0, values / (1 - self.rate))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


def _rows_before(values: tf.Tensor) -> tf.Tensor:
    """How many rows the replicas before this one have together."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.constant(0)
    place = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync)
    rows = context.all_reduce(tf.distribute.ReduceOp.SUM, place * tf.cast(tf.shape(values)[0], tf.float32))
    return tf.cast(tf.reduce_sum(rows * tf.math.cumsum(place, exclusive=True, reverse=True)), tf.int32)
