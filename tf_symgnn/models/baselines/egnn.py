"""E(n)-equivariant graph neural network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.models.baselines.dense import PairDense, dense_stack
from tf_symgnn.models.baselines.network import UNIT, BaselineNetwork
from tf_symgnn.nn.pairs import Surroundings

# Coordinates start within half an Angstrom of the atoms: the gain of Satorras et al.'s own initialisation.
GAIN = 1e-3


def _signs(units: int) -> np.ndarray:
    return np.where(np.arange(units) % 2 == 0, 1.0, -1.0)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class BentSlopes(tf.keras.initializers.Initializer):
    """Glorot's kernel, but for its last row: alternating slopes of 1 and -1, for the squared distance in A^2."""

    def __call__(self, shape: Sequence[int], dtype: tf.DType = tf.float32, **kwargs) -> tf.Tensor:
        """Makes a kernel [C, F]."""
        kernel = tf.keras.initializers.GlorotUniform()(shape, dtype)
        return tf.concat([kernel[:-1], tf.constant(_signs(shape[1])[np.newaxis], dtype)], axis=0)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpreadBends(tf.keras.initializers.Initializer):
    """Biases with which channels of `BentSlopes` bend at squared distances evenly spaced from 0 to reach^2.

    Without biases all bend at distance zero, and messages start as one function of the distance.

    Args:
        reach: A.
    """

    def __init__(self, *, reach: float):
        self.reach = reach

    def __call__(self, shape: Sequence[int], dtype: tf.DType = tf.float32, **kwargs) -> tf.Tensor:
        """Makes biases [F]."""
        return tf.constant(-_signs(shape[0]) * np.linspace(0, self.reach**2, shape[0]), dtype)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {"reach": self.reach}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EquivariantConvolution(tf.keras.layers.Layer):
    """One layer of EGNN (Satorras, Hoogeboom & Welling 2021, eqs. 3 to 6); i sends to j, sums run over i.

        m_ij = phi_e(h_i, h_j, |x_i - x_j|^2)
        x'_j = x_j + (1 / number of i) sum (x_j - x_i) phi_x(m_ij)
        h'_j = h_j + phi_h(h_j, sum m_ij), whose first linear map is of (h_j, sum m_ij / 32)

    Args:
        units: width of messages and states.
        reach: up to which distance messages tell distances apart from the start, A.
        move: whether coordinates are updated; the last layer's would be used by nobody.
    """

    def __init__(self, *, units: int, reach: float, move: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.reach, self.move, own = units, reach, move, {"dtype": self.dtype_policy}
        bends = {"kernel_initializer": BentSlopes(), "bias_initializer": SpreadBends(reach=reach)}
        self._first = PairDense(units=units, name="message_first", **bends, **own)
        self._second = tf.keras.layers.Dense(units, activation="silu", name="message_second", **own)
        self._update = dense_stack((units, units), "silu", name="update", **own)
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
        nodes += self._update(tf.concat([nodes, around.received(message) / UNIT], axis=1))
        return nodes, moved

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units, "reach": self.reach, "move": self.move}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EGNN(BaselineNetwork):
    """E(n)-equivariant graph neural network (Satorras, Hoogeboom & Welling 2021).

    Predictions are exactly invariant under translation, permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.layers_ = [
            EquivariantConvolution(units=width, reach=self.cutoff, move=k < layers - 1, name=f"layer_{k}", **self.own)
            for k in range(layers)
        ]

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Updates node states [N, F] and, within, coordinates."""
        moved = tf.zeros_like(nodes[:, :3])
        for layer in self.layers_:
            nodes, moved = layer((nodes, moved), around=around)
        return nodes
