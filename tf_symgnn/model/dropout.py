"""Dropout whose draws are a function of a seed and of the number of steps, so that a resumed run goes on with them."""

from __future__ import annotations

import tensorflow as tf


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class CountedDropout(tf.keras.layers.Layer):
    """Sets a share of values to zero in every training step, and scales the others up (Srivastava et al. 2014).

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
        """Values of any shape, in prediction as they are."""
        if not training:
            return values
        self.draws.assign_add(1)
        drawn = tf.random.stateless_uniform(tf.shape(values), (self.seed, self.draws))
        return tf.where(drawn < self.rate, 0.0, values / (1 - self.rate))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"rate": self.rate, "seed": self.seed}
