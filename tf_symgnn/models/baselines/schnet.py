"""SchNet."""

from __future__ import annotations

import math
from functools import partial

import tensorflow as tf

from tf_symgnn.models.base import State
from tf_symgnn.models.baselines.dense import dense_stack
from tf_symgnn.models.baselines.network import NODES, BaselineNetwork, Hop
from tf_symgnn.nn.pairs import PairView, gaussian_basis

BASIS = "basis"  # feature of pairs: the radial basis [E, B]


@tf.keras.utils.register_keras_serializable("tf_symgnn")
def shifted_softplus(x: tf.Tensor) -> tf.Tensor:
    """Return ssp(x) = ln(exp(x) / 2 + 1 / 2)."""
    return tf.nn.softplus(x) - math.log(2)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class Interaction(tf.keras.layers.Layer):
    """An interaction block of SchNet with a continuous-filter convolution (Schütt et al. 2017, eq. 2 and figure 2).

        h'_j = h_j + W_3 ssp(W_2 sum_i (W_1 h_i) * filter(r_ij) + b_2) + b_3
        filter(r) = ssp(V_2 ssp(V_1 basis(r) + c_1) + c_2)

    Args:
        units: width of states and filters.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units, dtype = units, self.dtype_policy
        self._filter = dense_stack((units, units), shifted_softplus, last=shifted_softplus, name="filter", dtype=dtype)
        self._inward = tf.keras.layers.Dense(units, use_bias=False, name="inward", dtype=dtype)
        self._outward = dense_stack((units, units), shifted_softplus, name="outward", dtype=dtype)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], view: PairView) -> tf.Tensor:
        """Return updated nodes [N, F] from nodes [N, F] and the radial basis of pairs [E, B]."""
        nodes, basis = inputs
        received = view.sum_to_receiver(view.gather_source(self._inward(nodes)) * self._filter(basis))
        return nodes + self._outward(received)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SchNet(BaselineNetwork):
    """SchNet (Schütt et al. 2017).

    Predictions are exactly invariant under translation, permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.layers_ = [Interaction(units=width, name=f"layer_{k}", dtype=self.dtype_policy) for k in range(layers)]

    def first_state(self, nodes: tf.Tensor, view: PairView, training: bool) -> State:
        """Return node states and the radial basis of distances."""
        return State({NODES: nodes}, {BASIS: gaussian_basis(view.distance, self.cutoff)})

    def hops(self) -> list[Hop]:
        """Return one interaction per layer."""
        return [partial(self._interact, layer) for layer in self.layers_]

    def _interact(self, layer: Interaction, state: State, view: PairView, training: bool) -> State:
        nodes = layer((state.atoms[NODES], state.pairs[BASIS]), view=view)
        return State({NODES: nodes}, state.pairs)
