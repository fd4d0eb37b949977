"""Data augmentation by random rotations."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.nn.orthogonal import Uniform


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class RandomRotation(tf.keras.layers.Layer):
    """Rotate all displacements by a new uniformly random rotation in each training step; return them unchanged else.

    Args:
        seed: of the rotations, which depend on it and on the number of steps.
    """

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.distribution = Uniform(transforms=2, seed=seed, resample=True, name="uniform", dtype=self.dtype_policy)

    def call(self, displacement: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return rotated displacements [E, 3] A."""
        rotation, _ = tf.unstack(self.distribution(None, training=training))
        return displacement @ rotation if training else displacement

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"seed": self.seed}
