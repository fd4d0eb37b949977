"""The graph network of Bapst et al. 2020."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.base import State
from tf_symgnn.models.baselines.augmented import RotationAugmentedEncoder
from tf_symgnn.models.baselines.dense import PairDense, dense_stack
from tf_symgnn.models.baselines.network import AVERAGE_NEIGHBORS, EDGES, NODES, BaselineNetwork, Hop
from tf_symgnn.nn.pairs import PairView

ENCODED = "encoded"  # initial node states [N, F] and edge states [E, F]


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class GraphNetworkBlock(tf.keras.layers.Layer):
    """One graph network block without global features (Battaglia et al. 2018, algorithm 1).

        e'_ij = MLP(h_i, h_j, e_ij);   h'_j = MLP(h_j, sum_i e'_ij)

    Args:
        units: width of the two layers of each MLP.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units, dtype = units, self.dtype_policy
        self._first = PairDense(units=units, name="pair_first", dtype=dtype)
        self._second = tf.keras.layers.Dense(units, activation="relu", name="pair_second", dtype=dtype)
        self._node = dense_stack((units, units), "relu", last="relu", name="node", dtype=dtype)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], view: PairView) -> tuple[tf.Tensor, tf.Tensor]:
        """Return updated nodes [N, F] and edges [E, F] from nodes [N, C] and edges [E, D]."""
        nodes, edges = inputs
        edges = self._second(tf.nn.relu(self._first(inputs, view=view)))
        return self._node(tf.concat([nodes, view.sum_to_receiver(edges) / AVERAGE_NEIGHBORS], axis=1)), edges

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class BapstNetwork(BaselineNetwork):
    """An encoder, a recurrent graph network block and a decoder (Bapst et al. 2020, methods).

    The input of each step is the output of the previous one concatenated with the encoded states. Training rotates
    displacements at random. SymGNN's phi encodes them: with an MLP of ReLUs as the encoder, the correlation stayed near
    zero in 15 minutes of training.

    Predictions are approximately invariant under rotation after training, and not invariant under reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, seed: int = 0, **kwargs):
        super().__init__(width=width, layers=layers, seed=seed, **kwargs)
        self.steps, dtype = layers, self.dtype_policy
        self.node_encoder = dense_stack((width, width), "relu", last="relu", name="node_encoder", dtype=dtype)
        self.pair_encoder = RotationAugmentedEncoder(units=(width, width), seed=seed, name="pair_encoder", dtype=dtype)
        self.block = GraphNetworkBlock(units=width, name="block", dtype=dtype)

    def first_state(self, nodes: tf.Tensor, view: PairView, training: bool) -> State:
        """Return encoded node and edge states, which are also the initial hidden states."""
        edges = self.pair_encoder(view.displacement, mask=view.real_pairs, training=training)
        nodes = self.node_encoder(nodes)
        return State({NODES: nodes, ENCODED: nodes}, {EDGES: edges, ENCODED: edges})

    def hops(self) -> list[Hop]:
        """Return the block, repeated for each layer."""
        return [self._process] * self.steps

    def _process(self, state: State, view: PairView, training: bool) -> State:
        """Return the state after one step."""
        nodes = tf.concat([state.atoms[NODES], state.atoms[ENCODED]], axis=1)
        edges = tf.concat([state.pairs[EDGES], state.pairs[ENCODED]], axis=1)
        nodes, edges = self.block((nodes, edges), view=view)
        return State(state.atoms | {NODES: nodes}, state.pairs | {EDGES: edges})
