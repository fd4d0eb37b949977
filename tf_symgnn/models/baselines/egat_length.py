"""EGAT on edge length."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.pairs import length


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class LengthEncoding(tf.keras.layers.Layer):
    """phi(|x_ij|), a dense block with Gaussians: a radial basis whose centres and widths are learned.

    Args:
        units: how many Gaussians.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self._gaussians = DenseBlocks(
            units=(units,), activation="gaussian", kernel_initializer="ones", name="gaussians", dtype=self.dtype_policy
        )

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encode displacements [E, 3] A as [E, units]; `mask` [E] is 1 for edges that count in statistics."""
        return self._gaussians(length(displacement), mask=mask, training=training)

    def bytes_per_pair(self) -> int:
        """Return the bytes that a pair takes at once: the outputs of a linear map, of batch norm and of Gaussians."""
        return 12 * self.units

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class LengthEGAT(SymGNN):
    """SymGNN's attention message passing (EGAT; Kaminski et al. 2022) on edge lengths, a baseline of Li et al. 2024.

    Predictions are exactly invariant under translation, permutation, rotation and reflection.
    """

    def _make_edge_encoder(self) -> LengthEncoding:
        return LengthEncoding(units=self._config["width"], name="edge_encoder", dtype=self.dtype_policy)
