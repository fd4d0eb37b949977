"""Dense layers for node and edge states."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tf_symgnn.nn.pairs import PairView


def dense_stack(
    units: Sequence[int],
    activation: str | Callable,
    *,
    name: str,
    dtype: tf.keras.mixed_precision.Policy,
    last: str | Callable | None = None,
) -> tf.keras.Sequential:
    """Return a sequence of dense layers.

    Args:
        units: width of each layer.
        activation: between layers.
        name: of the sequence.
        dtype: the Keras policy of the layers.
        last: the activation of the last layer; None for a linear one.
    """
    activations = [activation] * (len(units) - 1) + [last]
    layers = [
        tf.keras.layers.Dense(n, activation=function, name=f"linear_{k}", dtype=dtype)
        for k, (n, function) in enumerate(zip(units, activations, strict=True))
    ]
    return tf.keras.Sequential(layers, name=name)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PairDense(tf.keras.layers.Layer):
    """A linear map of the concatenation [h_source, h_target, e]: W_s h_source + W_t h_target + W_e e + b.

    The products with W_s and W_t are computed once per atom, not once per pair.

    Args:
        units: width F of the result.
        kernel_initializer: of the kernel, the rows of W_s, W_t and W_e in this order.
        bias_initializer: of b.
    """

    def __init__(
        self,
        *,
        units: int,
        kernel_initializer: str | tf.keras.initializers.Initializer = "glorot_uniform",
        bias_initializer: str | tf.keras.initializers.Initializer = "zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.kernel_initializer = tf.keras.initializers.get(kernel_initializer)
        self.bias_initializer = tf.keras.initializers.get(bias_initializer)

    def build(self, input_shape: tuple[tf.TensorShape, tf.TensorShape]) -> None:
        """Create W_s and W_t [C_n, F] and W_e [C_e, F] as one kernel, and b [F]."""
        nodes, edges = (shape[-1] for shape in input_shape)
        shape = (2 * nodes + edges, self.units)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer=self.bias_initializer)
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], view: PairView) -> tf.Tensor:
        """Return the map [E, F] of nodes [N, C_n] and edges [E, C_e]."""
        nodes, edges = inputs
        width = nodes.shape[-1]
        source, target, pair = tf.split(self.kernel, [width, width, edges.shape[-1]])
        of_source, of_target = view.gather_source(nodes @ source), view.gather_target(nodes @ target + self.bias)
        return of_source + of_target + edges @ pair

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {
            "units": self.units,
            "kernel_initializer": tf.keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": tf.keras.initializers.serialize(self.bias_initializer),
        }
