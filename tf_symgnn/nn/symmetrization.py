"""Symmetrization: edge encodings averaged over a sample of orthogonal transforms or over all of O(3)."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from tf_symgnn.nn.chunked import uses_chunks
from tf_symgnn.nn.chunked.symmetrization import symmetrize_in_chunks
from tf_symgnn.nn.edge_encoder import EdgeEncoder, fibonacci_sphere
from tf_symgnn.nn.orthogonal import DISTRIBUTIONS
from tf_symgnn.nn.pairs import length

HAAR = "haar"  # the name of the distribution of `ExactSymmetrization`
# The grid on which `ExactSymmetrization` evaluates phi.
GRID_SPACING = 0.025  # A
N_DIRECTIONS = 64


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class Symmetrization(tf.keras.layers.Layer):
    """Edge encoding e_ij = (1/K) sum_k phi(x_ij T_k), the symmetrization module of SymGNN (Li et al. 2024).

    phi is an `EdgeEncoder`. The encoding is rotation-invariant in expectation if the rotations are uniform on SO(3).
    Averaging over K transforms leaves an error, which evaluation measures.

    Args:
        units: widths of the two blocks of phi.
        distribution: `euler_von_mises`, `angular_gaussian` or `uniform`.
        transforms: K, an even number; multiples of 8 are whole orbits.
        seed: of the base noise of the distribution.
        resample: whether each training step draws new transforms.
        kernel: `reference`, plain operations; `chunked`, chunks of pairs that fit into a CPU cache; or `auto`,
            `chunked` if TensorFlow has no GPU.

    Raises:
        ValueError: `distribution` or `kernel` is unknown, or `transforms` is not a positive even number.
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
        uses_chunks(kernel)  # raises ValueError for an unknown kernel
        if distribution not in DISTRIBUTIONS:
            raise ValueError(f"distribution: found {distribution}, expected one of {', '.join(DISTRIBUTIONS)}")
        self.units, self.kernel = tuple(units), kernel
        self.distribution = DISTRIBUTIONS[distribution](
            transforms=transforms, seed=seed, resample=resample, name=distribution, dtype=self.variable_dtype
        )
        self._encoder = EdgeEncoder(units=self.units, name="encoder", dtype=self.dtype_policy)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of all sublayers. They do not depend on the kernel."""
        with tf.name_scope(self.distribution.name):
            self.distribution.build(None)
        with tf.name_scope(self._encoder.name):
            self._encoder.build(input_shape)
        super().build(input_shape)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Return encodings [E, units[-1]] of displacements [E, 3] A.

        `mask` [E] is 1 for pairs in batch statistics, 0 for others; None includes all.
        """
        transforms = self.distribution(None, training=training)  # [K, 3, 3]
        if uses_chunks(self.kernel):
            return symmetrize_in_chunks(self._encoder, displacement, transforms, mask, training)
        transformed = tf.einsum("ei,kij->ekj", displacement, tf.cast(transforms, self.compute_dtype))  # [E, K, 3]
        if mask is not None:
            mask = tf.repeat(mask[:, tf.newaxis], self.distribution.transforms, axis=1)  # [E, K]
        return tf.reduce_mean(self._encoder(transformed, mask=mask, training=training), axis=1)

    def bytes_per_pair(self) -> int:
        """Return the peak memory of a pair in bytes: its encoding, per chunk and concatenated."""
        return 8 * self.units[-1]

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        distribution = self.distribution
        return super().get_config() | {
            "units": self.units,
            "distribution": distribution.name,
            "transforms": distribution.transforms,
            "seed": distribution.seed,
            "resample": distribution.resample,
            "kernel": self.kernel,
        }


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class ExactSymmetrization(tf.keras.layers.Layer):
    """Edge encoding averaged over O(3), e(x) = int phi(x T) dT with uniform T: `Symmetrization` for large K.

    x T is uniform on the sphere of radius |x|, so e is a function of the distance alone and exactly invariant under
    rotation and reflection. phi is evaluated on a grid: distances 0.025 A apart, in 64 directions of a Fibonacci
    sphere. The average over these directions has an error of about 1% of the standard deviation of an encoding. Cubic
    convolution (Keys 1981, eq. 15) interpolates between distances. Batch statistics are those of the pairs: each pair
    adds linear weights to the two nearest distances of the grid.

    Args:
        units: widths of the two blocks of phi.
        cutoff: the longest distance, A.
    """

    def __init__(self, *, units: tuple[int, int] = (32, 32), cutoff: float = 5.0, **kwargs):
        super().__init__(autocast=False, **kwargs)  # half precision resolves a distance to 0.03 A only
        self.units, self.cutoff = tuple(units), cutoff
        self._encoder = EdgeEncoder(units=self.units, name="encoder", dtype=self.dtype_policy)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the weights of the encoder."""
        with tf.name_scope(self._encoder.name):
            self._encoder.build(input_shape)
        super().build(input_shape)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Return encodings [E, units[-1]] of displacements [E, 3] A.

        `mask` [E] is 1 for pairs in batch statistics, 0 for others; None includes all.
        """
        distance = tf.minimum(length(tf.cast(displacement, self.variable_dtype))[:, 0], self.cutoff) / GRID_SPACING
        floor = tf.floor(distance)
        fraction, row = distance - floor, tf.cast(floor, tf.int32)
        density = self._density(row, fraction, mask) if training else None
        table = self._table(density, training)
        terms = [
            tf.cast(weight, table.dtype)[:, tf.newaxis] * tf.gather(table, row + k)
            for k, weight in enumerate(_cubic_weights(fraction))
        ]
        return tf.add_n(terms)

    @property
    def _radii(self) -> np.ndarray:
        """Return the distances of the grid f64[R] A, with the points beyond 0 and the cutoff that interpolation needs.

        Directions are opposite pairs, so the average at -r equals that at r.
        """
        return GRID_SPACING * np.arange(-1, math.ceil(self.cutoff / GRID_SPACING) + 3)

    def _density(self, row: tf.Tensor, fraction: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Return the number of pairs at each distance of the grid [R].

        Args:
            row: i32[E], the largest multiple of the grid spacing below the distance of each pair.
            fraction: [E], the rest of the distance in units of the spacing.
            mask: [E], 1 for pairs in batch statistics, 0 for others; None includes all.
        """
        included = tf.ones_like(fraction) if mask is None else tf.cast(mask, fraction.dtype)
        weights = tf.concat([included * (1 - fraction), included * fraction], axis=0)
        return tf.math.unsorted_segment_sum(weights, tf.concat([row + 1, row + 2], axis=0), len(self._radii))

    def _table(self, density: tf.Tensor | None, training: bool) -> tf.Tensor:
        """Return averages of phi over directions [R, units[-1]]; `density` [R] weights the distances in statistics."""
        points = self._radii[:, np.newaxis, np.newaxis] * fibonacci_sphere(N_DIRECTIONS)
        if density is not None:
            density = tf.repeat(density[:, tf.newaxis] / N_DIRECTIONS, N_DIRECTIONS, axis=1)
        encoded = self._encoder(tf.constant(points, self.compute_dtype), mask=density, training=training)
        return tf.reduce_mean(encoded, axis=1)

    def bytes_per_pair(self) -> int:
        """Return the peak memory of a pair in bytes: four rows of the table and their sum."""
        return 20 * self.units[-1]

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units, "cutoff": self.cutoff}


def _cubic_weights(t: tf.Tensor) -> list[tf.Tensor]:
    """Return the weights of the values at -1, 0, 1 and 2 in the interpolated value at t from 0 to 1."""
    return [
        t * (-0.5 + t * (1 - 0.5 * t)),
        1 + t * t * (-2.5 + 1.5 * t),
        t * (0.5 + t * (2 - 1.5 * t)),
        t * t * (-0.5 + 0.5 * t),
    ]
