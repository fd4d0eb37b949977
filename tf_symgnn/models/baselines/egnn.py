"""E(n)-equivariant graph neural network (EGNN)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import tensorflow as tf

from tf_symgnn.models.base import State
from tf_symgnn.models.baselines.dense import PairDense, dense_stack
from tf_symgnn.models.baselines.network import AVERAGE_NEIGHBORS, NODES, BaselineNetwork, Hop
from tf_symgnn.nn.pairs import PairView

# The gain of the last map of phi_x, as in the implementation of Satorras et al. Initial updates are below 0.5 A.
COORDINATE_GAIN = 1e-3

SHIFT = "shift"  # feature of atoms: the change of coordinates [N, 3] A


def _signs(units: int) -> np.ndarray:
    """Return 1, -1, 1, ... [units]."""
    return np.where(np.arange(units) % 2 == 0, 1.0, -1.0)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class AlternatingSlopes(tf.keras.initializers.Initializer):
    """Initialize a kernel by Glorot's method, except its last row: slopes 1 and -1 of the squared distance in A^2."""

    def __call__(self, shape: Sequence[int], dtype: tf.DType = tf.float32, **kwargs) -> tf.Tensor:
        """Return a kernel [C, F]."""
        kernel = tf.keras.initializers.GlorotUniform()(shape, dtype)
        return tf.concat([kernel[:-1], tf.constant(_signs(shape[1])[np.newaxis], dtype)], axis=0)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpacedThresholds(tf.keras.initializers.Initializer):
    """Initialize biases so that the channels of `AlternatingSlopes` are zero at different squared distances.

    These are evenly spaced from 0 to reach^2. With zero biases, all channels would initially be one function of the
    distance.

    Args:
        reach: the largest distance, A.
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
    """One layer of EGNN (Satorras, Hoogeboom & Welling 2021, eqs. 3 to 6).

    Atom i sends to atom j, and sums are over i:

        m_ij = phi_e(h_i, h_j, |x_i - x_j|^2)
        x'_j = x_j + (1 / number of i) sum (x_j - x_i) phi_x(m_ij)
        h'_j = h_j + phi_h(h_j, sum m_ij / 32)

    Args:
        units: width of messages and states.
        reach: the largest distance that initial messages resolve, A.
        move: whether to update coordinates. The last layer need not, since no layer reads them afterwards.
    """

    def __init__(self, *, units: int, reach: float, move: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.reach, self.move, dtype = units, reach, move, self.dtype_policy
        self._first = PairDense(
            units=units,
            kernel_initializer=AlternatingSlopes(),
            bias_initializer=SpacedThresholds(reach=reach),
            name="message_first",
            dtype=dtype,
        )
        self._second = tf.keras.layers.Dense(units, activation="silu", name="message_second", dtype=dtype)
        self._update = dense_stack((units, units), "silu", name="update", dtype=dtype)
        if move:
            small = tf.keras.initializers.VarianceScaling(COORDINATE_GAIN**2, mode="fan_avg", distribution="uniform")
            self._inner = tf.keras.layers.Dense(units, activation="silu", name="coordinate_inner", dtype=dtype)
            self._outer = tf.keras.layers.Dense(
                1, use_bias=False, kernel_initializer=small, name="coordinate_outer", dtype=dtype
            )

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], view: PairView) -> tuple[tf.Tensor, tf.Tensor]:
        """Return updated nodes [N, F] and the shift of each atom from its position [N, 3] A."""
        nodes, shift = inputs
        view = view._replace(displacement=view.displacement + view.gather_source(shift) - view.gather_target(shift))
        message = tf.nn.silu(self._first((nodes, view.squared_distance), view=view))
        message = self._second(message)
        if self.move:
            update = view.sum_to_receiver(-view.displacement * self._outer(self._inner(message)))
            shift += tf.math.divide_no_nan(update, view.sum_to_receiver(tf.ones_like(view.weight)))
        nodes += self._update(tf.concat([nodes, view.sum_to_receiver(message) / AVERAGE_NEIGHBORS], axis=1))
        return nodes, shift

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
        """Return node states, and shifts of zero."""
        return State({NODES: nodes, SHIFT: tf.zeros_like(nodes[:, :3])}, {})

    def hops(self) -> list[Hop]:
        """Return one convolution per layer."""
        return [partial(self._convolve, layer) for layer in self.layers_]

    def _convolve(self, layer: EquivariantConvolution, state: State, view: PairView, training: bool) -> State:
        nodes, shift = layer((state.atoms[NODES], state.atoms[SHIFT]), view=view)
        return State({NODES: nodes, SHIFT: shift}, {})
