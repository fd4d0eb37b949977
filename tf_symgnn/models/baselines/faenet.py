"""FAENet: frame averaging."""

from __future__ import annotations

import itertools
import math

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.models.baselines.dense import PairDense
from tf_symgnn.models.baselines.network import BaselineNetwork
from tf_symgnn.nn.normalization import MaskedBatchNormalization
from tf_symgnn.nn.pairs import Surroundings, gaussian_basis

# The frames of O(3): principal axes have a direction, not a sense.
SENSES = tuple(itertools.product((1.0, -1.0), repeat=3))


def principal_axes(around: Surroundings) -> tf.Tensor:
    """Eigenvectors [G, 3, 3], as columns, of each component's sum of x_ij^T x_ij over weighted pairs.

    Positions, whose principal axes FAENet takes, have no centre in a periodic cell; displacements need none.
    """
    outer = around.weight[:, :, tf.newaxis] * around.displacement[:, :, tf.newaxis] * around.displacement[:, tf.newaxis]
    scatter = tfgnn.pool_edges_to_context(
        around.graph, names.NEIGHBORS, "sum", feature_value=tf.cast(outer, tf.float64)
    )
    _, axes = tf.linalg.eigh(scatter)
    return tf.cast(tf.stop_gradient(axes), around.displacement.dtype)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class FrameInteraction(tf.keras.layers.Layer):
    """One interaction of FAENet (Duval et al. 2023, eqs. 6 and 7), with batch norm for its graph norm.

        f_ij = silu(W [e_ij, h_i, h_j]);   h'_j = h_j + silu(W_2 silu(BN(sum_i silu(W_1 h_i) * f_ij)))

    Args:
        units: width of states and filters.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units, own = units, {"dtype": self.dtype_policy}
        self._filter = PairDense(units=units, name="filter", **own)
        self._inward = tf.keras.layers.Dense(units, activation="silu", name="inward", **own)
        self._norm = MaskedBatchNormalization(name="norm", **own)
        self._outward = tf.keras.layers.Dense(units, activation="silu", name="outward", **own)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], around: Surroundings, training: bool = False) -> tf.Tensor:
        """Updates nodes [N, F] by pair states [E, F]."""
        nodes, pairs = inputs
        weighting = tf.nn.silu(self._filter((nodes, pairs), around=around))
        received = around.received(around.from_source(self._inward(nodes)) * weighting)
        received = self._norm(received, mask=around.real_atoms, training=training)
        return nodes + self._outward(tf.nn.silu(received))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class FAENet(BaselineNetwork):
    """FAENet (Duval et al. 2023): a plain network in the glass's principal axes, averaged over their senses.

    A training step takes one of the eight frames at random (stochastic frame averaging), a prediction all of them, so
    predictions are invariant under rotation and reflection up to rounding, which the axes of a nearly isotropic glass
    magnify. Frames are of whole glasses, so the receptive field has no bound.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, seed: int = 0, **kwargs):
        super().__init__(width=width, layers=layers, seed=seed, **kwargs)
        self.receptive_field = math.inf
        self.seed = seed
        self.draws = self.add_weight(name="draws", shape=(), dtype=tf.int32, trainable=False, initializer="zeros")
        self.direction = tf.keras.layers.Dense(width, name="direction", **self.own)
        self.radial = tf.keras.layers.Dense(width, name="radial", **self.own)
        self.pair = tf.keras.layers.Dense(width, activation="silu", name="pair", **self.own)
        self.layers_ = [FrameInteraction(units=width, name=f"layer_{k}", **self.own) for k in range(layers)]

    def scaled_barrier(self, around: Surroundings, training: bool) -> tf.Tensor:
        """Barriers f[N] in standard deviations from the mean: of one frame in training, else the mean of all."""
        axes = tfgnn.broadcast_context_to_edges(around.graph, names.NEIGHBORS, feature_value=principal_axes(around))
        turned = tf.einsum("ei,eij->ej", around.displacement, axes)
        in_frame = super().scaled_barrier
        if training:
            self.draws.assign_add(1)
            drawn = tf.random.stateless_uniform((), (self.seed, self.draws), maxval=len(SENSES), dtype=tf.int32)
            sense = tf.gather(tf.constant(SENSES, turned.dtype), drawn)
            return in_frame(around._replace(displacement=turned * sense), training)
        frames = [in_frame(around._replace(displacement=turned * sense), training) for sense in SENSES]
        return tf.add_n(frames) / len(frames)

    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Updates node states [N, F] in one frame."""
        basis = gaussian_basis(around.distance, self.cutoff)
        pairs = tf.concat([self.direction(around.displacement), self.radial(basis)], axis=1)
        pairs = self.pair(tf.nn.silu(pairs))
        for layer in self.layers_:
            nodes = layer((nodes, pairs), around=around, training=training)
        return nodes
