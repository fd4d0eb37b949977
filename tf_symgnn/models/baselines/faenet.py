"""FAENet: a network with frame averaging."""

from __future__ import annotations

import itertools
import math
from functools import partial

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.models.base import Stage, State, run_stages
from tf_symgnn.models.baselines.dense import PairDense
from tf_symgnn.models.baselines.network import EDGES, NODES, BaselineNetwork, Hop
from tf_symgnn.nn.normalization import MaskedBatchNormalization
from tf_symgnn.nn.pairs import PairView, gaussian_basis

# The frames of O(3): principal axes are defined up to their signs.
FRAME_SIGNS = tuple(itertools.product((1.0, -1.0), repeat=3))


def principal_axes(view: PairView) -> tf.Tensor:
    """Return the eigenvectors [G, 3, 3], as columns, of the weighted sum of x_ij^T x_ij over the pairs of each glass.

    FAENet uses centered positions, which a periodic cell does not define; displacements need no center.
    """
    outer = view.weight[:, :, tf.newaxis] * view.displacement[:, :, tf.newaxis] * view.displacement[:, tf.newaxis]
    scatter = tfgnn.pool_edges_to_context(view.graph, names.NEIGHBORS, "sum", feature_value=tf.cast(outer, tf.float64))
    _, axes = tf.linalg.eigh(scatter)
    return tf.cast(tf.stop_gradient(axes), view.displacement.dtype)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class FrameInteraction(tf.keras.layers.Layer):
    """One interaction of FAENet (Duval et al. 2023, eqs. 6 and 7), with batch norm in place of graph norm.

        f_ij = silu(W [e_ij, h_i, h_j]);   h'_j = h_j + silu(W_2 silu(BN(sum_i silu(W_1 h_i) * f_ij)))

    Args:
        units: width of states and filters.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units, dtype = units, self.dtype_policy
        self._filter = PairDense(units=units, name="filter", dtype=dtype)
        self._inward = tf.keras.layers.Dense(units, activation="silu", name="inward", dtype=dtype)
        self._norm = MaskedBatchNormalization(name="norm", dtype=dtype)
        self._outward = tf.keras.layers.Dense(units, activation="silu", name="outward", dtype=dtype)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], view: PairView, training: bool = False) -> tf.Tensor:
        """Return updated nodes [N, F] from nodes [N, F] and edges [E, F]."""
        nodes, edges = inputs
        filters = tf.nn.silu(self._filter((nodes, edges), view=view))
        received = view.sum_to_receiver(view.gather_source(self._inward(nodes)) * filters)
        received = self._norm(received, mask=view.real_atoms, training=training)
        return nodes + self._outward(tf.nn.silu(received))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class FAENet(BaselineNetwork):
    """FAENet (Duval et al. 2023): a network in the principal axes of a glass, averaged over the signs of the axes.

    A training step uses one of the eight frames at random (stochastic frame averaging), a prediction all of them.
    Predictions are invariant under rotation and reflection up to rounding, which is larger for a nearly isotropic
    glass. The axes depend on the whole glass, so the receptive field is infinite.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, seed: int = 0, **kwargs):
        super().__init__(width=width, layers=layers, seed=seed, **kwargs)
        self.seed = seed
        self.draws = self.add_weight(name="draws", shape=(), dtype=tf.int32, trainable=False, initializer="zeros")
        dtype = self.dtype_policy
        self.direction = tf.keras.layers.Dense(width, name="direction", dtype=dtype)
        self.radial = tf.keras.layers.Dense(width, name="radial", dtype=dtype)
        self.pair = tf.keras.layers.Dense(width, activation="silu", name="pair", dtype=dtype)
        self.layers_ = [FrameInteraction(units=width, name=f"layer_{k}", dtype=dtype) for k in range(layers)]

    def stages(self) -> list[Stage]:
        """Return an empty list, since frames depend on the whole glass."""
        return []

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predict one energy barrier per atom f[N], eV: in one frame in training, else averaged over all frames."""
        view = PairView.of(graph, self.compute_dtype)
        axes = tfgnn.broadcast_context_to_edges(graph, names.NEIGHBORS, feature_value=principal_axes(view))
        in_axes = tf.einsum("ei,eij->ej", view.displacement, axes)
        if training:
            self.draws.assign_add(1)
            index = tf.random.stateless_uniform((), (self.seed, self.draws), maxval=len(FRAME_SIGNS), dtype=tf.int32)
            signs = tf.gather(tf.constant(FRAME_SIGNS, in_axes.dtype), index)
            return self._in_frame(graph, in_axes * signs, training)
        predictions = [self._in_frame(graph, in_axes * signs, training) for signs in FRAME_SIGNS]
        return tf.add_n(predictions) / len(predictions)

    def _in_frame(self, graph: tfgnn.GraphTensor, displacement: tf.Tensor, training: bool) -> tf.Tensor:
        """Return barriers f[N] eV from the displacements [E, 3] A in one frame."""
        in_frame = State.of(graph).merged(State({}, {names.DISPLACEMENT: displacement})).on(graph)
        return run_stages(super().stages(), in_frame, training).node_sets[names.ATOMS][names.ENERGY_BARRIER]

    def first_state(self, nodes: tf.Tensor, view: PairView, training: bool) -> State:
        """Return node states, and edge states from the displacements in one frame."""
        basis = gaussian_basis(view.distance, self.cutoff)
        edges = tf.concat([self.direction(view.displacement), self.radial(basis)], axis=1)
        return State({NODES: nodes}, {EDGES: self.pair(tf.nn.silu(edges))})

    @property
    def receptive_field(self) -> float:
        """Return infinity, since frames depend on the whole glass."""
        return math.inf

    def hops(self) -> list[Hop]:
        """Return one interaction per layer."""
        return [partial(self._interact, layer) for layer in self.layers_]

    def _interact(self, layer: FrameInteraction, state: State, view: PairView, training: bool) -> State:
        nodes = layer((state.atoms[NODES], state.pairs[EDGES]), view=view, training=training)
        return State({NODES: nodes}, state.pairs)
