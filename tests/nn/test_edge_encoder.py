"""The encoder of displacements: where it starts."""

import numpy as np
import pytest
import tensorflow as tf

from tf_symgnn.models.baselines.egat_length import LengthEncoding
from tf_symgnn.nn.edge_encoder import EdgeEncoder, EvenDirections


def _vectors(lengths: np.ndarray) -> tf.Tensor:
    """A thousand directions at each of L lengths [1000, L, 3]."""
    directions = np.random.default_rng(0).normal(size=(1000, 1, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    return tf.constant(directions * lengths[:, np.newaxis], tf.float32)


@pytest.mark.parametrize(("columns", "error"), [(16, 0.2), (32, 0.08), (64, 0.04)])
def test_fibonacci_sphere_add_up_to_a_length(columns, error):
    tf.keras.utils.set_random_seed(0)
    directions = EvenDirections()((3, columns)).numpy()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(directions.sum(axis=1), 0, atol=1e-5)
    lengths = np.linspace(0, 5, 6)
    added = np.maximum(_vectors(lengths) @ directions, 0).sum(axis=2) * 4 / columns
    np.testing.assert_allclose(added, np.broadcast_to(lengths, added.shape), rtol=error)


def test_an_odd_width_has_directions_too():
    assert EvenDirections()((3, 7)).shape == (3, 7)


def test_the_encoder_starts_as_gaussians_of_the_length():
    """Turning a displacement moves its encoding little, and each channel is highest at a length of its own."""
    tf.keras.utils.set_random_seed(0)
    lengths = np.linspace(2.0, 5.0, 200)
    made = EdgeEncoder(units=(32, 16))(_vectors(lengths), training=True).numpy()
    mean = made.mean(axis=0)  # [L, 16]
    assert np.square(made - mean).mean() < 0.15 * np.square(mean - mean.mean(axis=0)).mean()
    highest = lengths[np.argmax(mean, axis=0)]
    inside = highest[(highest > lengths[0]) & (highest < lengths[-1])]
    assert len(inside) >= 12 and (np.diff(inside) > 0.1).all()


def test_edge_lengths_start_as_gaussians_too():
    lengths = np.linspace(2.0, 5.0, 200)
    made = LengthEncoding(units=16)(_vectors(lengths)[0], training=True).numpy()
    highest = lengths[np.argmax(made, axis=0)]
    inside = highest[(highest > lengths[0]) & (highest < lengths[-1])]
    assert len(inside) >= 12 and (np.diff(inside) > 0.1).all()


def test_averages_over_lengths_have_many_dimensions():
    """What attention is to learn from: the encodings' third singular value is no small part of the first."""
    tf.keras.utils.set_random_seed(0)
    made = EdgeEncoder(units=(32, 32))(_vectors(np.linspace(2.0, 5.0, 200)), training=True).numpy().mean(axis=0)
    singular = np.linalg.svd(made - made.mean(axis=0), compute_uv=False)
    assert singular[2] > 0.5 * singular[0]


def test_it_comes_back_from_its_config():
    layer = EdgeEncoder(units=(8, 4))
    assert layer(tf.ones([5, 3])).shape == (5, 4)
    assert EdgeEncoder.from_config(layer.get_config()).get_config() == layer.get_config()
    assert EdgeEncoder.from_config(layer.get_config())(tf.ones([2, 3])).shape == (2, 4)
