"""E(n)-equivariant graph neural network."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.model.baselines.dense import PairDense, dense_stack
from tf_symgnn.model.baselines.network import BaselineNetwork
from tf_symgnn.model.surroundings import Surroundings

# Coordinates start close to where the atoms are: the gain of Satorras et al.'s own initialisation.
GAIN = 1e-3


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EquivariantConvolution(tf.keras.layers.Layer):
    """One layer of EGNN (Satorras, Hoogeboom & Welling 2021, eqs. 3 to 6); i sends to j, sums run over i.

        m_ij = phi_e(h_i, h_j, |x_i - x_j|^2)
        x'_j = x_j + (1 / number of i) sum (x_j - x_i) phi_x(m_ij)
        h'_j = h_j + phi_h(h_j, sum m_ij)

    Args:
        units: width of messages and states.
        move: whether coordinates are updated; the last layer's would be used by nobody.
    """

    def __init__(self, *, units: int, move: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.move, own = units, move, {"dtype": self.dtype_policy}
        self._first = PairDense(units=units, name="message_first", **own)
        self._second = tf.keras.layers.Dense(units, activation="silu", name="message_second", **own)
        self._node = dense_stack((units, units), "silu", name="node", **own)
        if move:
            small = tf.keras.initializers.VarianceScaling(GAIN**2, mode="fan_avg", distribution="uniform")
            self._inner = tf.keras.layers.Dense(units, activation="silu", name="coordinate_inner", **own)
            self._outer = tf.keras.layers.Dense(
                1, use_bias=False, kernel_initializer=small, name="coordinate_outer", **own
            )

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], around: Surroundings) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes nodes [N, F] and how far each atom has moved [N, 3] A, and gives both anew."""
        nodes, moved = inputs
        around = around._replace(
            displacement=around.displacement + around.from_source(moved) - around.from_target(moved)
        )
        message = tf.nn.silu(self._first((nodes, around.squared_distance), around=around))
        message = self._second(message)
        if self.move:
            push = around.received(-around.displacement * self._outer(self._inner(message)))
            moved += tf.math.divide_no_nan(push, around.received(tf.ones_like(around.weight)))
        nodes += self._node(tf.concat([nodes, around.received(message)], axis=1))
        return nodes, moved

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units, "move": self.move}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EGNN(BaselineNetwork):
    """E(n)-equivariant graph neural network (Satorras, Hoogeboom & Welling 2021).

    Predictions are exactly invariant under translation, permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.layers_ = [
            EquivariantConvolution(units=width, move=k < layers - 1, name=f"layer_{k}", **self.own)
            for k in range(layers)
        ]

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Updates node states [N, F] and, within, coordinates."""
        moved = tf.zeros_like(nodes[:, :3])
        for layer in self.layers_:
            nodes, moved = layer((nodes, moved), around=around)
        return nodes
