"""Layers of EGNN and SchNet compared to values by hand on three atoms, and the equivariance of EGNN."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, random_glass
from tf_symgnn.data import Glass
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.models.baselines.egnn import AVERAGE_NEIGHBORS, EquivariantConvolution
from tf_symgnn.models.baselines.schnet import Interaction
from tf_symgnn.nn.pairs import PairView, gaussian_basis

# A right angle: atoms 1 and 2 lie 1 A and 2 A from atom 0, and so sqrt(5) A apart.
POSITIONS = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
SQUARED = {(0, 1): 1.0, (0, 2): 4.0, (1, 2): 5.0}
STATES = [0.5, -1.0, 2.0]


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def ssp(x: float) -> float:
    return math.log(0.5 * math.exp(x) + 0.5)


def squared(i: int, j: int) -> float:
    return SQUARED[min(i, j), max(i, j)]


def others(j: int) -> list[int]:
    return [i for i in range(3) if i != j]


@pytest.fixture
def view() -> PairView:
    """Return the view of the three atoms, with self-loops, which the equations below exclude."""
    glass = Glass(
        positions=POSITIONS,
        cell=np.eye(3) * 20,
        pbc=(False,) * 3,
        species=np.array(["Cu", "Zr", "Cu"]),
        barrier=None,
        source="three.xyz",
    )
    return PairView.of(to_graph_tensor(build_graph(glass, cutoff=5.0, self_loops=True)), "float32")


def set_ones(layer: tf.keras.layers.Layer) -> None:
    """Set all kernels to one and all biases to zero. With one channel, linear maps are then sums."""
    for weight in layer.weights:
        weight.assign(tf.zeros_like(weight) if "bias" in weight.name else tf.ones_like(weight))


def test_an_egnn_layer_by_hand(view):
    layer = EquivariantConvolution(units=1, reach=5.0)
    states, shift = tf.constant(STATES)[:, tf.newaxis], tf.zeros([3, 3])
    layer((states, shift), view=view)
    set_ones(layer)
    new_states, new_shift = layer((states, shift), view=view)

    for j in range(3):
        message = {i: silu(silu(STATES[i] + STATES[j] + squared(i, j))) for i in others(j)}
        update = sum((POSITIONS[j] - POSITIONS[i]) * silu(message[i]) for i in others(j))
        np.testing.assert_allclose(new_shift[j], update / 2, rtol=1e-5, atol=1e-6)
        expected = STATES[j] + silu(STATES[j] + sum(message.values()) / AVERAGE_NEIGHBORS)
        np.testing.assert_allclose(new_states[j, 0], expected, rtol=1e-5)


def test_initial_egnn_messages_have_thresholds_at_different_distances(view):
    """As functions of the squared distance, the channels of the first map are zero at different distances."""
    layer = EquivariantConvolution(units=9, reach=4.0)
    layer((tf.zeros([3, 9]), tf.zeros([3, 3])), view=view)
    slopes = layer._first.kernel.numpy()[-1]
    np.testing.assert_allclose(-layer._first.bias / slopes, np.linspace(0, 16, 9), atol=1e-5)
    assert set(slopes) == {1.0, -1.0} and slopes.sum() == 1.0
    restored = EquivariantConvolution.from_config(layer.get_config())
    restored((tf.zeros([3, 9]), tf.zeros([3, 3])), view=view)
    np.testing.assert_array_equal(restored._first.bias, layer._first.bias)
    np.testing.assert_array_equal(restored._first.kernel[-1], slopes)


def test_a_schnet_interaction_by_hand(view):
    """The distance itself serves as the radial basis."""
    layer = Interaction(units=1)
    states = tf.constant(STATES)[:, tf.newaxis]
    layer((states, view.distance), view=view)
    set_ones(layer)
    new_states = layer((states, view.distance), view=view)

    for j in range(3):
        received = sum(STATES[i] * ssp(ssp(math.sqrt(squared(i, j)))) for i in others(j))
        np.testing.assert_allclose(new_states[j, 0], STATES[j] + ssp(received), rtol=1e-5)


def test_the_radial_basis_by_hand():
    basis = gaussian_basis(tf.constant([[0.3], [4.95]]), 5.0).numpy()
    assert basis.shape == (2, 51)
    assert basis[0, 3] == pytest.approx(1.0) and basis[0, 5] == pytest.approx(math.exp(-10 * 0.04), rel=1e-4)
    assert basis[1, 50] == pytest.approx(math.exp(-10 * 0.0025), rel=1e-4)


def test_egnn_coordinates_are_equivariant_and_states_invariant():
    tf.keras.utils.set_random_seed(0)
    improper = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]]) @ np.diag([1, 1, -1])
    graph = build_graph(random_glass(0, 50), cutoff=4.0, self_loops=True)
    first, second = (EquivariantConvolution(units=4, reach=4.0) for _ in range(2))
    results = []
    for glass_graph in (graph, graph.transformed(improper)):
        view = PairView.of(to_graph_tensor(glass_graph), "float32")
        states = tf.one_hot(np.searchsorted(SPECIES, graph.atomic_numbers), 4), tf.zeros([50, 3])
        # Large shifts make the distances of the second layer differ from those of the first.
        if not first.built:
            first(states, view=view)
            first._outer.kernel.assign(tf.ones_like(first._outer.kernel))
        results.append(second(first(states, view=view), view=view))
    (states, shift), (transformed_states, transformed_shift) = results
    assert np.abs(shift).max() > 0.1
    np.testing.assert_allclose(transformed_shift, shift @ improper.astype(np.float32), atol=1e-4)
    np.testing.assert_allclose(transformed_states, states, rtol=1e-4, atol=1e-4)
