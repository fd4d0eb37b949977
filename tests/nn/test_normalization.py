"""Batch normalization that excludes padding, and dense blocks."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tf_symgnn.nn.normalization import DenseBlocks, MaskedBatchNormalization


def test_without_padding_the_layer_equals_that_of_keras():
    rows = tf.random.stateless_normal((50, 4), (0, 0)) * [1.0, 2.0, 0.1, 5.0] + 3.0
    own = MaskedBatchNormalization()
    keras = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    for _ in range(3):
        np.testing.assert_allclose(own(rows, training=True), keras(rows, training=True), atol=1e-5)
    np.testing.assert_allclose(own.moving_mean, keras.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(own.moving_variance, keras.moving_variance, rtol=1e-4)
    np.testing.assert_allclose(own(rows), keras(rows), atol=1e-5)


def test_padding_changes_neither_outputs_nor_statistics():
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    padded = np.concatenate([rows, np.full((7, 4), 1e3, np.float32)])
    mask = np.r_[np.ones(30), np.zeros(7)].astype(np.float32)
    bare, masked = MaskedBatchNormalization(), MaskedBatchNormalization()
    expected = bare(rows, training=True)
    np.testing.assert_allclose(masked(padded, mask=mask, training=True)[:30], expected, atol=1e-5)
    np.testing.assert_allclose(masked.moving_mean, bare.moving_mean, atol=1e-6)
    np.testing.assert_allclose(masked.moving_variance, bare.moving_variance, atol=1e-6)


def test_leading_axes_share_statistics():
    values = tf.random.stateless_normal((6, 5, 4), (0, 0))
    one, other = MaskedBatchNormalization(), MaskedBatchNormalization()
    flat = one(tf.reshape(values, [30, 4]), training=True)
    np.testing.assert_allclose(tf.reshape(other(values, training=True), [30, 4]), flat, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "prelu", "gaussian"])
def test_dense_blocks_are_restored_from_their_config(activation):
    layer = DenseBlocks(units=(3, 5), activation=activation)
    assert layer(tf.ones([2, 4])).shape == (2, 5)
    assert DenseBlocks.from_config(layer.get_config()).get_config() == layer.get_config()


def test_blocks_are_restored_with_their_initializer_and_draw_different_kernels():
    layer = DenseBlocks(units=(4, 4), kernel_initializer=tf.keras.initializers.Ones())
    restored = DenseBlocks.from_config(layer.get_config())
    restored(tf.ones([2, 4]))
    np.testing.assert_array_equal(restored.linear_and_norm[0][0].kernel, np.ones((4, 4)))
    random = DenseBlocks(units=(4, 4))
    random(tf.ones([2, 4]))
    (one, _), (other, _) = random.linear_and_norm
    assert np.abs(one.kernel - other.kernel).max() > 0.1


def test_initial_gaussians_are_evenly_centered_over_their_inputs():
    values = tf.linspace(-1.0, 1.0, 2001)[:, tf.newaxis]  # the standard deviation is 1 / sqrt(3)
    layer = DenseBlocks(units=(9,), activation="gaussian", kernel_initializer="ones")
    outputs = layer(values, training=True).numpy()
    centers = values.numpy()[np.argmax(outputs, axis=0), 0]
    inside = np.abs(np.linspace(-2, 2, 9)) < np.sqrt(3)
    np.testing.assert_allclose(centers[inside], np.linspace(-2, 2, 9)[inside] / np.sqrt(3), atol=1e-3)
    # A Gaussian falls to exp(-1/2) at the next center but one, hence that is its standard deviation.
    np.testing.assert_allclose(outputs[np.argmax(outputs[:, 4]), 6], np.exp(-0.5), atol=1e-3)


def test_statistics_are_synchronized_across_replicas():
    """Two replicas with different numbers of real rows give the same result as one device with all rows."""
    # Logical devices must be configured before TensorFlow starts, so the test needs its own process.
    script = """
import numpy as np, tf_symgnn, tensorflow as tf
from tf_symgnn.nn.normalization import MaskedBatchNormalization
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rows = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
mask = np.array([1] * 6 + [1, 1, 0, 0, 0, 0], "float32")
whole = MaskedBatchNormalization()
expected = whole(rows, mask=mask, training=True)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    shared = MaskedBatchNormalization()
    shared.build((None, 3))
share = lambda x: strategy.experimental_distribute_values_from_function(
    lambda context: tf.constant(np.split(x, 2)[context.replica_id_in_sync_group]))
run = tf.function(lambda x, m: strategy.run(lambda x, m: shared(x, mask=m, training=True), (x, m)))
found = tf.concat(strategy.experimental_local_results(run(share(rows), share(mask))), 0)
np.testing.assert_allclose(found, expected, atol=1e-5)
np.testing.assert_allclose(shared.moving_mean.numpy(), whole.moving_mean.numpy(), atol=1e-6)
np.testing.assert_allclose(shared.moving_variance.numpy(), whole.moving_variance.numpy(), atol=1e-6)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
