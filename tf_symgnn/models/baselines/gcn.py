"""Graph convolutional network."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.baselines.network import BaselineNetwork
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.pairs import Surroundings


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class GCN(BaselineNetwork):
    """Graph convolutions of species (Kipf & Welling 2017, eq. 2), each with batch norm.

        h'_j = ReLU(BN(W (h_j / d_j + sum_i h_i / sqrt(d_i d_j)))),   d_j = 1 + number of neighbours

    It knows who neighbours whom, not where they are, so predictions are exactly invariant under translation,
    permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.layers_ = [DenseBlocks(units=(width,), name=f"layer_{k}", **self.own) for k in range(layers)]

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Convolves node states [N, F]."""
        share = tf.math.rsqrt(degree(around))
        for layer in self.layers_:
            received = around.received(around.from_source(share * nodes))
            nodes = layer(share * (share * nodes + received), mask=around.real_atoms, training=training)
        return nodes


def degree(around: Surroundings) -> tf.Tensor:
    """d [N, 1]: 1 for the atom itself, and the sum of the weights of the pairs that it receives."""
    return 1 + around.received(tf.ones_like(around.weight))
