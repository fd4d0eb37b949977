"""Standardized descriptors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.nn.embedding import species_index

MAX_SPREADS = 6.0  # standard deviations from the mean; descriptors beyond are set to it
MIN_ATOMS = 50  # of a species; the spread of fewer training atoms is that of all species
MIN_SPREAD = 1e-4  # of a logarithm or an energy in eV; below it is rounding


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpeciesScaling(tf.keras.layers.Layer):
    """Descriptors in standard deviations from their mean, both of the species of the atom.

    Args:
        species: S atomic numbers of atoms.
    """

    def __init__(self, *, species: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.species = tuple(species)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create means [S, D] and inverse standard deviations [S, D], zero until `fit`."""
        shape = (len(self.species), input_shape[-1])
        self.mean = self.add_weight(name="mean", shape=shape, initializer="zeros", trainable=False)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="zeros", trainable=False)
        super().build(input_shape)

    @property
    def fitted(self) -> bool:
        """Return whether the scaling is fitted."""
        return bool(self.built and tf.reduce_any(self.scale > 0))

    def fit(self, descriptors: Sequence[np.ndarray], atomic_numbers: Sequence[np.ndarray]) -> None:
        """Compute the means and the standard deviations.

        Args:
            descriptors: f[N, D] of the atoms of each training glass.
            atomic_numbers: i[N] of each training glass.
        """
        rows, numbers = np.concatenate(descriptors).astype(np.float64), np.concatenate(atomic_numbers)
        of_species = [rows[numbers == z] for z in self.species]
        spread = np.array([(some if len(some) >= MIN_ATOMS else rows).std(axis=0) for some in of_species])
        self.mean.assign([(some if len(some) else rows).mean(axis=0) for some in of_species])
        self.scale.assign(np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > MIN_SPREAD))

    def call(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Return the scaled descriptors [N, D] of atoms with atomic numbers i[N]; zero for padding."""
        return tf.clip_by_value(self._scaled(descriptors, atomic_numbers), -MAX_SPREADS, MAX_SPREADS)

    def novelty(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Return the mean square of the scaled descriptors f[N], whose mean over the training atoms is 1."""
        return tf.reduce_mean(tf.square(self._scaled(descriptors, atomic_numbers)), axis=1)

    def _scaled(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Return the scaled descriptors [N, D] without a limit."""
        index = species_index(atomic_numbers, self.species, padding=len(self.species))
        mean, scale = (tf.concat([rows, tf.zeros_like(rows[:1])], axis=0) for rows in (self.mean, self.scale))
        return (descriptors - tf.gather(mean, index)) * tf.gather(scale, index)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"species": self.species}
