"""Random rotations in training: data augmentation in place of a symmetry."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.nn.orthogonal import Uniform


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class RandomRotation(tf.keras.layers.Layer):
    """Turn all displacements by one uniformly random rotation, a fresh one in every training step, else by none.

    Args:
        seed: of the draws, which are a function of it and of the number of steps.
    """

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.distribution = Uniform(transforms=2, seed=seed, resample=True, name="uniform", dtype=self.dtype_policy)

    def call(self, displacement: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Turn displacements [E, 3] A."""
        rotation, _ = tf.unstack(self.distribution(None, training=training))
        return displacement @ rotation if training else displacement

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"seed": self.seed}
