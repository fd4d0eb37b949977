"""The encoding phi of an edge's displacement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.nn.normalization import DenseBlocks, MaskedBatchNormalization


def fibonacci_sphere(n: int) -> np.ndarray:
    """Return unit vectors f64[n, 3] that lie evenly over the sphere, in pairs of opposite ones (a Fibonacci lattice).

    With an odd number one vector has no opposite.
    """
    pairs = (n + 1) // 2
    height = (np.arange(pairs) + 0.5) / pairs
    angle = np.pi * (1 + np.sqrt(5)) * np.arange(pairs)  # of a Fibonacci lattice
    round_axis = np.sqrt(1 - height**2) * [np.cos(angle), np.sin(angle)]
    axes = np.stack([*round_axis, height], axis=1)
    return np.concatenate([axes, -axes])[:n]


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EvenDirections(tf.keras.initializers.Initializer):
    """Even directions as columns [3, C], rotated at random.

    For even C, sum_c ReLU(v_c . x) is then about C |x| / 4.
    """

    def __call__(self, shape: Sequence[int], dtype: tf.DType = tf.float32, **kwargs) -> tf.Tensor:
        """Return the columns; `shape` is (3, C)."""
        columns = tf.constant(fibonacci_sphere(shape[1]).T, dtype)
        return tf.keras.initializers.Orthogonal()((3, 3), dtype) @ columns


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EdgeEncoder(tf.keras.layers.Layer):
    """phi: a dense block with ReLUs and one with Gaussians, which start as a radial basis of a displacement.

    The first block's channels look in directions that add up to a length, and Gaussians of that length follow, like
    SchNet's of the distance. Attention learns from their average over transformations several times faster than from
    that of blocks started at random, which has nearly one dimension (benchmarks/RESULTS.md).

    Args:
        units: widths of the two blocks.
    """

    def __init__(self, *, units: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.units, dtype = tuple(units), self.dtype_policy
        inward, outward = self.units
        self._directions = DenseBlocks(
            units=(inward,), kernel_initializer=EvenDirections(), name="directions", dtype=dtype
        )
        # Batch normalisation divides a kernel's size out, but not that of Adam's steps: starting at ones, not at
        # 1 / inward, directions lose their balance slowly.
        self._lengths = DenseBlocks(
            units=(outward,), kernel_initializer="ones", activation="gaussian", name="lengths", dtype=dtype
        )

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of the blocks."""
        for block, units in ((self._directions, input_shape[-1]), (self._lengths, self.units[0])):
            with tf.name_scope(block.name):
                block.build(tf.TensorShape([None, units]))
        super().build(input_shape)

    @property
    def linear_and_norm(self) -> list[tuple[tf.keras.layers.Dense, MaskedBatchNormalization]]:
        """Return the linear map and the batch norm of each block."""
        return self._directions.linear_and_norm + self._lengths.linear_and_norm

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encode [..., 3] A as [..., units[1]]; `mask` [...] is 1 for edges that count in the statistics."""
        return self._lengths(self._directions(displacement, mask=mask, training=training), mask=mask, training=training)

    def bytes_per_pair(self) -> int:
        """Return the bytes that a pair takes at once: the input and two outputs of a linear map."""
        return 12 * max(self.units)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units}
