"""Distributions on O(3): orthogonality, the Haar measure's moments, learnable parameters, quantiles."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.transform import Rotation
from scipy.stats import vonmises

from tf_symgnn.nn.orthogonal import (
    DISTRIBUTIONS,
    AngularGaussian,
    EulerVonMises,
    Uniform,
    rotation_from_euler,
    rotation_from_quaternion,
    von_mises_quantile,
)


@pytest.fixture(params=list(DISTRIBUTIONS))
def distribution(request):
    layer = DISTRIBUTIONS[request.param](transforms=8, seed=3)
    layer(None)
    return layer


def test_transforms_are_orthogonal_half_of_them_improper(distribution):
    transforms = distribution(None).numpy().astype(float)
    np.testing.assert_allclose(np.swapaxes(transforms, 1, 2) @ transforms, np.tile(np.eye(3), (8, 1, 1)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(transforms), [1] * 4 + [-1] * 4, atol=1e-5)


def test_transforms_are_constant_and_depend_on_the_seed(distribution):
    np.testing.assert_array_equal(distribution(None), distribution(None, training=True))
    other = type(distribution)(transforms=8, seed=4)
    assert np.abs(distribution(None) - other(None)).max() > 0.1


@pytest.mark.parametrize("name", list(DISTRIBUTIONS))
def test_resampling_draws_new_transforms_in_training_only(name):
    layer = DISTRIBUTIONS[name](transforms=4, resample=True)
    stored = layer(None).numpy()
    first, second = layer(None, training=True).numpy(), layer(None, training=True).numpy()
    assert min(np.abs(first - second).max(), np.abs(first - stored).max()) > 0.1
    np.testing.assert_array_equal(layer(None), stored)


@pytest.mark.parametrize("layer", [Uniform(), AngularGaussian()])
def test_uniform_has_the_moments_of_the_haar_measure(layer):
    """E[T_ij] = 0 and E[T_ij T_kl] = delta_ik delta_jl / 3, for rotations and for improper rotations."""
    layer(None)
    n = 40_000
    # One transform of each orbit: sums over an orbit have some of these moments whatever the distribution.
    sample = layer.sample(4 * n, seed=1).numpy().astype(float)[::4]
    np.testing.assert_allclose(np.linalg.det(sample), np.repeat([1.0, -1.0], n // 2), atol=1e-4)
    for half in (sample[: n // 2], sample[n // 2 :]):
        np.testing.assert_allclose(half.mean(0), 0.0, atol=0.02)
        second = np.einsum("nij,nkl->ijkl", half, half) / len(half)
        np.testing.assert_allclose(second, np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3)) / 3, atol=0.02)
        # Third moment of a rotation: E[T_ij T_kl T_mn] = eps_ikm eps_jln / 6, with the sign of det T.
        third = np.mean(half[:, 0, 0] * half[:, 1, 1] * half[:, 2, 2])
        np.testing.assert_allclose(third, np.sign(np.linalg.det(half[0])) / 6, atol=0.01)


def with_uniform_angles(layer):
    """Return an initial distribution, with Euler angles made uniform."""
    layer(None)
    if isinstance(layer, EulerVonMises):
        layer.log_concentration.assign(tf.fill((2, 1, 3), -12.0))
    return layer


def test_base_noise_comes_in_orbits_of_half_turns_and_inversion(distribution):
    """T_0^-1 T_k are the eight changes of sign of coordinates, once each."""
    distribution = with_uniform_angles(distribution)
    transforms = distribution(None).numpy()
    relative = transforms[0].T @ transforms
    signs = {tuple(np.round(np.diag(matrix)).astype(int)) for matrix in relative}
    assert signs == set(itertools.product((1, -1), repeat=3))
    np.testing.assert_allclose(np.abs(relative), np.tile(np.eye(3), (8, 1, 1)), atol=1e-4)


@pytest.mark.parametrize("name", list(DISTRIBUTIONS))
def test_partial_orbits_start_with_a_half_turn(name):
    first, second, *_ = with_uniform_angles(DISTRIBUTIONS[name](transforms=4, seed=3))(None).numpy()
    np.testing.assert_allclose(first.T @ second, np.diag([-1, -1, 1]), atol=1e-4)


def test_initial_euler_angles_have_the_second_moments_of_the_haar_measure():
    layer = EulerVonMises()
    layer(None)
    sample = layer.sample(40_000, seed=1).numpy().astype(float)[::4]
    second = np.einsum("nij,nkl->ijkl", sample, sample) / len(sample)
    np.testing.assert_allclose(second, np.einsum("ik,jl->ijkl", np.eye(3), np.eye(3)) / 3, atol=0.03)


def test_uniform_euler_angles_are_not_haar():
    """Uniform Euler angles are not uniform rotations, so the tests above can fail."""
    layer = with_uniform_angles(EulerVonMises())
    sample = layer.sample(4_000, seed=1).numpy()[:2_000]
    assert abs(np.mean(sample[:, 2, 2] ** 2) - 1 / 3) > 0.1  # E cos^2 of a uniform angle is 1/2


@pytest.mark.parametrize("layer", [EulerVonMises(seed=1), AngularGaussian(seed=1)])
def test_gradients_reach_every_learned_parameter(layer):
    layer(None)
    mix = tf.random.stateless_normal((8, 3, 3), (0, 1))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(mix * layer(None))
    assert layer.trainable_variables
    for gradient in tape.gradient(value, layer.trainable_variables):
        assert np.isfinite(gradient).all()
        for half in gradient:  # rotations, then improper rotations
            assert np.abs(half).max() > 1e-3


@pytest.mark.parametrize("layer", [EulerVonMises(seed=1, dtype="float64"), AngularGaussian(seed=1, dtype="float64")])
def test_gradients_are_finite_differences(layer):
    layer(None)
    mix = tf.random.stateless_normal((8, 3, 3), (0, 1), dtype=tf.float64)
    for variable in layer.trainable_variables:
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(mix * layer(None))
        gradient = tape.gradient(value, variable)
        direction = tf.random.stateless_normal(variable.shape, (1, 2), dtype=tf.float64)
        sides = []
        for sign in (1, -1):
            variable.assign_add(sign * 1e-5 * direction)
            sides.append(tf.reduce_sum(mix * layer(None)))
            variable.assign_sub(sign * 1e-5 * direction)
        np.testing.assert_allclose(
            (sides[0] - sides[1]) / 2e-5, tf.reduce_sum(gradient * direction), rtol=1e-4, atol=1e-6
        )


def test_von_mises_quantiles_match_scipy():
    u = np.linspace(0.001, 0.999, 41)
    for concentration in (0.01, 0.5, 3.0, 40.0):
        quantile = von_mises_quantile(tf.constant(u), tf.fill(u.shape, tf.constant(concentration, tf.float64)))
        np.testing.assert_allclose(quantile, vonmises(concentration).ppf(u), atol=2e-3 if concentration > 10 else 1e-6)


def test_rotations_match_scipy():
    rng = np.random.default_rng(0)
    quaternion = rng.normal(size=(20, 4))
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    expected = Rotation.from_quat(quaternion[:, [1, 2, 3, 0]]).as_matrix()
    np.testing.assert_allclose(rotation_from_quaternion(tf.constant(quaternion)), expected, atol=1e-12)
    angles = rng.uniform(-3, 3, (20, 3))
    np.testing.assert_allclose(
        rotation_from_euler(tf.constant(angles)), Rotation.from_euler("ZYZ", angles).as_matrix(), atol=1e-12
    )


@pytest.mark.parametrize("transforms", [0, 3, -2])
def test_an_odd_number_of_transforms_is_refused(transforms):
    with pytest.raises(ValueError, match=rf"transforms: found {transforms}, expected a positive even number"):
        Uniform(transforms=transforms)
