"""The streaming Pearson against SciPy's on all atoms at once."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import pearsonr

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.data import LabelScaling
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.training.evaluation import invariance_error, scores
from tf_symgnn.training.metrics import PearsonCorrelation
from tf_symgnn.training.regressor import BarrierRegressor


def correlated(n=1000, offset=1.5):
    rng = np.random.default_rng(0)
    labels = offset + 0.3 * rng.normal(size=n)
    return labels, labels + 0.2 * rng.normal(size=n)


@pytest.mark.parametrize("batches", [[1000], [1, 999], [10, 300, 690], [250] * 4])
@pytest.mark.parametrize("offset", [0.0, 1.5, -1e4])
def test_is_scipys_whatever_the_batches(batches, offset):
    labels, predictions = correlated(offset=offset)
    metric = PearsonCorrelation(center=offset)
    for part in np.split(np.arange(1000), np.cumsum(batches)[:-1]):
        metric.update_state(labels[part], predictions[part])
    np.testing.assert_allclose(metric.result(), pearsonr(labels, predictions).statistic, rtol=1e-11)


def test_masked_atoms_do_not_count_whatever_they_hold():
    labels, predictions = correlated()
    weight = np.random.default_rng(1).integers(0, 2, 1000).astype(float)
    spoilt = np.where(weight > 0, predictions, np.nan)
    metric = PearsonCorrelation()
    metric.update_state(labels, spoilt, sample_weight=weight)
    kept = weight > 0
    np.testing.assert_allclose(metric.result(), pearsonr(labels[kept], predictions[kept]).statistic, rtol=1e-11)


def test_forgets_at_the_start_of_an_epoch():
    labels, predictions = correlated()
    metric = PearsonCorrelation()
    metric.update_state(labels, -predictions)
    metric.reset_state()
    metric.update_state(labels, predictions)
    np.testing.assert_allclose(metric.result(), pearsonr(labels, predictions).statistic, rtol=1e-11)


def test_with_a_constant_side_it_is_not_defined():
    metric = PearsonCorrelation()
    metric.update_state(np.arange(5.0), np.full(5, 3.0))
    assert np.isnan(metric.result())


def test_pooled_scores_by_hand():
    record = scores(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 2.0]))
    assert record["n_atoms"] == 3
    np.testing.assert_allclose(record["mae"], 0.5)
    np.testing.assert_allclose(record["rmse"], np.sqrt(1.25 / 3))
    # Deviations are (-1, 0, 1) and (-1/3, 1/6, 1/6): their products sum to 1/2, their squares to 2 and 1/6.
    np.testing.assert_allclose(record["pearson"], np.sqrt(3) / 2, rtol=1e-12)
    assert scores(np.array([1.0, 2.0]), np.array([1.0, 1.0]))["pearson"] is None


def test_a_correlation_with_labels_that_are_all_the_same_is_not_defined():
    """In binary a tenth is no such number: the mean of many is another one, and they seem to vary by 1e-17."""
    labels = np.full(1000, 0.1)
    assert labels.std() > 0
    assert scores(labels, np.random.default_rng(0).normal(size=1000))["pearson"] is None
    assert scores(np.random.default_rng(0).normal(size=1000), labels)["pearson"] is None


def test_the_invariance_of_predictions_that_are_all_the_same_is_not_defined():
    graph = build_graph(random_glass(0, 100), cutoff=5.0, self_loops=True)
    constant = np.full(100, 0.1)
    assert invariance_error(lambda graph: constant, [graph], [constant]) is None


def test_a_gradient_that_is_not_finite_shows_in_its_step():
    """The square root of a weight has an infinite slope at zero, though its value is finite."""

    class Root(RidgeModel):
        def __init__(self):
            super().__init__(species=(29, 40), cutoff=4.0)
            self.root = self.add_weight(name="root", shape=(), initializer="zeros")

        def call(self, graph, training=False):
            return tf.sqrt(self.root) + tf.zeros_like(graph.node_sets[names.ATOMS][names.SPECIES], tf.float32)

    graph = to_graph_tensor(build_graph(random_glass(0, 20), cutoff=4.0, self_loops=True))
    regressor = BarrierRegressor(Root(), LabelScaling(1.0, 2.0))
    regressor.compile(optimizer=tf.keras.optimizers.Adam(0.1))
    logs = regressor.train_step((graph, tf.ones([20]), tf.ones([20])))
    assert np.isfinite(logs["loss"]) and np.isinf(logs["gradient_norm"])


def test_the_loss_is_a_mean_over_atoms_that_carry_it():
    """Errors of 1, 0 and 2 eV with weights 1/2, 3/2 and 0, for labels of standard deviation 2 eV: (1/2) / 4 / 2."""
    regressor = BarrierRegressor(
        RidgeModel(species=(29, 40), cutoff=4.0, label_mean=1.0, label_std=2.0), LabelScaling(1.0, 2.0)
    )
    loss = regressor._mean_squared_error(*(tf.constant(x) for x in ([1.0, 2, 3], [2.0, 2, 5], [0.5, 1.5, 0])))
    np.testing.assert_allclose(loss, 0.0625)
