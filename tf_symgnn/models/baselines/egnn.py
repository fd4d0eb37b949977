"""E(n)-equivariant graph neural network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from tf_symgnn.models.base import State
from tf_symgnn.models.baselines.dense import PairDense, dense_stack
from tf_symgnn.models.baselines.network import NODES, UNIT, BaselineNetwork, Hop
from tf_symgnn.nn.pairs import PairView

# Coordinates start within half an Angstrom of the atoms: the gain of Satorras et al.'s own initialisation.
GAIN = 1e-3

MOVED = "moved"  # of each atom's coordinates [N, 3] A


def _signs(units: int) -> np.ndarray:
    return np.where(np.arange(units) % 2 == 0, 1.0, -1.0)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class BentSlopes(tf.keras.initializers.Initializer):
    """Glorot's kernel, but for its last row: alternating slopes of 1 and -1, for the squared distance in A^2."""

    def __call__(self, shape: Sequence[int], dtype: tf.DType = tf.float32, **kwargs) -> tf.Tensor:
        """Return a kernel [C, F]."""
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
        """Return biases [F]."""
        return tf.constant(-_signs(shape[0]) * np.linspace(0, self.reach**2, shape[0]), dtype)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
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
        self.units, self.reach, self.move, dtype = units, reach, move, self.dtype_policy
        bends = {"kernel_initializer": BentSlopes(), "bias_initializer": SpreadBends(reach=reach)}
        self._first = PairDense(units=units, name="message_first", **bends, dtype=dtype)
        self._second = tf.keras.layers.Dense(units, activation="silu", name="message_second", dtype=dtype)
        self._update = dense_stack((units, units), "silu", name="update", dtype=dtype)
        if move:
            small = tf.keras.initializers.VarianceScaling(GAIN**2, mode="fan_avg", distribution="uniform")
            self._inner = tf.keras.layers.Dense(units, activation="silu", name="coordinate_inner", dtype=dtype)
            self._outer = tf.keras.layers.Dense(
                1, use_bias=False, kernel_initializer=small, name="coordinate_outer", dtype=dtype
            )

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], view: PairView) -> tuple[tf.Tensor, tf.Tensor]:
        """Update nodes [N, F] and how far each atom has moved [N, 3] A."""
        nodes, moved = inputs
        view = view._replace(displacement=view.displacement + view.gather_source(moved) - view.gather_target(moved))
        message = tf.nn.silu(self._first((nodes, view.squared_distance), view=view))
        message = self._second(message)
        if self.move:
            push = view.sum_to_receiver(-view.displacement * self._outer(self._inner(message)))
            moved += tf.math.divide_no_nan(push, view.sum_to_receiver(tf.ones_like(view.weight)))
        nodes += self._update(tf.concat([nodes, view.sum_to_receiver(message) / UNIT], axis=1))
        return nodes, moved

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units, "reach": self.reach, "move": self.move}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EGNN(BaselineNetwork):
    """E(n)-equivariant graph neural network (Satorras, Hoogeboom & Welling 2021).

    Predictions are exactly invariant under translation, permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.layers_ = [
            EquivariantConvolution(
                units=width, reach=self.cutoff, move=k < layers - 1, name=f"layer_{k}", dtype=self.dtype_policy
            )
            for k in range(layers)
        ]

    def first_state(self, nodes: tf.Tensor, view: PairView, training: bool) -> State:
        """Return node states, and that no coordinate has moved yet."""
        return State({NODES: nodes, MOVED: tf.zeros_like(nodes[:, :3])}, {})

    def hops(self) -> list[Hop]:
        """Return one convolution a layer."""
        return [partial(self._convolve, layer) for layer in self.layers_]

    def _convolve(self, layer: EquivariantConvolution, state: State, view: PairView, training: bool) -> State:
        nodes, moved = layer((state.atoms[NODES], state.atoms[MOVED]), view=view)
        return State({NODES: nodes, MOVED: moved}, {})
