"""Symmetrization: an edge encoding averaged over orthogonal transformations from a learned distribution."""

from __future__ import annotations

import tensorflow as tf

from tf_symgnn.model.edge_encoder import EdgeEncoder
from tf_symgnn.model.orthogonal import DISTRIBUTIONS


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class Symmetrization(tf.keras.layers.Layer):
    """Edge encoding e_ij = (1/K) sum_k phi(x_ij T_k) with phi an `EdgeEncoder` (SymGNN's symmetrization module).

    Rotation-invariant in expectation where the distribution's rotations are uniform on SO(3); K transforms leave an
    error, which evaluation measures.

    Args:
        units: widths of phi's two blocks.
        distribution: `euler_von_mises`, `angular_gaussian` or `uniform`.
        transforms: K, even; whole orbits are multiples of 8.
        seed: of the distribution's base noise.
        resample: draw transforms afresh in every training step.
    """

    def __init__(
        self,
        *,
        units: tuple[int, int] = (32, 32),
        distribution: str = "euler_von_mises",
        transforms: int = 8,
        seed: int = 0,
        resample: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = tuple(units)
        self.distribution = DISTRIBUTIONS[distribution](
            transforms=transforms, seed=seed, resample=resample, name=distribution, dtype=self.variable_dtype
        )
        self._encoder = EdgeEncoder(units=self.units, name="encoder", dtype=self.dtype_policy)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encodes displacements [E, 3] A as [E, units[-1]]; `mask` [E] is 1 for edges that count in statistics."""
        transforms = tf.cast(self.distribution(None, training=training), self.compute_dtype)  # [K, 3, 3]
        moved = tf.einsum("ei,kij->ekj", displacement, transforms)  # [E, K, 3]
        if mask is not None:
            mask = tf.repeat(mask[:, tf.newaxis], self.distribution.transforms, axis=1)  # [E, K]
        return tf.reduce_mean(self._encoder(moved, mask=mask, training=training), axis=1)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        drawn = self.distribution
        return super().get_config() | {
            "units": self.units,
            "distribution": drawn.name,
            "transforms": drawn.transforms,
            "seed": drawn.seed,
            "resample": drawn.resample,
        }
