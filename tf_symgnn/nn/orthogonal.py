"""Learnable distributions over the orthogonal group O(3), sampled pathwise: T_k = g(theta, eps_k).

Half of the transforms are rotations, half are improper rotations (det -1). Vectors are rows: a transform acts as
`x @ T`.

Base noise is drawn in orbits of four: a rotation R and its products R H with the half-turns H about three axes. The
improper rotations are the same four, inverted. Each transform has the same distribution as an independent draw. For
uniform rotations, the eight transforms are an orbit of the point group D2h, over which every function that is odd in a
coordinate averages to zero. Learned parameters break this symmetry. Eight transforms are one orbit; four are half of
it, with one half-turn. Independent draws leave more noise in the encoding of an edge (docs/notebook.md).
"""

from __future__ import annotations

import abc
import math

import tensorflow as tf
import tensorflow_probability as tfp

KerasLayer = tf.keras.layers.Layer

INITIAL_MEAN, INITIAL_CONCENTRATION = (0.0, math.pi / 2, 0.0), (0.1, 2.17, 0.1)  # of the Euler angles
ORBIT_SIZE = 4  # a rotation and its products with three half-turns


def rotation_from_quaternion(q: tf.Tensor) -> tf.Tensor:
    """Return rotation matrices [..., 3, 3] of unit quaternions (w, x, y, z) [..., 4] (Euler-Rodrigues formula)."""
    w, x, y, z = tf.unstack(q, axis=-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_from_euler(angles: tf.Tensor) -> tf.Tensor:
    """Return rotation matrices [..., 3, 3] R_z(a) R_y(b) R_z(c) of Euler angles (a, b, c) [..., 3] in radians."""
    (ca, cb, cc), (sa, sb, sc) = (tf.unstack(f(angles), axis=-1) for f in (tf.cos, tf.sin))
    rows = [
        [ca * cb * cc - sa * sc, -ca * cb * sc - sa * cc, ca * sb],
        [sa * cb * cc + ca * sc, -sa * cb * sc + ca * cc, sa * sb],
        [-sb * cc, sb * sc, cb],
    ]
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)


@tf.function  # in eager execution, the loops of the bisection take seconds
def von_mises_quantile(u: tf.Tensor, concentration: tf.Tensor) -> tf.Tensor:
    """Return quantiles of the von Mises distribution of mean 0, in radians from -pi to pi.

    A bisection finds the quantile z. A last Newton step makes the derivative with respect to the concentration k the
    implicit one, dz/dk = -(dF/dk) / p(z) (Figurnov et al. 2018, eq. 5).

    Args:
        u: cumulative probabilities in (0, 1), of any shape.
        concentration: of the same shape.
    """
    cdf = tfp.distributions.von_mises.von_mises_cdf
    u, k = tf.cast(u, tf.float64), tf.cast(concentration, tf.float64)

    def halve(step: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        middle = (low + high) / 2
        below = cdf(middle, tf.stop_gradient(k)) < u
        return step + 1, tf.where(below, middle, low), tf.where(below, high, middle)

    bound = tf.fill(tf.shape(u), tf.constant(math.pi, tf.float64))
    _, low, high = tf.while_loop(lambda step, *_: step < 40, halve, (0, -bound, bound))
    z = tf.stop_gradient((low + high) / 2)
    density = tf.exp(k * (tf.cos(z) - 1)) / (2 * math.pi * tf.math.bessel_i0e(k))
    angle = z - (cdf(z, k) - u) / tf.stop_gradient(density)
    return tf.cast(angle, concentration.dtype)


class OrthogonalDistribution(KerasLayer, abc.ABC):
    """A distribution on O(3) that returns K transforms from base noise that is stored with the weights.

    The noise is drawn once from `seed`, so training, prediction and serving use the same transforms up to changes of
    the learned parameters. With `resample`, each training step draws new noise from the seed and the number of draws.

    Args:
        transforms: K, an even number; half are rotations, half are improper rotations.
        seed: of the base noise.
        resample: whether each training step draws new noise.

    Raises:
        ValueError: `transforms` is not a positive even number.
    """

    def __init__(self, *, transforms: int = 8, seed: int = 0, resample: bool = False, **kwargs):
        super().__init__(**kwargs)
        self._frozen = None
        if transforms < 2 or transforms % 2:
            raise ValueError(f"transforms: found {transforms}, expected a positive even number")
        self.transforms, self.seed, self.resample = transforms, seed, resample

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the stored noise; subclasses add their parameters."""
        noise = self.draw_noise(self.transforms, (self.seed, 0))
        self.noise = self.add_weight(
            name="noise", shape=noise.shape, dtype=noise.dtype, trainable=False, initializer=lambda *_, **__: noise
        )
        if self.resample:
            self.draws = self.add_weight(name="draws", shape=(), dtype=tf.int32, trainable=False, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: None = None, training: bool = False) -> tf.Tensor:
        """Return the K transforms [K, 3, 3], from stored noise or, when resampling in training, from new noise."""
        if self._frozen is not None:
            return tf.constant(self._frozen)
        noise = self.noise
        if training and self.resample:
            self.draws.assign_add(1)
            noise = self.draw_noise(self.transforms, (self.seed, self.draws))
        return self.transform(tf.cast(noise, self.compute_dtype))

    def freeze(self) -> None:
        """Replace the transforms by constants of their present values."""
        self._frozen = self(None).numpy()

    def sample(self, n: int, *, seed: int) -> tf.Tensor:
        """Return `n` (even) transforms [n, 3, 3] from new noise at the present parameters, in orbits."""
        return self.transform(tf.cast(self.draw_noise(n, (seed, 0)), self.compute_dtype))

    def draw_noise(self, n: int, seed: tuple) -> tf.Tensor:
        """Return base noise of `n` transforms [2, n / 2, ...]; rotations and improper rotations share it."""
        half = n // 2
        orbits = self.draw_orbits(-(-half // ORBIT_SIZE), seed)
        noise = tf.reshape(orbits, [-1, orbits.shape[-1]])[:half]
        return tf.stack([noise, noise])

    @abc.abstractmethod
    def draw_orbits(self, n: int, seed: tuple) -> tf.Tensor:
        """Return base noise [n, 4, ...] of `n` rotations R, each followed by R H for half-turns H about z, y and x."""

    @abc.abstractmethod
    def rotations(self, noise: tf.Tensor) -> tf.Tensor:
        """Return proper rotations [2, n / 2, 3, 3] from base noise [2, n / 2, ...]."""

    def transform(self, noise: tf.Tensor) -> tf.Tensor:
        """Return transforms [n, 3, 3] from base noise [2, n / 2, ...]; the second half is improper, by inversion."""
        proper, improper = tf.unstack(self.rotations(noise))
        return tf.concat([proper, -improper], axis=0)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"transforms": self.transforms, "seed": self.seed, "resample": self.resample}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EulerVonMises(OrthogonalDistribution):
    """Von Mises distributions of three Euler angles, as published for SymGNN (Li et al. 2024).

    Rotations and improper rotations have separate means and concentrations, which are learned. The initial distribution
    is close to uniform rotations. The angles about z are nearly uniform. The angle about y has mean pi / 2 and the
    second moment of a uniform rotation, E cos^2 = I_1(k) / (k I_0(k)) = 1/3.
    """

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the mean [2, 1, 3] in radians and the logarithm of the concentration [2, 1, 3]."""
        super().build(input_shape)
        mean = tf.keras.initializers.Constant([[INITIAL_MEAN]] * 2)
        self.mean = self.add_weight(name="mean", shape=(2, 1, 3), initializer=mean)
        logarithm = tf.keras.initializers.Constant([[[math.log(k) for k in INITIAL_CONCENTRATION]]] * 2)
        self.log_concentration = self.add_weight(name="log_concentration", shape=(2, 1, 3), initializer=logarithm)

    def draw_orbits(self, n: int, seed: tuple) -> tf.Tensor:
        """Return uniform numbers in (0, 1), f32[n, 4, 3].

        The half-turns are exact if the angles about z are uniform and the mean of the angle about y is pi / 2.
        """
        a, b, c = tf.unstack(tf.random.stateless_uniform((n, 3), seed), axis=-1)
        # A half-turn about z changes c to c + pi. One about y changes the angles to a + pi, pi - b and pi - c.
        orbit = [(a, b, c), (a, b, c + 0.5), (a + 0.5, 1 - b, 1.5 - c), (a + 0.5, 1 - b, 1 - c)]
        orbit = tf.stack([tf.stack(angles, axis=-1) for angles in orbit], axis=1)
        return tf.clip_by_value(orbit % 1, 1e-6, 1 - 1e-6)

    def rotations(self, noise: tf.Tensor) -> tf.Tensor:
        """Return rotations by the Euler angles whose cumulative probability is the noise."""
        concentration = tf.broadcast_to(tf.exp(self.log_concentration), tf.shape(noise))
        return rotation_from_euler(self.mean + von_mises_quantile(noise, concentration))


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class Uniform(OrthogonalDistribution):
    """The uniform (Haar) measure on O(3): normalized Gaussian quaternions (Shoemake 1992). It has no parameters."""

    def draw_orbits(self, n: int, seed: tuple) -> tf.Tensor:
        """Return standard normal numbers f32[n, 4, 4]."""
        w, x, y, z = tf.unstack(tf.random.stateless_normal((n, 4), seed), axis=-1)
        # The products of a quaternion with the unit quaternions 1, k, j and i.
        orbit = [(w, x, y, z), (-z, y, -x, w), (-y, -z, w, x), (-x, w, z, -y)]
        return tf.stack([tf.stack(product, axis=-1) for product in orbit], axis=1)

    def rotations(self, noise: tf.Tensor) -> tf.Tensor:
        """Return the rotations of the quaternions z / |z|."""
        return rotation_from_quaternion(noise / tf.norm(noise, axis=-1, keepdims=True))


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class AngularGaussian(Uniform):
    """Angular central Gaussian on unit quaternions (Tyler 1987): q = L z / |L z|, z ~ N(0, I), L lower triangular.

    Rotations and improper rotations have separate factors L. The initial value is the identity, which gives the uniform
    (Haar) measure.
    """

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the factors L [2, 4, 4]; elements above the diagonal are not used."""
        super().build(input_shape)

        def identity(shape: tuple, dtype: tf.DType) -> tf.Tensor:
            return tf.eye(4, batch_shape=[2], dtype=dtype)

        self.factor = self.add_weight(name="factor", shape=(2, 4, 4), initializer=identity)

    def rotations(self, noise: tf.Tensor) -> tf.Tensor:
        """Return the rotations of the quaternions L z / |L z|."""
        return super().rotations(tf.einsum("hij,hkj->hki", tf.linalg.band_part(self.factor, -1, 0), noise))


DISTRIBUTIONS = {"euler_von_mises": EulerVonMises, "angular_gaussian": AngularGaussian, "uniform": Uniform}
