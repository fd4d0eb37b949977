"""SymGNN with data augmentation by random rotations in place of symmetrization."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.baselines.rotation import RandomRotation
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.edge_encoder import EdgeEncoder


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class RotationAugmentedEncoder(tf.keras.layers.Layer):
    """Edge encoding phi(x_ij R) with a new random rotation R in each training step, and phi(x_ij) in prediction.

    Args:
        units: widths of the two blocks of phi.
        seed: of the rotations.
    """

    def __init__(self, *, units: tuple[int, int], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.seed = tuple(units), seed
        self._rotation = RandomRotation(seed=seed, name="rotation", dtype=self.dtype_policy)
        self._encoder = EdgeEncoder(units=self.units, name="encoder", dtype=self.dtype_policy)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Return encodings [E, units[-1]] of displacements [E, 3] A; `mask` [E] is 1 for pairs in statistics."""
        return self._encoder(self._rotation(displacement, training=training), mask=mask, training=training)

    def bytes_per_pair(self) -> int:
        """Return the peak memory of a pair in bytes."""
        return self._encoder.bytes_per_pair()

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units, "seed": self.seed}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class AugmentedSymGNN(SymGNN):
    """SymGNN trained on randomly rotated glasses: the data augmentation of Li et al. 2024.

    Predictions are approximately invariant under rotation after training, and not invariant under reflection.
    """

    def _make_edge_encoder(self) -> RotationAugmentedEncoder:
        config = self._config
        units = (config["width"], config["width"])
        return RotationAugmentedEncoder(units=units, seed=config["seed"], name="edge_encoder", dtype=self.dtype_policy)
