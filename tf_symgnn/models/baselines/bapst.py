"""The graph network of Bapst et al."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.baselines.augmented import TurnedEncoding
from tf_symgnn.models.baselines.dense import PairDense, dense_stack
from tf_symgnn.models.baselines.network import UNIT, BaselineNetwork
from tf_symgnn.nn.pairs import Surroundings


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class GraphNetworkBlock(tf.keras.layers.Layer):
    """One graph network block (Battaglia et al. 2018, algorithm 1, without globals): pairs, then atoms, by MLPs.

        e'_ij = MLP(h_i, h_j, e_ij);   h'_j = MLP(h_j, sum_i e'_ij)

    Args:
        units: width of the MLPs' two layers.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units, own = units, {"dtype": self.dtype_policy}
        self._first = PairDense(units=units, name="pair_first", **own)
        self._second = tf.keras.layers.Dense(units, activation="relu", name="pair_second", **own)
        self._node = dense_stack((units, units), "relu", last="relu", name="node", **own)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], around: Surroundings) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes nodes [N, C] and pairs [E, D]; gives nodes and pairs of width F."""
        nodes, pairs = inputs
        pairs = self._second(tf.nn.relu(self._first(inputs, around=around)))
        return self._node(tf.concat([nodes, around.received(pairs) / UNIT], axis=1)), pairs

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class BapstNetwork(BaselineNetwork):
    """Encode, process, decode (Bapst et al. 2020, methods): one block applied again and again to what it last gave
    joined with what was encoded, on relative positions turned at random in training. As SymGNN's phi encodes them it
    learns in minutes; from a perceptron of ReLUs it learned next to nothing in a quarter of an hour.

    Predictions are not invariant under rotation and reflection, but trained to be under rotation.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, seed: int = 0, **kwargs):
        super().__init__(width=width, layers=layers, seed=seed, **kwargs)
        self.steps = layers
        self.node_encoder = dense_stack((width, width), "relu", last="relu", name="node_encoder", **self.own)
        self.pair_encoder = TurnedEncoding(units=(width, width), seed=seed, name="pair_encoder", **self.own)
        self.block = GraphNetworkBlock(units=width, name="block", **self.own)

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Processes node states [N, F]."""
        pairs = self.pair_encoder(around.displacement, mask=around.real_pairs, training=training)
        encoded = self.node_encoder(nodes), pairs
        state = encoded
        for _ in range(self.steps):
            joined = tuple(tf.concat(pair, axis=1) for pair in zip(state, encoded, strict=True))
            state = self.block(joined, around=around)
        return state[0]
