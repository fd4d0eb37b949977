"""Graph convolutional network with edge features."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.baselines.gcn import degree
from tf_symgnn.models.baselines.network import BaselineNetwork
from tf_symgnn.nn.edge_encoder import EdgeEncoder
from tf_symgnn.nn.normalization import MaskedBatchNormalization
from tf_symgnn.nn.pairs import Surroundings


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EdgeConvolution(tf.keras.layers.Layer):
    """h'_j = ReLU(BN(ReLU(W h_j + r) / d_j + sum_i ReLU(W h_i + U e_ij) / sqrt(d_i d_j))) (Hu et al. 2020, OGB).

    Args:
        units: width of the states.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units, own = units, {"dtype": self.dtype_policy}
        self._linear = tf.keras.layers.Dense(units, name="linear", **own)
        self._edge_linear = tf.keras.layers.Dense(units, name="edge_linear", **own)
        self._norm = MaskedBatchNormalization(name="norm", **own)

    def build(self, input_shape: tuple[tf.TensorShape, tf.TensorShape]) -> None:
        """Creates r [F]; the layers inside create theirs when called."""
        self.root = self.add_weight(name="root", shape=(self.units,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], around: Surroundings, training: bool = False) -> tf.Tensor:
        """Convolves nodes [N, F] with edge features [E, C]."""
        nodes, edges = inputs
        share = tf.math.rsqrt(degree(around))
        nodes = self._linear(nodes)
        message = tf.nn.relu(around.from_source(nodes) + self._edge_linear(edges)) * around.from_source(share)
        nodes = share * (share * tf.nn.relu(nodes + self.root) + around.received(message))
        return tf.nn.relu(self._norm(nodes, mask=around.real_atoms, training=training))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EdgeGCN(BaselineNetwork):
    """GCN whose messages know the raw displacement, encoded as SymGNN's phi does: the comparison of Li et al. 2024.

    Predictions are not invariant under rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.edge_encoder = EdgeEncoder(units=(width, width), name="edge_encoder", **self.own)
        self.layers_ = [EdgeConvolution(units=width, name=f"layer_{k}", **self.own) for k in range(layers)]

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Convolves node states [N, F]."""
        edges = self.edge_encoder(around.displacement, mask=around.real_pairs, training=training)
        for layer in self.layers_:
            nodes = layer((nodes, edges), around=around, training=training)
        return nodes
