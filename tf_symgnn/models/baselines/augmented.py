"""SymGNN with random-rotation data augmentation in place of symmetrization."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.baselines.rotation import RandomRotation
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.edge_encoder import EdgeEncoder


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class RotationAugmentedEncoder(tf.keras.layers.Layer):
    """Edge encoding phi(x_ij R) with a fresh rotation R in every training step, phi(x_ij) in prediction.

    Args:
        units: widths of phi's two blocks.
        seed: of the rotations.
    """

    def __init__(self, *, units: tuple[int, int], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.seed = tuple(units), seed
        self._rotation = RandomRotation(seed=seed, name="rotation", dtype=self.dtype_policy)
        self._encoder = EdgeEncoder(units=self.units, name="encoder", dtype=self.dtype_policy)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encode displacements [E, 3] A as [E, units[-1]]; `mask` [E] is 1 for edges that count in statistics."""
        return self._encoder(self._rotation(displacement, training=training), mask=mask, training=training)

    def bytes_per_pair(self) -> int:
        """Return the bytes that a pair takes at once."""
        return self._encoder.bytes_per_pair()

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units, "seed": self.seed}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class AugmentedSymGNN(SymGNN):
    """SymGNN that learns invariance from randomly rotated glasses, the data augmentation of Li et al. 2024.

    Predictions are not invariant under rotation and reflection; training makes them nearly so under rotation.
    """

    def _make_edge_encoder(self) -> RotationAugmentedEncoder:
        config = self._config
        units = (config["width"], config["width"])
        return RotationAugmentedEncoder(units=units, seed=config["seed"], name="edge_encoder", dtype=self.dtype_policy)
