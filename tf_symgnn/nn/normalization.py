"""Batch normalization over real atoms and edges only, and the dense blocks that use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf


class Moments(NamedTuple):
    """First and second moments of G groups of rows, in single precision or better.

    Attributes:
        count: [G, 1], the number of rows of the group.
        mean: [G, C].
        deviation: [G, C], the sum of squared differences from the mean of the group.
    """

    count: tf.Tensor
    mean: tf.Tensor
    deviation: tf.Tensor

    @classmethod
    def of_rows(cls, rows: tf.Tensor, mask: tf.Tensor) -> Moments:
        """Return the moments of one group of rows [R, C], without the axis G; `mask` [R] is 0 for rows to leave out."""
        return cls(*_moments_of_rows(rows, mask))


def at_least_single(x: tf.Tensor) -> tf.Tensor:
    """Return a tensor in single precision or better. Float16 cannot represent a count above 65504."""
    return tf.cast(x, tf.float32) if x.dtype.size < 4 else x


@tf.custom_gradient
def _moments_of_rows(rows: tf.Tensor, mask: tf.Tensor) -> tuple:
    dtype = rows.dtype
    rows, mask = at_least_single(rows), at_least_single(mask)
    # Sums over rows are matrix products, which run several times faster than reductions.
    weight = mask[tf.newaxis]
    count = tf.reduce_sum(mask, keepdims=True)
    mean = tf.math.divide_no_nan(weight @ rows, count)
    # `bias_add` runs several times faster than broadcasting.
    deviation = weight @ tf.square(tf.nn.bias_add(rows, -mean[0]))

    def gradient(_: tf.Tensor, upstream_mean: tf.Tensor, upstream_deviation: tf.Tensor) -> tuple[tf.Tensor, None]:
        # The deviation is minimal at the mean, so its derivative with respect to the mean is zero.
        slope = 2 * upstream_deviation
        offset = tf.math.divide_no_nan(upstream_mean, count) - slope * mean[0]
        return tf.cast(tf.expand_dims(mask, 1) * tf.nn.bias_add(rows * slope, offset), dtype), None

    return (count, mean[0], deviation[0]), gradient


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MaskedBatchNormalization(tf.keras.layers.Layer):
    """Batch normalization (Ioffe & Szegedy 2015) of the last axis with statistics that exclude padding.

    Statistics are synchronized across replicas. The layer of Keras supports a mask or synchronization, not both.

    Args:
        momentum: weight of the previous value in the moving averages.
        epsilon: added to the variance.
        scale: initial scale of each channel.
        spread: the initial offsets of the channels are evenly spaced from `spread` to `-spread`.
    """

    def __init__(
        self, *, momentum: float = 0.9, epsilon: float = 1e-5, scale: float = 1.0, spread: float = 0.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.momentum, self.epsilon, self.scale, self.spread = momentum, epsilon, scale, spread

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the scale, the offset and the moving moments, each [C]."""
        shape = input_shape[-1:]
        offset = np.linspace(self.spread, -self.spread, shape[0])
        self.gamma = self._add_vector("gamma", shape, tf.keras.initializers.Constant(self.scale))
        self.beta = self._add_vector("beta", shape, tf.keras.initializers.Constant(offset))
        self.moving_mean = self._add_vector("moving_mean", shape, "zeros", trainable=False)
        self.moving_variance = self._add_vector("moving_variance", shape, "ones", trainable=False)
        super().build(input_shape)

    def _add_vector(
        self,
        name: str,
        shape: tf.TensorShape,
        initializer: str | tf.keras.initializers.Initializer,
        *,
        trainable: bool = True,
    ) -> tf.Variable:
        """Create a weight that mixed precision does not cast, since statistics need the precision of the variables."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            trainable=trainable,
            aggregation=tf.VariableAggregation.NONE if trainable else tf.VariableAggregation.MEAN,
            experimental_autocast=False,
        )

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Normalize [..., C]; `mask` [...] is 1 for rows in batch statistics, 0 for others; None includes all."""
        moments = self._row_moments(inputs, mask) if training else None
        if training:
            self.track(moments)
        scale, offset = self.affine(moments, self.gamma, self.beta)
        return tf.cast(at_least_single(inputs) * scale + offset, inputs.dtype)

    def affine(self, moments: Moments | None, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the normalization as a scale and an offset [C].

        Args:
            moments: of the batch; None for the moving averages.
            gamma: the learned scale [C].
            beta: the learned offset [C].
        """
        mean, variance = (self.moving_mean, self.moving_variance) if moments is None else _pooled(moments)
        scale = gamma * tf.math.rsqrt(variance + self.epsilon)
        return scale, beta - mean * scale

    def track(self, moments: Moments) -> None:
        """Update the moving averages with the moments of a batch."""
        mean, variance = _pooled(moments)
        self.moving_mean.assign(self.momentum * self.moving_mean + (1 - self.momentum) * mean)
        self.moving_variance.assign(self.momentum * self.moving_variance + (1 - self.momentum) * variance)

    def _row_moments(self, inputs: tf.Tensor, mask: tf.Tensor | None) -> Moments:
        """Return the moments of rows of which each is a group; the count of padding is 0."""
        rows = at_least_single(tf.reshape(inputs, [-1, inputs.shape[-1]]))
        count = tf.ones_like(rows[:, :1]) if mask is None else tf.reshape(tf.cast(mask, rows.dtype), [-1, 1])
        return Moments(count, rows, tf.zeros_like(count))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "scale": self.scale,
            "spread": self.spread,
        }


def _pooled(groups: Moments) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the mean and the variance [C] of the rows of all groups on all replicas (Chan et al. 1979)."""
    count = tf.maximum(sum_over_replicas(tf.reduce_sum(groups.count)), 1)
    mean = sum_over_replicas(tf.reduce_sum(groups.count * groups.mean, axis=0)) / count
    deviation = groups.deviation + groups.count * tf.math.squared_difference(groups.mean, mean)
    return mean, sum_over_replicas(tf.reduce_sum(deviation, axis=0)) / count


def sum_over_replicas(nest: tf.Tensor | list[tf.Tensor]) -> tf.Tensor | list[tf.Tensor]:
    """Return sums over the replicas that train in step."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return nest
    return context.all_reduce(tf.distribute.ReduceOp.SUM, nest)


# The outermost Gaussians of a block are initially centered this many standard deviations of the input from its mean.
OUTERMOST_GAUSSIAN = 2.0


@tf.keras.utils.register_keras_serializable("tf_symgnn")
def gaussian(x: tf.Tensor) -> tf.Tensor:
    """Return exp(-x^2 / 2)."""
    return tf.exp(-0.5 * tf.square(x))


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class DenseBlocks(tf.keras.layers.Layer):
    """A sequence of dense blocks, each a linear map, batch normalization and an activation.

    Args:
        units: width of each block.
        activation: `relu`; `prelu` with one learned slope per channel (He et al. 2015); or `gaussian`. The Gaussians of
            a block are initially centered at even distances over the range of its inputs. The standard deviation of
            each is twice that distance, or that of the inputs if there are few Gaussians.
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
            # Given by name, each layer gets an initializer of its own: one instance repeats its numbers.
            tf.keras.layers.Dense(n, kernel_initializer=kernel_initializer, name=f"linear_{k}", dtype=dtype)
            for k, n in enumerate(self.units)
        ]
        scales = [_gaussian_scale(n) if activation == "gaussian" else 1.0 for n in self.units]
        self._norm = [
            MaskedBatchNormalization(
                name=f"norm_{k}",
                scale=scale,
                spread=OUTERMOST_GAUSSIAN * scale if activation == "gaussian" and n > 1 else 0.0,
                dtype=dtype,
            )
            for k, (n, scale) in enumerate(zip(self.units, scales, strict=True))
        ]
        self._activate = [_activation(activation, name=f"activation_{k}", dtype=dtype) for k in range(len(self.units))]

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of all blocks."""
        inputs = input_shape[-1]
        for linear, norm, activate in zip(self._linear, self._norm, self._activate, strict=True):
            for layer, units in ((linear, inputs), (norm, linear.units), (activate, linear.units)):
                with tf.name_scope(layer.name):
                    layer.build(tf.TensorShape([None, units]))
            inputs = linear.units
        super().build(input_shape)

    @property
    def linear_and_norm(self) -> list[tuple[tf.keras.layers.Dense, MaskedBatchNormalization]]:
        """Return the linear map and the batch normalization of each block."""
        return list(zip(self._linear, self._norm, strict=True))

    def call(self, inputs: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Map [..., C] to [..., units[-1]]; `mask` [...] is 1 for rows in batch statistics, 0 for others."""
        for linear, norm, activate in zip(self._linear, self._norm, self._activate, strict=True):
            inputs = activate(norm(linear(inputs), mask=mask, training=training))
        return inputs

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {
            "units": self.units,
            "activation": self.activation,
            "kernel_initializer": tf.keras.initializers.serialize(self.kernel_initializer),
        }


def _gaussian_scale(units: int) -> float:
    """Return the initial scale of normalized inputs of a block of Gaussians: one over their standard deviation.

    It is at least 1, so that no Gaussian is initially broader than the distribution of its inputs.
    """
    return max(1.0, (units - 1) / (4 * OUTERMOST_GAUSSIAN))


def _activation(function: str, *, name: str, dtype: tf.keras.mixed_precision.Policy) -> tf.keras.layers.Layer:
    if function == "prelu":
        slope = tf.keras.initializers.Constant(0.25)
        return tf.keras.layers.PReLU(alpha_initializer=slope, name=name, dtype=dtype)
    return tf.keras.layers.Activation(gaussian if function == "gaussian" else function, name=name, dtype=dtype)
