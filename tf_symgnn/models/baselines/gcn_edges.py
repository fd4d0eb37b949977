"""Graph convolutional network with edge features."""

from __future__ import annotations

from functools import partial

import tensorflow as tf

from tf_symgnn.models.base import State
from tf_symgnn.models.baselines.gcn import SCALE, add_scale
from tf_symgnn.models.baselines.network import EDGES, NODES, BaselineNetwork, Hop
from tf_symgnn.nn.edge_encoder import EdgeEncoder
from tf_symgnn.nn.normalization import MaskedBatchNormalization
from tf_symgnn.nn.pairs import PairView


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EdgeConvolution(tf.keras.layers.Layer):
    """A graph convolution with edge features, as in the baselines of the Open Graph Benchmark (Hu et al. 2020).

        h'_j = ReLU(BN(ReLU(W h_j + r) / d_j + sum_i ReLU(W h_i + U e_ij) / sqrt(d_i d_j)))

    Args:
        units: width of the states.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units, dtype = units, self.dtype_policy
        self._linear = tf.keras.layers.Dense(units, name="linear", dtype=dtype)
        self._edge_linear = tf.keras.layers.Dense(units, name="edge_linear", dtype=dtype)
        self._norm = MaskedBatchNormalization(name="norm", dtype=dtype)

    def build(self, input_shape: tuple[tf.TensorShape, ...]) -> None:
        """Create r [F]; sublayers create their weights when called."""
        self.root = self.add_weight(name="root", shape=(self.units,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, ...], view: PairView, training: bool = False) -> tf.Tensor:
        """Return updated nodes [N, F] from nodes [N, F], the scales of their messages [N, 1] and edges [E, C]."""
        nodes, scale, edges = inputs
        nodes = self._linear(nodes)
        message = tf.nn.relu(view.gather_source(nodes) + self._edge_linear(edges)) * view.gather_source(scale)
        nodes = scale * (scale * tf.nn.relu(nodes + self.root) + view.sum_to_receiver(message))
        return tf.nn.relu(self._norm(nodes, mask=view.real_atoms, training=training))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EdgeGCN(BaselineNetwork):
    """GCN with displacements as edge features, encoded by SymGNN's phi: a baseline of Li et al. 2024.

    Predictions are not invariant under rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        dtype = self.dtype_policy
        self.edge_encoder = EdgeEncoder(units=(width, width), name="edge_encoder", dtype=dtype)
        self.layers_ = [EdgeConvolution(units=width, name=f"layer_{k}", dtype=dtype) for k in range(layers)]

    def first_state(self, nodes: tf.Tensor, view: PairView, training: bool) -> State:
        """Return node states and encoded displacements."""
        edges = self.edge_encoder(view.displacement, mask=view.real_pairs, training=training)
        return State({NODES: nodes}, {EDGES: edges})

    def hops(self) -> list[Hop]:
        """Return the hop that counts neighbors, then one convolution per layer."""
        return [add_scale, *(partial(self._convolve, layer) for layer in self.layers_)]

    def _convolve(self, layer: EdgeConvolution, state: State, view: PairView, training: bool) -> State:
        inputs = state.atoms[NODES], state.atoms[SCALE], state.pairs[EDGES]
        nodes = layer(inputs, view=view, training=training)
        return State(state.atoms | {NODES: nodes}, state.pairs)
