"""Multilayer perceptron (MLP) on species and position."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn import names
from tf_symgnn.models.base import State
from tf_symgnn.models.baselines.network import NODES, BaselineNetwork, Hop
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.pairs import PairView


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MLP(BaselineNetwork):
    """Dense blocks on the species and the position of an atom: the baseline without a graph of Li et al. 2024.

    Predictions are exactly invariant under permutation only.
    """

    def __init__(self, *, width: int = 64, layers: int = 4, **kwargs):
        super().__init__(width=width, layers=layers, **kwargs)
        self.blocks = DenseBlocks(units=(width,) * layers, name="blocks", dtype=self.dtype_policy)

    @property
    def receptive_field(self) -> float:
        """Return 0 A: a prediction depends on no other atom."""
        return 0.0

    def hops(self) -> list[Hop]:
        """Return one step, which does not read pairs."""
        return [self._map]

    def _map(self, state: State, view: PairView, training: bool) -> State:
        position = tf.cast(state.atoms[names.POSITION], self.compute_dtype)
        nodes = tf.concat([state.atoms[NODES], position], axis=1)
        return State({NODES: self.blocks(nodes, mask=view.real_atoms, training=training)}, {})
