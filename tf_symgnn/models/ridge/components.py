"""Whitened principal components of descriptors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.nn.embedding import species_index

MIN_RELATIVE_VARIANCE = 1e-9  # variance of a component over the largest one; below it is rounding
MIN_RANGE = 1e-6  # range of a descriptor; below it is rounding
ATOMS_PER_COMPONENT = 5  # minimum number of training atoms per component; fewer overfit


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PrincipalComponents(tf.keras.layers.Layer):
    """Whitened principal components of the difference of an atom's descriptors from the mean of its species.

    A vector of components c that is longer than R, the longest one of the training atoms, becomes c (R / |c|)^2.
    Without this, components of low variance would dominate the prediction for atoms unlike the training atoms.

    Args:
        units: number of components.
        species: S atomic numbers of atoms.
    """

    def __init__(self, *, units: int, species: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.units, self.species = units, tuple(species)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create means [S, P], scale [P], components [P, units] and the largest length, all zero until `fit`."""
        rows = (len(self.species), input_shape[-1])
        self.mean = self.add_weight(name="mean", shape=rows, initializer="zeros", trainable=False)
        self.scale = self.add_weight(name="scale", shape=rows[1:], initializer="zeros", trainable=False)
        self.components = self.add_weight(
            name="components", shape=(input_shape[-1], self.units), initializer="zeros", trainable=False
        )
        self.max_length = self.add_weight(name="max_length", shape=(), initializer="zeros", trainable=False)
        super().build(input_shape)

    @property
    def fitted(self) -> bool:
        """Return whether the components are fitted."""
        return bool(self.built and self.max_length > 0)

    @property
    def relative_variance(self) -> np.ndarray:
        """Return the variance of each component before whitening over that of the first, f[units]; 0 if not used."""
        length = np.linalg.norm(self.components.numpy().astype(np.float64), axis=0)  # 1 / standard deviation
        shortest = length.min(initial=np.inf, where=length > 0)
        return np.square(np.divide(shortest, length, out=np.zeros_like(length), where=length > 0))

    def fit(self, descriptors: Sequence[np.ndarray], atomic_numbers: Sequence[np.ndarray]) -> None:
        """Compute the components.

        Args:
            descriptors: f[N, P] of the atoms of each training glass.
            atomic_numbers: i[N] of each training glass.
        """
        rows, numbers = np.concatenate(descriptors).astype(np.float64), np.concatenate(atomic_numbers)
        mean = np.tile(rows.mean(axis=0), (len(self.species), 1))
        for k, z in enumerate(self.species):
            if (numbers == z).any():
                mean[k] = rows[numbers == z].mean(axis=0)
                rows[numbers == z] -= mean[k]
        spread = rows.std(axis=0)
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=np.ptp(rows, axis=0) > MIN_RANGE)
        rows *= scale
        variance, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
        variance, vectors = variance[::-1][: self.units], vectors[:, ::-1][:, : self.units]
        used = variance > MIN_RELATIVE_VARIANCE * variance[0]
        used &= np.arange(len(variance)) < len(rows) / ATOMS_PER_COMPONENT
        components = np.zeros(self.components.shape)
        components[:, : len(used)] = np.where(used, vectors / np.sqrt(np.where(used, variance, 1)), 0)
        self.mean.assign(mean)
        self.scale.assign(scale)
        self.components.assign(components)
        self.max_length.assign(np.linalg.norm(rows @ components, axis=1).max())

    def call(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Return the components [N, units] of descriptors [N, P] of atoms with atomic numbers i[N]."""
        whitened = self._whitened(descriptors, atomic_numbers)
        squared = tf.reduce_sum(tf.square(whitened), axis=1, keepdims=True)
        return whitened * tf.minimum(1.0, tf.square(self.max_length) / tf.maximum(squared, 1e-12))

    def novelty(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Return the novelty f[N] of descriptors [N, P] of atoms with atomic numbers i[N].

        It is the squared Mahalanobis distance from the mean of the species over the number of components. Its mean over
        the training atoms is 1.
        """
        number = tf.math.count_nonzero(tf.reduce_any(self.components != 0, axis=0), dtype=descriptors.dtype)
        whitened = self._whitened(descriptors, atomic_numbers)
        return tf.reduce_sum(tf.square(whitened), axis=1) / tf.maximum(number, 1)

    def _whitened(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Return the components [N, units] without a limit of their length."""
        means = tf.concat([self.mean, tf.zeros_like(self.mean[:1])], axis=0)  # zero for padding
        index = species_index(atomic_numbers, self.species, padding=len(self.species))
        return tf.matmul((descriptors - tf.gather(means, index)) * self.scale, self.components)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units, "species": self.species}
