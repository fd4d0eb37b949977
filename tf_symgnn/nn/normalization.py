"""Batch normalization over real atoms and edges only, and the dense blocks made with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Moments(NamedTuple):
    """Moments of G groups of rows, in no less than single precision."""

    count: tf.Tensor  # [G, 1]  rows that count
    mean: tf.Tensor  # [G, C]
    deviation: tf.Tensor  # [G, C]  sum of squared differences from the group's mean

    @classmethod
    def of_rows(cls, rows: tf.Tensor, mask: tf.Tensor) -> Moments:
        """Return those of one group of rows [R, C], without the group's axis; `mask` [R] is 1 for rows that count."""
        return cls(*_moments_of_rows(rows, mask))


def _at_least_single(x: tf.Tensor) -> tf.Tensor:
    """Return a tensor in single precision where it has half: half precision counts to 65504 rows."""
    return tf.cast(x, tf.float32) if x.dtype.size < 4 else x


@tf.custom_gradient
def _moments_of_rows(rows: tf.Tensor, mask: tf.Tensor) -> tuple:
    given = rows.dtype
    rows, mask = _at_least_single(rows), _at_least_single(mask)
    # Sums over rows are products of matrices, which run several times faster than reductions do.
    weight = mask[tf.newaxis]
    count = tf.reduce_sum(mask, keepdims=True)
    mean = tf.math.divide_no_nan(weight @ rows, count)
    # Adding a bias runs several times faster than broadcasting does.
    deviation = weight @ tf.square(tf.nn.bias_add(rows, -mean[0]))

    def gradient(_: tf.Tensor, above_mean: tf.Tensor, above_deviation: tf.Tensor) -> tuple[tf.Tensor, None]:
        # The deviation is least at the mean, so none of its gradient passes through that.
        slope = 2 * above_deviation
        offset = tf.math.divide_no_nan(above_mean, count) - slope * mean[0]
        return tf.cast(tf.expand_dims(mask, 1) * tf.nn.bias_add(rows * slope, offset), given), None

    return (count, mean[0], deviation[0]), gradient


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MaskedBatchNormalization(tf.keras.layers.Layer):
    """Batch normalization (Ioffe & Szegedy 2015) of the last axis whose statistics leave padding out.

    Statistics are synchronised across replicas. Keras's own layer does one or the other, not both.

    Args:
        momentum: share of the moving average that stays in each step.
        epsilon: added to the variance.
        scale: what each channel's scale starts as.
        spread: the channels' offsets start evenly spaced from `spread` to `-spread`.
    """

    def __init__(
        self, *, momentum: float = 0.9, epsilon: float = 1e-5, scale: float = 1.0, spread: float = 0.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.momentum, self.epsilon, self.scale, self.spread = momentum, epsilon, scale, spread

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create scale, offset and moving moments, each [C]."""
        shape = input_shape[-1:]
        exact = {"experimental_autocast": False}  # statistics stay in the variables' precision
        moving = {"trainable": False, "aggregation": tf.VariableAggregation.MEAN, **exact}
        scale = tf.keras.initializers.Constant(self.scale)
        offset = tf.keras.initializers.Constant(np.linspace(self.spread, -self.spread, shape[0]))
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer=scale, **exact)
        self.beta = self.add_weight(name="beta", shape=shape, initializer=offset, **exact)
        self.moving_mean = self.add_weight(name="moving_mean", shape=shape, initializer="zeros", **moving)
        self.moving_variance = self.add_weight(name="moving_variance", shape=shape, initializer="ones", **moving)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Normalize [..., C]; `mask` [...] is 1 for rows that count, None where all do."""
        moments = self._row_moments(inputs, mask) if training else None
        if training:
            self.track(moments)
        scale, offset = self.affine(moments, self.gamma, self.beta)
        return tf.cast(_at_least_single(inputs) * scale + offset, inputs.dtype)

    def affine(self, moments: Moments | None, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the normalization as a scale and an offset [C], by moments of the batch or, if None, moving ones."""
        mean, variance = (self.moving_mean, self.moving_variance) if moments is None else _pooled(moments)
        scale = gamma * tf.math.rsqrt(variance + self.epsilon)
        return scale, beta - mean * scale

    def track(self, moments: Moments) -> None:
        """Move the moving averages towards the moments of this batch."""
        mean, variance = _pooled(moments)
        self.moving_mean.assign(self.momentum * self.moving_mean + (1 - self.momentum) * mean)
        self.moving_variance.assign(self.momentum * self.moving_variance + (1 - self.momentum) * variance)

    def _row_moments(self, inputs: tf.Tensor, mask: tf.Tensor | None) -> Moments:
        """Return moments of which each row is a group of its own, empty for padding."""
        rows = _at_least_single(tf.reshape(inputs, [-1, inputs.shape[-1]]))
        count = tf.ones_like(rows[:, :1]) if mask is None else tf.reshape(tf.cast(mask, rows.dtype), [-1, 1])
        return Moments(count, rows, tf.zeros_like(count))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        own = {"momentum": self.momentum, "epsilon": self.epsilon, "scale": self.scale, "spread": self.spread}
        return super().get_config() | own


def _pooled(groups: Moments) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the mean and the variance [C] of the rows of all groups on every replica (Chan et al. 1979)."""
    count = tf.maximum(sum_over_replicas(tf.reduce_sum(groups.count)), 1)
    mean = sum_over_replicas(tf.reduce_sum(groups.count * groups.mean, axis=0)) / count
    deviation = groups.deviation + groups.count * tf.math.squared_difference(groups.mean, mean)
    return mean, sum_over_replicas(tf.reduce_sum(deviation, axis=0)) / count


def sum_over_replicas(nest: tf.Tensor | list[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
    """Return sums over the replicas that train together."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return nest
    return context.all_reduce(tf.distribute.ReduceOp.SUM, nest)


# In standard deviations of what Gaussians are given: how far from its mean the outermost are centred.
SPREAD = 2.0


@tf.keras.utils.register_keras_serializable("tf_symgnn")
def gaussian(x: tf.Tensor) -> tf.Tensor:
    """Return exp(-x^2 / 2)."""
    return tf.exp(-0.5 * tf.square(x))


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class DenseBlocks(tf.keras.layers.Layer):
    """Dense blocks in a row, each a linear map, batch normalization and an activation.

    Args:
        units: width of each block.
        activation: `relu`; `prelu` with one learned slope a channel (He et al. 2015); or `gaussian`, whose channels
            start evenly centred over what they are given, of many each as wide as the distance to the next but one.
        kernel_initializer: of the linear maps.
    """

    def __init__(
        self,
        *,
        units: Sequence[int],
        activation: str = "relu",
        kernel_initializer: str | tf.keras.initializers.Initializer = "glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units, self.activation = tuple(units), activation
        self.kernel_initializer = tf.keras.initializers.get(kernel_initializer)
        dtype = self.dtype_policy
        self._linear = [
            # By name each gets one of its own: one initializer gives the same numbers again.
            tf.keras.layers.Dense(n, kernel_initializer=kernel_initializer, name=f"linear_{k}", dtype=dtype)
            for k, n in enumerate(self.units)
        ]
        self._norm = [
            MaskedBatchNormalization(name=f"norm_{k}", **_start(activation, n), dtype=dtype)
            for k, n in enumerate(self.units)
        ]
        self._activate = [_activation(activation, name=f"activation_{k}", dtype=dtype) for k in range(len(self.units))]

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of the layers inside."""
        inputs = input_shape[-1]
        for linear, norm, activate in zip(self._linear, self._norm, self._activate, strict=True):
            for layer, units in ((linear, inputs), (norm, linear.units), (activate, linear.units)):
                with tf.name_scope(layer.name):
                    layer.build(tf.TensorShape([None, units]))
            inputs = linear.units
        super().build(input_shape)

    @property
    def linear_and_norm(self) -> list[tuple[tf.keras.layers.Dense, MaskedBatchNormalization]]:
        """Return the linear map and the batch norm of each block."""
        return list(zip(self._linear, self._norm, strict=True))

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Map [..., C] to [..., units[-1]]; `mask` [...] is 1 for rows that count in the statistics."""
        for linear, norm, activate in zip(self._linear, self._norm, self._activate, strict=True):
            inputs = activate(norm(linear(inputs), mask=mask, training=training))
        return inputs

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        start = tf.keras.initializers.serialize(self.kernel_initializer)
        own = {"units": self.units, "activation": self.activation, "kernel_initializer": start}
        return super().get_config() | own


def _start(activation: str, units: int) -> dict[str, float]:
    """Return the initial scale and spread of the batch norm before an activation of so many channels."""
    if activation != "gaussian" or units == 1:
        return {}
    # A Gaussian's standard deviation is twice the distance of two centres; of few, no more than what is given spreads.
    scale = max(1.0, (units - 1) / (4 * SPREAD))
    return {"scale": scale, "spread": SPREAD * scale}


def _activation(function: str, **kwargs) -> tf.keras.layers.Layer:
    if function == "prelu":
        return tf.keras.layers.PReLU(alpha_initializer=tf.keras.initializers.Constant(0.25), **kwargs)
    return tf.keras.layers.Activation(gaussian if function == "gaussian" else function, **kwargs)
