"""Multilevel graph convolutional network."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.baselines.dense import PairDense, dense_stack
from tf_symgnn.models.baselines.network import BaselineNetwork
from tf_symgnn.nn.pairs import Surroundings, gaussian_basis

KEPT = 0.8  # eta, the share of a pair's state that an update keeps


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MultilevelInteraction(tf.keras.layers.Layer):
    """One level of MGCN (Lu et al. 2019, interaction layer), with the residual of its published implementation.

        h'_j  = h_j + f_out(sum_i (W h_i + b) * f_r(basis(r_ij)) + U e_ij)
        e'_ij = eta e_ij + (1 - eta) V (h_i * h_j)

    Args:
        units: width of atom and pair states.
        update_pairs: whether pair states are updated; the last layer's would be used by nobody.
    """

    def __init__(self, *, units: int, update_pairs: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.update_pairs, own = units, update_pairs, {"dtype": self.dtype_policy}
        self._inward = tf.keras.layers.Dense(units, name="inward", **own)
        self._radial = dense_stack((units, units), "softplus", name="radial", **own)
        self._pair = tf.keras.layers.Dense(units, use_bias=False, name="pair", **own)
        self._outward = dense_stack((units, units), "softplus", name="outward", **own)
        if update_pairs:
            self._pair_update = tf.keras.layers.Dense(units, use_bias=False, name="pair_update", **own)

    def call(self, inputs: tuple[tf.Tensor, ...], around: Surroundings) -> tuple[tf.Tensor, tf.Tensor]:
        """Updates nodes [N, F] and pairs [E, F] by the pairs' radial basis [E, B]."""
        nodes, pairs, basis = inputs
        message = around.from_source(self._inward(nodes)) * self._radial(basis)
        # The linear map of pairs may wait until after their sum.
        received = around.received(message) + self._pair(around.received(pairs))
        if self.update_pairs:
            met = around.from_source(nodes) * around.from_target(nodes)
            pairs = KEPT * pairs + (1 - KEPT) * self._pair_update(met)
        return nodes + self._outward(received), pairs

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units, "update_pairs": self.update_pairs}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MGCN(BaselineNetwork):
    """Multilevel graph convolutional network (Lu et al. 2019): states of all levels are read out.

    Pair states start as a function of the two species. Predictions are exactly invariant under translation,
    permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.pair_embedding = PairDense(units=width, name="pair_embedding", **self.own)
        self.layers_ = [
            MultilevelInteraction(units=width, update_pairs=k < layers - 1, name=f"layer_{k}", **self.own)
            for k in range(layers)
        ]

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Joins the node states of all levels, [N, (1 + layers) F]."""
        basis = gaussian_basis(around.distance, self.cutoff)
        pairs = tf.nn.softplus(self.pair_embedding((nodes, tf.zeros_like(around.weight)), around=around))
        levels = [nodes]
        for layer in self.layers_:
            nodes, pairs = layer((nodes, pairs, basis), around=around)
            levels.append(nodes)
        return tf.concat(levels, axis=1)
