"""The Keras model that `fit` trains: any model of the catalog under a mean squared error over atoms."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.data import LabelScaling
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.nn.normalization import sum_over_replicas
from tf_symgnn.training.metrics import PearsonCorrelation

# Of the names of scores of the trained submodel, where that is not the model itself.
NETWORK_PREFIX = "network_"


class BarrierRegressor(tf.keras.Model):
    """Trains the sub-model `trained` of a model on (graph, labels f32[N] eV, loss weights f32[N]); scores the model.

    The loss is the mean, over the atoms that carry it, of the squared error in units of the labels' variance times the
    weight of the label, whose mean over the training atoms is 1. Over several replicas it is weighted by atoms. Scores
    of training are those of `trained`, as it learns. Where that is a part of the model only, validation scores both, so
    that there are curves of training and validation for one model.

    Args:
        model: takes a GraphTensor, predicts f[N] eV.
        scaling: of the training labels.
    """

    def __init__(self, model: BarrierModel, scaling: LabelScaling):
        super().__init__(name="barrier_regressor")
        self.barrier_model, self._scaling = model, scaling
        self._scores = self._score_metrics("")
        self._network_scores = [] if model.trained is model else self._score_metrics(NETWORK_PREFIX)
        self._gradient_norm = tf.keras.metrics.Mean(name="gradient_norm")
        self._atoms = tf.keras.metrics.Sum(name="atoms")
        # A metric's result is that of all replicas already: Keras would add up as many of it as there are replicas.
        self.distribute_reduction_method = "first"

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """Return what Keras resets at the start of each epoch."""
        return [*self._scores, *self._network_scores, self._gradient_norm, self._atoms]

    def _score_metrics(self, prefix: str) -> list[tf.keras.metrics.Metric]:
        """Return loss, Pearson and errors in eV; the loss is the first."""
        return [
            tf.keras.metrics.Mean(name=f"{prefix}loss"),
            PearsonCorrelation(center=self._scaling.mean, name=f"{prefix}pearson"),
            tf.keras.metrics.MeanAbsoluteError(name=f"{prefix}mae"),
            tf.keras.metrics.RootMeanSquaredError(name=f"{prefix}rmse"),
        ]

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predict energy barriers f[N], eV."""
        return self.barrier_model(graph, training=training)

    def train_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """Take one step of gradient descent on a batch of graph subsets."""
        graph, label, weight = data
        with tf.GradientTape() as tape:
            prediction = self.barrier_model.trained(graph, training=True)
            loss = self._mean_squared_error(label, prediction, weight)
            scaled = self.optimizer.get_scaled_loss(loss) if self._scales_loss else loss
        variables = self.barrier_model.trained.trainable_variables
        if variables:
            self._descend(tape, scaled, variables)
        self._score(self._scores, label, prediction, weight)
        self._atoms.update_state(tf.sign(weight))
        return {metric.name: metric.result() for metric in (*self._scores, self._gradient_norm, self._atoms)}

    def _descend(self, tape: tf.GradientTape, scaled: tf.Tensor, variables: list[tf.Variable]) -> None:
        """Change the variables along the gradient of the scaled loss."""
        gradients = tape.gradient(scaled, variables)
        if self._scales_loss:
            gradients = self.optimizer.get_unscaled_gradients(gradients)
        gradients = sum_over_replicas(gradients)
        norm = tf.linalg.global_norm(gradients)
        # A scaled loss whose gradient overflows is a step that the optimizer leaves out.
        counts = tf.math.is_finite(norm) if self._scales_loss else True
        self._gradient_norm.update_state(tf.where(counts, norm, 0), sample_weight=tf.cast(counts, norm.dtype))
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True), skip_gradients_aggregation=True)

    @property
    def _scales_loss(self) -> bool:
        return isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer)

    def test_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """Score a batch of graph subsets in inference mode."""
        graph, label, weight = data
        self._score(self._scores, label, self(graph, training=False), weight)
        if self._network_scores:
            self._score(self._network_scores, label, self.barrier_model.trained(graph, training=False), weight)
        return {metric.name: metric.result() for metric in (*self._scores, *self._network_scores)}

    def _mean_squared_error(self, label: tf.Tensor, prediction: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        """Return this replica's part of the mean over all atoms of the global batch that carry the loss."""
        atoms = sum_over_replicas(tf.reduce_sum(tf.sign(weight)))
        return tf.math.divide_no_nan(tf.reduce_sum(weight * self._squared_error(label, prediction)), atoms)

    def _squared_error(self, label: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        return tf.math.squared_difference(label, prediction) / self._scaling.std**2

    def _score(
        self, metrics: list[tf.keras.metrics.Metric], label: tf.Tensor, prediction: tf.Tensor, weight: tf.Tensor
    ) -> None:
        loss, *scores = metrics
        loss.update_state(self._squared_error(label, prediction), sample_weight=weight)
        for metric in scores:
            # Keras's metrics average over the last axis first: one column keeps the weights per atom.
            metric.update_state(label[:, tf.newaxis], prediction[:, tf.newaxis], sample_weight=weight)
