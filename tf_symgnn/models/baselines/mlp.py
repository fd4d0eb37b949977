"""Multilayer perceptron on type and position."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn import names
from tf_symgnn.models.baselines.network import BaselineNetwork
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.pairs import Surroundings


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MLP(BaselineNetwork):
    """Dense blocks on an atom's species and position: the non-graph baseline of Li et al. 2024.

    It uses no pair. Predictions are exactly invariant under permutation and nothing else.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.receptive_field = 0.0
        self.blocks = DenseBlocks(units=(width,) * layers, name="blocks", **self.own)

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Maps species [N, F] and positions."""
        position = tf.cast(around.graph.node_sets[names.ATOMS][names.POSITION], self.compute_dtype)
        return self.blocks(tf.concat([nodes, position], axis=1), mask=around.real_atoms, training=training)
