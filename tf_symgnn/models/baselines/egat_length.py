"""SymGNN with edge lengths in place of symmetrized displacements."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.pairs import length


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class LengthEncoding(tf.keras.layers.Layer):
    """Edge encoding phi(|x_ij|) by a dense block with Gaussians: a radial basis with learned centers and widths.

    Args:
        units: number of Gaussians.
    """

    def __init__(self, *, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self._gaussians = DenseBlocks(
            units=(units,), activation="gaussian", kernel_initializer="ones", name="gaussians", dtype=self.dtype_policy
        )

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Return encodings [E, units] of displacements [E, 3] A; `mask` [E] is 1 for pairs in statistics."""
        return self._gaussians(length(displacement), mask=mask, training=training)

    def bytes_per_pair(self) -> int:
        """Return the peak memory of a pair in bytes: outputs of the linear map, of batch norm and of Gaussians."""
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
