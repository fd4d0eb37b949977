"""EGAT on edge length."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tf_symgnn.model.normalization import DenseBlocks
from tf_symgnn.model.surroundings import length
from tf_symgnn.model.symgnn import SymGNN
from tf_symgnn.model.symmetrization import SPREAD


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class LengthEncoding(tf.keras.layers.Layer):
    """phi(|x_ij|).

    Args:
        units: widths of phi's blocks.
    """

    def __init__(self, *, units: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.units = tuple(units)
        self._encoder = DenseBlocks(units=self.units, spread=SPREAD, name="encoder", dtype=self.dtype_policy)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encodes displacements [E, 3] A as [E, units[-1]]; `mask` [E] is 1 for edges that count in statistics."""
        return self._encoder(length(displacement), mask=mask, training=training)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class LengthEGAT(SymGNN):
    """SymGNN's attention message passing (EGAT; Kaminski et al. 2022) on edge lengths: of Li et al.'s comparisons.

    Predictions are exactly invariant under translation, permutation, rotation and reflection.
    """

    def __init__(self, *, width: int = 32, **kwargs):
        super().__init__(width=width, **kwargs)
        self.symmetrization = LengthEncoding(units=(width, width), name="edge_encoder", dtype=self.dtype_policy)
