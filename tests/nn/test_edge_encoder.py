"""The initial encoding of displacements."""

import numpy as np
import pytest
import tensorflow as tf

from tf_symgnn.models.baselines.egat_length import LengthEncoding
from tf_symgnn.nn.edge_encoder import EdgeEncoder, FibonacciSphere


def _vectors(lengths: np.ndarray) -> tf.Tensor:
    """Return vectors in 1000 random directions at each of L lengths, [1000, L, 3]."""
    directions = np.random.default_rng(0).normal(size=(1000, 1, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    return tf.constant(directions * lengths[:, np.newaxis], tf.float32)


@pytest.mark.parametrize(("columns", "error"), [(16, 0.2), (32, 0.08), (64, 0.04)])
def test_rectified_projections_on_a_fibonacci_sphere_sum_to_a_length(columns, error):
    tf.keras.utils.set_random_seed(0)
    directions = FibonacciSphere()((3, columns)).numpy()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(directions.sum(axis=1), 0, atol=1e-5)
    lengths = np.linspace(0, 5, 6)
    total = np.maximum(_vectors(lengths) @ directions, 0).sum(axis=2) * 4 / columns
    np.testing.assert_allclose(total, np.broadcast_to(lengths, total.shape), rtol=error)


def test_a_fibonacci_sphere_may_have_an_odd_number_of_vectors():
    assert FibonacciSphere()((3, 7)).shape == (3, 7)


def test_the_initial_encoding_is_gaussians_of_the_length():
    """Rotation changes an encoding little, and each channel has its maximum at a different length."""
    tf.keras.utils.set_random_seed(0)
    lengths = np.linspace(2.0, 5.0, 200)
    encoded = EdgeEncoder(units=(32, 16))(_vectors(lengths), training=True).numpy()
    mean = encoded.mean(axis=0)  # [L, 16]
    assert np.square(encoded - mean).mean() < 0.15 * np.square(mean - mean.mean(axis=0)).mean()
    maximum = lengths[np.argmax(mean, axis=0)]
    inside = maximum[(maximum > lengths[0]) & (maximum < lengths[-1])]
    assert len(inside) >= 12 and (np.diff(inside) > 0.1).all()


def test_the_initial_length_encoding_is_gaussians_too():
    lengths = np.linspace(2.0, 5.0, 200)
    encoded = LengthEncoding(units=16)(_vectors(lengths)[0], training=True).numpy()
    maximum = lengths[np.argmax(encoded, axis=0)]
    inside = maximum[(maximum > lengths[0]) & (maximum < lengths[-1])]
    assert len(inside) >= 12 and (np.diff(inside) > 0.1).all()


def test_encodings_averaged_over_directions_have_several_dimensions():
    """The third singular value of the averaged encodings is comparable to the first, so attention can use them."""
    tf.keras.utils.set_random_seed(0)
    encoded = EdgeEncoder(units=(32, 32))(_vectors(np.linspace(2.0, 5.0, 200)), training=True).numpy().mean(axis=0)
    singular = np.linalg.svd(encoded - encoded.mean(axis=0), compute_uv=False)
    assert singular[2] > 0.5 * singular[0]


def test_the_encoder_is_restored_from_its_config():
    layer = EdgeEncoder(units=(8, 4))
    assert layer(tf.ones([5, 3])).shape == (5, 4)
    assert EdgeEncoder.from_config(layer.get_config()).get_config() == layer.get_config()
    assert EdgeEncoder.from_config(layer.get_config())(tf.ones([2, 3])).shape == (2, 4)
