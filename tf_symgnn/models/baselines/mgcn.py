"""Multilevel graph convolutional network (MGCN)."""

from __future__ import annotations

from functools import partial

import tensorflow as tf

from tf_symgnn.models.base import State
from tf_symgnn.models.baselines.dense import PairDense, dense_stack
from tf_symgnn.models.baselines.network import EDGES, NODES, BaselineNetwork, Hop
from tf_symgnn.models.baselines.schnet import BASIS
from tf_symgnn.nn.pairs import PairView, gaussian_basis

ETA = 0.8  # the weight of the previous edge state in its update
LEVELS = "levels"  # node states of all levels so far [N, levels F]


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MultilevelInteraction(tf.keras.layers.Layer):
    """One level of MGCN (Lu et al. 2019, interaction layer), with the residual of its published implementation.

        h'_j  = h_j + f_out(sum_i (W h_i + b) * f_r(basis(r_ij)) + U e_ij)
        e'_ij = eta e_ij + (1 - eta) V (h_i * h_j)

    Args:
        units: width of node and edge states.
        update_pairs: whether to update edge states. The last layer need not, since no layer reads them afterwards.
    """

    def __init__(self, *, units: int, update_pairs: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.update_pairs, dtype = units, update_pairs, self.dtype_policy
        self._inward = tf.keras.layers.Dense(units, name="inward", dtype=dtype)
        self._radial = dense_stack((units, units), "softplus", name="radial", dtype=dtype)
        self._pair = tf.keras.layers.Dense(units, use_bias=False, name="pair", dtype=dtype)
        self._outward = dense_stack((units, units), "softplus", name="outward", dtype=dtype)
        if update_pairs:
            self._pair_update = tf.keras.layers.Dense(units, use_bias=False, name="pair_update", dtype=dtype)

    def call(self, inputs: tuple[tf.Tensor, ...], view: PairView) -> tuple[tf.Tensor, tf.Tensor]:
        """Return updated nodes [N, F] and edges [E, F] from both and the radial basis of pairs [E, B]."""
        nodes, edges, basis = inputs
        message = view.gather_source(self._inward(nodes)) * self._radial(basis)
        # The map of pairs is linear, so it applies to their sum, once per atom.
        received = view.sum_to_receiver(message) + self._pair(view.sum_to_receiver(edges))
        if self.update_pairs:
            product = view.gather_source(nodes) * view.gather_target(nodes)
            edges = ETA * edges + (1 - ETA) * self._pair_update(product)
        return nodes + self._outward(received), edges

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units, "update_pairs": self.update_pairs}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MGCN(BaselineNetwork):
    """Multilevel graph convolutional network (Lu et al. 2019). The decoder reads the states of all levels.

    Initial edge states are a function of the two species. Predictions are exactly invariant under translation,
    permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        dtype = self.dtype_policy
        self.pair_embedding = PairDense(units=width, name="pair_embedding", dtype=dtype)
        self.layers_ = [
            MultilevelInteraction(units=width, update_pairs=k < layers - 1, name=f"layer_{k}", dtype=dtype)
            for k in range(layers)
        ]

    def first_state(self, nodes: tf.Tensor, view: PairView, training: bool) -> State:
        """Return node states of the first level, edge states of the two species, and the radial basis of distances."""
        edges = tf.nn.softplus(self.pair_embedding((nodes, tf.zeros_like(view.weight)), view=view))
        return State({NODES: nodes, LEVELS: nodes}, {EDGES: edges, BASIS: gaussian_basis(view.distance, self.cutoff)})

    def hops(self) -> list[Hop]:
        """Return one interaction per layer."""
        return [partial(self._interact, layer) for layer in self.layers_]

    def last_nodes(self, state: State) -> tf.Tensor:
        """Return the node states of all levels, [N, (1 + layers) F]."""
        return state.atoms[LEVELS]

    def _interact(self, layer: MultilevelInteraction, state: State, view: PairView, training: bool) -> State:
        inputs = state.atoms[NODES], state.pairs[EDGES], state.pairs[BASIS]
        nodes, edges = layer(inputs, view=view)
        levels = tf.concat([state.atoms[LEVELS], nodes], axis=1)
        return State({NODES: nodes, LEVELS: levels}, state.pairs | {EDGES: edges})
