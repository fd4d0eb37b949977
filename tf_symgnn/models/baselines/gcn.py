"""Graph convolutional network (GCN)."""

from __future__ import annotations

from functools import partial

import tensorflow as tf

from tf_symgnn.models.base import State
from tf_symgnn.models.baselines.network import NODES, BaselineNetwork, Hop
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.pairs import PairView

SCALE = "scale"  # feature of atoms: the scale of their messages [N, 1]


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class GCN(BaselineNetwork):
    """Graph convolutions with batch norm (Kipf & Welling 2017, eq. 2).

        h'_j = ReLU(BN(W (h_j / d_j + sum_i h_i / sqrt(d_i d_j)))),   d_j = 1 + number of neighbors

    The model depends on species and on the list of neighbors, not on distances. Predictions are exactly invariant under
    translation, permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.layers_ = [DenseBlocks(units=(width,), name=f"layer_{k}", dtype=self.dtype_policy) for k in range(layers)]

    def hops(self) -> list[Hop]:
        """Return the hop that counts neighbors, then one convolution per layer."""
        return [add_scale, *(partial(self._convolve, layer) for layer in self.layers_)]

    def _convolve(self, layer: DenseBlocks, state: State, view: PairView, training: bool) -> State:
        nodes, scale = state.atoms[NODES], state.atoms[SCALE]
        received = view.sum_to_receiver(view.gather_source(scale * nodes))
        nodes = layer(scale * (scale * nodes + received), mask=view.real_atoms, training=training)
        return State({NODES: nodes, SCALE: scale}, {})


def add_scale(state: State, view: PairView, training: bool) -> State:
    """Return the state with the scale 1 / sqrt(d_j) [N, 1] of the messages of each atom.

    The degree d_j is 1 plus the sum of the weights of the pairs that atom j receives.
    """
    degree = 1 + view.sum_to_receiver(tf.ones_like(view.weight))
    return State(state.atoms | {SCALE: tf.math.rsqrt(degree)}, state.pairs)
