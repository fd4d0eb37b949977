"""The encoding phi of the displacement of an edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.nn.normalization import DenseBlocks, MaskedBatchNormalization


def fibonacci_sphere(n: int) -> np.ndarray:
    """Return unit vectors f64[n, 3], evenly spaced over the sphere in opposite pairs.

    One half-sphere is a Fibonacci lattice and the other its inversion. For odd n, one vector has no opposite.

    Raises:
        ValueError: `n` is not positive.
    """
    if n < 1:
        raise ValueError(f"n: found {n}, expected a positive number")
    pairs = (n + 1) // 2
    height = (np.arange(pairs) + 0.5) / pairs
    azimuth = np.pi * (1 + np.sqrt(5)) * np.arange(pairs)
    horizontal = np.sqrt(1 - height**2) * [np.cos(azimuth), np.sin(azimuth)]
    axes = np.stack([*horizontal, height], axis=1)
    return np.concatenate([axes, -axes])[:n]


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class FibonacciSphere(tf.keras.initializers.Initializer):
    """Initialize a kernel [3, C] with the vectors of a randomly rotated Fibonacci sphere as columns v_c.

    For even C, sum_c ReLU(v_c . x) is approximately C |x| / 4.
    """

    def __call__(self, shape: Sequence[int], dtype: tf.DType = tf.float32, **kwargs) -> tf.Tensor:
        """Return the kernel; `shape` is (3, C)."""
        columns = tf.constant(fibonacci_sphere(shape[1]).T, dtype)
        return tf.keras.initializers.Orthogonal()((3, 3), dtype) @ columns


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EdgeEncoder(tf.keras.layers.Layer):
    """phi: a dense block with ReLUs, then one with Gaussians, initialized as a radial basis of the displacement.

    The sum of the channels of the first block is initially proportional to the length of the displacement. The second
    block consists of Gaussians of that length, like SchNet's radial basis. With this initialization, attention trains
    several times faster than with random blocks, whose encodings averaged over transforms have nearly one dimension
    (docs/notebook.md).

    Args:
        units: widths of the two blocks.
    """

    def __init__(self, *, units: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.units, dtype = tuple(units), self.dtype_policy
        first, second = self.units
        # A run folder stores weights by the names of these attributes.
        self._directions = DenseBlocks(
            units=(first,), kernel_initializer=FibonacciSphere(), name="directions", dtype=dtype
        )
        # Batch normalization cancels the size of a kernel, but not that of Adam's steps. Ones in place of 1 / first
        # make each step small in proportion, so that the channels keep adding up to a length for longer.
        self._lengths = DenseBlocks(
            units=(second,), kernel_initializer="ones", activation="gaussian", name="lengths", dtype=dtype
        )

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of both blocks."""
        for block, units in ((self._directions, input_shape[-1]), (self._lengths, self.units[0])):
            with tf.name_scope(block.name):
                block.build(tf.TensorShape([None, units]))
        super().build(input_shape)

    @property
    def linear_and_norm(self) -> list[tuple[tf.keras.layers.Dense, MaskedBatchNormalization]]:
        """Return the linear map and the batch normalization of each block."""
        return self._directions.linear_and_norm + self._lengths.linear_and_norm

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encode displacements [..., 3] A as [..., units[1]]; `mask` [...] is 1 for pairs in batch statistics."""
        hidden = self._directions(displacement, mask=mask, training=training)
        return self._lengths(hidden, mask=mask, training=training)

    def bytes_per_pair(self) -> int:
        """Return the peak memory of a pair in bytes: the input of a block, its linear map and its normalized values."""
        return 12 * max(self.units)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units}
