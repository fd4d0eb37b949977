"""The mean of an encoding over all of O(3)."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, random_glass
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.edge_encoder import fibonacci_sphere
from tf_symgnn.nn.normalization import MaskedBatchNormalization
from tf_symgnn.nn.orthogonal import Uniform
from tf_symgnn.nn.symmetrization import DIRECTIONS, SPACING, ExactSymmetrization

CUTOFF = 5.0


@pytest.fixture
def layer():
    """With an encoder that is far from where it starts, and with statistics of some edges."""
    tf.keras.utils.set_random_seed(0)
    layer = ExactSymmetrization(units=(8, 6), cutoff=CUTOFF)
    layer(edges(500), training=True)
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign_add(0.3 * rng.normal(size=weight.shape))
    for _ in range(50):
        layer(edges(500), training=True)
    return layer


def edges(n: int) -> np.ndarray:
    """Displacements [n, 3] A of lengths between 2 A and the cutoff."""
    rng = np.random.default_rng(n)
    directions = rng.normal(size=(n, 3))
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.uniform(2, CUTOFF, (n, 1))).astype("f")


def test_it_is_a_function_of_the_distance_alone(layer):
    given = edges(100)
    turns = Uniform(transforms=10, seed=3)(None).numpy()
    encoded = np.stack([layer(given @ turn) for turn in turns])
    assert np.ptp(encoded, axis=0).max() < 2e-5
    assert encoded[0].std(axis=0).min() > 1e-2  # and does depend on it


def test_it_is_the_mean_of_phi_over_uniform_transforms(layer):
    """Of 1000 that are drawn; phi itself is not that mean."""
    given = edges(40)
    drawn = np.stack([layer._encoder(given @ turn) for turn in Uniform(transforms=1000, seed=0)(None).numpy()])
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert np.abs(layer(given) - drawn.mean(axis=0)).max() < 5 * error.max() + 0.01
    assert np.abs(layer(given) - drawn[0]).max() > 0.1


def test_its_directions_are_enough(layer):
    """Beside the mean over 8192 of them."""
    distance = np.linspace(2, CUTOFF, 40)
    points = distance[:, None, None] * fibonacci_sphere(8192)
    expected = tf.reduce_mean(layer._encoder(points.astype("f")), axis=1).numpy()
    found = layer((distance[:, None] * [0.36, 0.48, -0.8]).astype("f")).numpy()
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.05 * expected.std(axis=0).mean()
    np.testing.assert_allclose(found, expected, atol=0.03)


def test_between_distances_it_is_as_good_as_taken_there(layer):
    given = edges(60)
    distance = np.linalg.norm(given, axis=1)
    points = distance[:, None, None] * fibonacci_sphere(DIRECTIONS)
    expected = tf.reduce_mean(layer._encoder(points.astype("f")), axis=1)
    np.testing.assert_allclose(layer(given), expected, atol=1e-4)


def test_statistics_are_those_of_the_edges_that_count():
    given, mask = edges(400), np.repeat([1.0, 0.0], 200).astype("f")
    layers = ExactSymmetrization(units=(8, 6), cutoff=CUTOFF), ExactSymmetrization(units=(8, 6), cutoff=CUTOFF)
    for layer in layers:
        tf.keras.utils.set_random_seed(0)
        layer.build(tf.TensorShape([None, 3]))
    layers[0](given, mask=mask, training=True)
    distance = np.linalg.norm(given[:200], axis=1)
    points = (distance[:, None, None] * fibonacci_sphere(DIRECTIONS)).astype("f")
    layers[1]._encoder(points, training=True)  # of every edge in every direction
    for one, other in zip(*(statistics(layer) for layer in layers), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-4)


def statistics(layer: tf.keras.layers.Layer) -> list[np.ndarray]:
    norms = [inside for inside in layer._flatten_layers() if isinstance(inside, MaskedBatchNormalization)]
    return [moment.numpy() for norm in norms for moment in (norm.moving_mean, norm.moving_variance)]


def test_its_slope_is_that_of_finite_differences_and_has_no_steps():
    """At a distance of the table, too, and at a self-loop, where a length has none."""
    tf.keras.utils.set_random_seed(0)
    layer = ExactSymmetrization(units=(8, 6), cutoff=CUTOFF, dtype="float64")
    direction = np.array([0.36, 0.48, -0.8])
    place = 120 * SPACING + np.array([-1e-7, 0.0, 1e-7, 0.4 * SPACING])
    given = tf.constant(np.append(place[:, None] * direction, np.zeros((1, 3)), axis=0))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        channels = tf.unstack(layer(given), axis=1)
    slopes = np.stack([tape.gradient(channel, given) for channel in channels])  # [C, edges, 3]
    assert np.isfinite(slopes).all()
    step = 1e-5 * direction
    expected = (layer(given[3:4] + step) - layer(given[3:4] - step)) / 2e-5
    np.testing.assert_allclose(slopes[:, 3] @ direction, expected[0], atol=1e-7)
    assert np.abs(slopes[:, 0] - slopes[:, 2]).max() < 1e-4 * np.abs(slopes).max()


def test_half_precision_rounds_what_is_encoded_and_not_the_distance():
    """Of which it would know 0.03 A at 4 A."""
    tf.keras.utils.set_random_seed(0)
    layer = ExactSymmetrization(units=(32, 32), cutoff=CUTOFF)
    half = ExactSymmetrization(units=(32, 32), cutoff=CUTOFF, dtype="mixed_bfloat16")
    given = edges(500)
    for _ in range(50):
        layer(given, training=True)
    half.build(tf.TensorShape([None, 3]))
    half.set_weights(layer.get_weights())
    exact = layer(given).numpy()
    rounded = layer(tf.cast(tf.cast(given, tf.bfloat16), tf.float32))
    error, of_distances = (np.sqrt(np.mean((tf.cast(made, "float32") - exact) ** 2)) for made in (half(given), rounded))
    assert error < 0.5 * of_distances


def test_the_model_on_it_is_invariant_and_all_of_it_is_trained():
    """Where transforms are drawn, the same glass turned is another to the model."""
    graph = build_graph(random_glass(2, 60), cutoff=4.0, self_loops=True)
    turn = Uniform(transforms=2, seed=1)(None).numpy()[1]  # improper
    given = [to_graph_tensor(graph), to_graph_tensor(replace(graph, displacement=graph.displacement @ turn))]
    moved = {}
    for distribution in ("haar", "uniform"):
        tf.keras.utils.set_random_seed(0)
        sizes = {"species": SPECIES, "cutoff": 4.0, "width": 8, "heads": (2, 1), "decoder_layers": 1}
        model = SymGNN(distribution=distribution, transforms=2, **sizes)
        for _ in range(10):
            model(given[0], training=True)
        first, other = (model(one).numpy() for one in given)
        moved[distribution] = np.abs(first - other).max() / first.std()
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(given[0], training=True)))
        assert all(gradient is not None for gradient in tape.gradient(loss, model.trainable_variables))
    assert moved["haar"] < 1e-4 < 0.1 < moved["uniform"]
