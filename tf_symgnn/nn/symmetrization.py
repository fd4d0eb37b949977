"""Symmetrization: an edge encoding averaged over orthogonal transformations, over some that are drawn or over all."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from tf_symgnn.nn.chunked import uses_chunks
from tf_symgnn.nn.chunked.symmetrization import symmetrize_in_chunks
from tf_symgnn.nn.edge_encoder import EdgeEncoder, fibonacci_sphere
from tf_symgnn.nn.orthogonal import DISTRIBUTIONS
from tf_symgnn.nn.pairs import length

HAAR = "haar"  # the distribution over which `ExactSymmetrization` averages
SPACING = 0.025  # A, of the distances at which it does
DIRECTIONS = 64  # in which


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class Symmetrization(tf.keras.layers.Layer):
    """Edge encoding e_ij = (1/K) sum_k phi(x_ij T_k) with phi an `EdgeEncoder` (SymGNN's symmetrization module).

    Rotation-invariant in expectation where the distribution's rotations are uniform on SO(3); K transforms leave an
    error, which evaluation measures.

    Args:
        units: widths of phi's two blocks.
        distribution: `euler_von_mises`, `angular_gaussian` or `uniform`.
        transforms: K, even; whole orbits are multiples of 8.
        seed: of the distribution's base noise.
        resample: draw transforms afresh in every training step.
        kernel: `reference`, plain operations; `chunked`, in chunks that stay in a CPU's cache; or `auto`, chunked where
            there is no GPU.
    """

    def __init__(
        self,
        *,
        units: tuple[int, int] = (32, 32),
        distribution: str = "euler_von_mises",
        transforms: int = 8,
        seed: int = 0,
        resample: bool = False,
        kernel: str = "auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        uses_chunks(kernel)  # refuses a kernel that is none
        self.units, self.kernel = tuple(units), kernel
        self.distribution = DISTRIBUTIONS[distribution](
            transforms=transforms, seed=seed, resample=resample, name=distribution, dtype=self.variable_dtype
        )
        self._encoder = EdgeEncoder(units=self.units, name="encoder", dtype=self.dtype_policy)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of the layers inside, whichever kernel is to use them."""
        with tf.name_scope(self.distribution.name):
            self.distribution.build(None)
        with tf.name_scope(self._encoder.name):
            self._encoder.build(input_shape)
        super().build(input_shape)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encode displacements [E, 3] A as [E, units[-1]]; `mask` [E] is 1 for edges that count in statistics."""
        transforms = self.distribution(None, training=training)  # [K, 3, 3]
        if uses_chunks(self.kernel):
            return symmetrize_in_chunks(self._encoder, displacement, transforms, mask, training)
        moved = tf.einsum("ei,kij->ekj", displacement, tf.cast(transforms, self.compute_dtype))  # [E, K, 3]
        if mask is not None:
            mask = tf.repeat(mask[:, tf.newaxis], self.distribution.transforms, axis=1)  # [E, K]
        return tf.reduce_mean(self._encoder(moved, mask=mask, training=training), axis=1)

    def bytes_per_pair(self) -> int:
        """Return the bytes that a pair takes at once: encodings, in chunks and joined."""
        return 8 * self.units[-1]

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        drawn = self.distribution
        return super().get_config() | {
            "units": self.units,
            "distribution": drawn.name,
            "transforms": drawn.transforms,
            "seed": drawn.seed,
            "resample": drawn.resample,
            "kernel": self.kernel,
        }


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class ExactSymmetrization(tf.keras.layers.Layer):
    """Edge encoding averaged over all of O(3), e(x) = int phi(x T) dT, T uniform: SymGNN's symmetrization as K grows.

    As x T then is uniform on the sphere of radius |x|, the mean is a function of the distance alone, and so exactly
    invariant under rotation and reflection. It is taken at distances 0.025 A apart and between these interpolated by
    cubic convolution (Keys 1981, eq. 15), so that phi is computed at thousands of points and not at each edge; and over
    64 even directions, which leave an error of a hundredth of an encoding's spread. Batch statistics are those of the
    edges, each shared out among the two distances next to its own.

    Args:
        units: widths of phi's two blocks.
        cutoff: the longest distance, A.
    """

    def __init__(self, *, units: tuple[int, int] = (32, 32), cutoff: float = 5.0, **kwargs):
        super().__init__(autocast=False, **kwargs)  # half precision knows a distance to a few hundredths of an A
        self.units, self.cutoff = tuple(units), cutoff
        self._encoder = EdgeEncoder(units=self.units, name="encoder", dtype=self.dtype_policy)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of the encoder."""
        with tf.name_scope(self._encoder.name):
            self._encoder.build(input_shape)
        super().build(input_shape)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encode displacements [E, 3] A as [E, units[-1]]; `mask` [E] is 1 for edges that count in statistics."""
        distance = tf.minimum(length(tf.cast(displacement, self.variable_dtype))[:, 0], self.cutoff) / SPACING
        before = tf.floor(distance)
        beyond, row = distance - before, tf.cast(before, tf.int32)
        density = self._density(row, beyond, mask) if training else None
        table = self._table(density, training)
        parts = [
            tf.cast(weight, table.dtype)[:, tf.newaxis] * tf.gather(table, row + k)
            for k, weight in enumerate(_cubic_weights(beyond))
        ]
        return tf.add_n(parts)

    @property
    def _radii(self) -> np.ndarray:
        """Return the table's distances f64[R] A: from one below zero to two beyond the cutoff, as interpolation needs.

        Directions come in opposite pairs, so that the mean at the one below zero is that above it.
        """
        return SPACING * np.arange(-1, math.ceil(self.cutoff / SPACING) + 3)

    def _density(self, row: tf.Tensor, beyond: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Return the number of edges at each of the table's distances [R], from each edge's row and offset."""
        count = tf.ones_like(beyond) if mask is None else tf.cast(mask, beyond.dtype)
        shares, rows = tf.concat([count * (1 - beyond), count * beyond], axis=0), tf.concat([row + 1, row + 2], axis=0)
        return tf.math.unsorted_segment_sum(shares, rows, len(self._radii))

    def _table(self, density: tf.Tensor | None, training: bool) -> tf.Tensor:
        """Return means over directions at the table's distances [R, units[-1]], with `density` [R] edges at each."""
        points = self._radii[:, np.newaxis, np.newaxis] * fibonacci_sphere(DIRECTIONS)
        if density is not None:
            density = tf.repeat(density[:, tf.newaxis] / DIRECTIONS, DIRECTIONS, axis=1)
        encoded = self._encoder(tf.constant(points, self.compute_dtype), mask=density, training=training)
        return tf.reduce_mean(encoded, axis=1)

    def bytes_per_pair(self) -> int:
        """Return the bytes that a pair takes at once: interpolation adds up four rows of its table."""
        return 20 * self.units[-1]

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units, "cutoff": self.cutoff}


def _cubic_weights(t: tf.Tensor) -> list[tf.Tensor]:
    """Return the weights of the values at -1, 0, 1 and 2 in the interpolated value at t between 0 and 1."""
    return [
        t * (-0.5 + t * (1 - 0.5 * t)),
        1 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    ]
