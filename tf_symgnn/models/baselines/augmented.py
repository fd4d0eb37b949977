"""SymGNN with random-rotation data augmentation in place of symmetrization."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.models.baselines.rotation import RandomRotation
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.edge_encoder import EdgeEncoder


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class TurnedEncoding(tf.keras.layers.Layer):
    """phi(x_ij R) with a fresh rotation R in every training step, phi(x_ij) in prediction.

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
        """Encodes displacements [E, 3] A as [E, units[-1]]; `mask` [E] is 1 for edges that count in statistics."""
        return self._encoder(self._rotation(displacement, training=training), mask=mask, training=training)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units, "seed": self.seed}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class AugmentedSymGNN(SymGNN):
    """SymGNN that learns invariance from turned glasses: the data augmentation that Li et al. 2024 compare with.

    Predictions are not invariant under rotation and reflection, but trained to be under rotation.
    """

    def __init__(self, *, width: int = 32, seed: int = 0, **kwargs):
        super().__init__(width=width, seed=seed, **kwargs)
        self.symmetrization = TurnedEncoding(
            units=(width, width), seed=seed, name="edge_encoder", dtype=self.dtype_policy
        )
