"""SchNet."""

from __future__ import annotations

import math

import tensorflow as tf

from tf_symgnn.models.baselines.dense import dense_stack
from tf_symgnn.models.baselines.network import BaselineNetwork
from tf_symgnn.nn.pairs import Surroundings, gaussian_basis


@tf.keras.utils.register_keras_serializable("tf_symgnn")
def shifted_softplus(x: tf.Tensor) -> tf.Tensor:
    """ssp(x) = ln(exp(x) / 2 + 1 / 2)."""
    return tf.nn.softplus(x) - math.log(2)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class Interaction(tf.keras.layers.Layer):
    """One interaction block of SchNet with its continuous-filter convolution (Schütt et al. 2017, eq. 2 and figure 2).

        h'_j = h_j + W_3 ssp(W_2 sum_i (W_1 h_i) * filter(r_ij) + b_2) + b_3
        filter(r) = ssp(V_2 ssp(V_1 basis(r) + c_1) + c_2)

    Args:
        units: width of states and filters.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units, own = units, {"dtype": self.dtype_policy}
        self._filter = dense_stack((units, units), shifted_softplus, last=shifted_softplus, name="filter", **own)
        self._inward = tf.keras.layers.Dense(units, use_bias=False, name="inward", **own)
        self._outward = dense_stack((units, units), shifted_softplus, name="outward", **own)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], around: Surroundings) -> tf.Tensor:
        """Updates nodes [N, F] by pairs' radial basis [E, B]."""
        nodes, basis = inputs
        received = around.received(around.from_source(self._inward(nodes)) * self._filter(basis))
        return nodes + self._outward(received)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SchNet(BaselineNetwork):
    """SchNet (Schütt et al. 2017).

    Predictions are exactly invariant under translation, permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.layers_ = [Interaction(units=width, name=f"layer_{k}", **self.own) for k in range(layers)]

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Updates node states [N, F]."""
        basis = gaussian_basis(around.distance, self.cutoff)
        for layer in self.layers_:
            nodes = layer((nodes, basis), around=around)
        return nodes
