"""The average of an encoding over O(3)."""

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
from tf_symgnn.nn.symmetrization import GRID_SPACING, N_DIRECTIONS, ExactSymmetrization

CUTOFF = 5.0


@pytest.fixture
def layer():
    """Return a layer with perturbed weights and with batch statistics of 500 edges."""
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
    """Return displacements [n, 3] A of lengths between 2 A and the cutoff."""
    rng = np.random.default_rng(n)
    directions = rng.normal(size=(n, 3))
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.uniform(2, CUTOFF, (n, 1))).astype("f")


def test_the_encoding_is_a_function_of_the_distance(layer):
    displacement = edges(100)
    transforms = Uniform(transforms=10, seed=3)(None).numpy()
    encoded = np.stack([layer(displacement @ transform) for transform in transforms])
    assert np.ptp(encoded, axis=0).max() < 2e-5
    assert encoded[0].std(axis=0).min() > 1e-2  # and depends on the distance


def test_the_encoding_is_the_mean_of_phi_over_uniform_transforms(layer):
    """The reference is the mean over 1000 random transforms, from which a single phi differs."""
    displacement = edges(40)
    transforms = Uniform(transforms=1000, seed=0)(None).numpy()
    sampled = np.stack([layer._encoder(displacement @ transform) for transform in transforms])
    error = sampled.std(axis=0) / np.sqrt(len(sampled))
    assert np.abs(layer(displacement) - sampled.mean(axis=0)).max() < 5 * error.max() + 0.01
    assert np.abs(layer(displacement) - sampled[0]).max() > 0.1


def test_64_directions_are_enough(layer):
    """The reference is the mean over 8192 directions."""
    distance = np.linspace(2, CUTOFF, 40)
    points = distance[:, None, None] * fibonacci_sphere(8192)
    expected = tf.reduce_mean(layer._encoder(points.astype("f")), axis=1).numpy()
    encoded = layer((distance[:, None] * [0.36, 0.48, -0.8]).astype("f")).numpy()
    assert np.sqrt(np.mean((encoded - expected) ** 2)) < 0.05 * expected.std(axis=0).mean()
    np.testing.assert_allclose(encoded, expected, atol=0.03)


def test_interpolation_between_distances_is_exact_to_1e_4(layer):
    displacement = edges(60)
    distance = np.linalg.norm(displacement, axis=1)
    points = distance[:, None, None] * fibonacci_sphere(N_DIRECTIONS)
    expected = tf.reduce_mean(layer._encoder(points.astype("f")), axis=1)
    np.testing.assert_allclose(layer(displacement), expected, atol=1e-4)


def test_batch_statistics_are_those_of_the_unmasked_edges():
    displacement, mask = edges(400), np.repeat([1.0, 0.0], 200).astype("f")
    layers = ExactSymmetrization(units=(8, 6), cutoff=CUTOFF), ExactSymmetrization(units=(8, 6), cutoff=CUTOFF)
    for layer in layers:
        tf.keras.utils.set_random_seed(0)
        layer.build(tf.TensorShape([None, 3]))
    layers[0](displacement, mask=mask, training=True)
    distance = np.linalg.norm(displacement[:200], axis=1)
    points = (distance[:, None, None] * fibonacci_sphere(N_DIRECTIONS)).astype("f")
    layers[1]._encoder(points, training=True)  # evaluates each edge in each direction
    for one, other in zip(*(statistics(layer) for layer in layers), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=1e-4)


def statistics(layer: tf.keras.layers.Layer) -> list[np.ndarray]:
    norms = [part for part in layer._flatten_layers() if isinstance(part, MaskedBatchNormalization)]
    return [moment.numpy() for norm in norms for moment in (norm.moving_mean, norm.moving_variance)]


def test_gradients_are_finite_differences_and_continuous():
    """The displacements include a distance of the grid, and a self-loop, whose length has no derivative."""
    tf.keras.utils.set_random_seed(0)
    layer = ExactSymmetrization(units=(8, 6), cutoff=CUTOFF, dtype="float64")
    direction = np.array([0.36, 0.48, -0.8])
    distance = 120 * GRID_SPACING + np.array([-1e-7, 0.0, 1e-7, 0.4 * GRID_SPACING])
    displacement = tf.constant(np.append(distance[:, None] * direction, np.zeros((1, 3)), axis=0))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(displacement)
        channels = tf.unstack(layer(displacement), axis=1)
    slopes = np.stack([tape.gradient(channel, displacement) for channel in channels])  # [C, edges, 3]
    assert np.isfinite(slopes).all()
    step = 1e-5 * direction
    expected = (layer(displacement[3:4] + step) - layer(displacement[3:4] - step)) / 2e-5
    np.testing.assert_allclose(slopes[:, 3] @ direction, expected[0], atol=1e-7)
    assert np.abs(slopes[:, 0] - slopes[:, 2]).max() < 1e-4 * np.abs(slopes).max()


def test_half_precision_rounds_the_encoding_but_not_the_distance():
    """Bfloat16 would round a distance of 4 A to 0.03 A."""
    tf.keras.utils.set_random_seed(0)
    layer = ExactSymmetrization(units=(32, 32), cutoff=CUTOFF)
    half = ExactSymmetrization(units=(32, 32), cutoff=CUTOFF, dtype="mixed_bfloat16")
    displacement = edges(500)
    for _ in range(50):
        layer(displacement, training=True)
    half.build(tf.TensorShape([None, 3]))
    half.set_weights(layer.get_weights())
    exact = layer(displacement).numpy()
    rounded = layer(tf.cast(tf.cast(displacement, tf.bfloat16), tf.float32))
    results = half(displacement), rounded
    error, distance_error = (np.sqrt(np.mean((tf.cast(x, "float32") - exact) ** 2)) for x in results)
    assert error < 0.5 * distance_error


def test_a_haar_model_is_invariant_and_all_its_weights_get_gradients():
    """A model with few sampled transforms is not invariant."""
    graph = build_graph(random_glass(2, 60), cutoff=4.0, self_loops=True)
    improper = Uniform(transforms=2, seed=1)(None).numpy()[1]
    transformed = replace(graph, displacement=graph.displacement @ improper)
    graphs = [to_graph_tensor(graph), to_graph_tensor(transformed)]
    change = {}
    for distribution in ("haar", "uniform"):
        tf.keras.utils.set_random_seed(0)
        model = SymGNN(
            species=SPECIES,
            cutoff=4.0,
            width=8,
            heads=(2, 1),
            decoder_layers=1,
            distribution=distribution,
            transforms=2,
        )
        for _ in range(10):
            model(graphs[0], training=True)
        first, other = (model(one).numpy() for one in graphs)
        change[distribution] = np.abs(first - other).max() / first.std()
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(graphs[0], training=True)))
        assert all(gradient is not None for gradient in tape.gradient(loss, model.trainable_variables))
    assert change["haar"] < 1e-4 < 0.1 < change["uniform"]
