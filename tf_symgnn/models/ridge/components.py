"""Whitened principal components of descriptors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.models.ridge.solver import CONSTANT
from tf_symgnn.nn.embedding import rows_of_species

NEGLIGIBLE = 1e-9  # variance of a principal component, of the largest: rounding from there on
ATOMS_A_COMPONENT = 5  # at least, or a few hundred atoms are known by heart


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PrincipalComponents(tf.keras.layers.Layer):
    """What sets an atom's descriptors apart from its species' mean, in whitened principal components.

    `adapt` finds both. Components c longer than the longest that were seen, R, become c (R / |c|)^2: the stranger an
    atom, the less it says, where components of little variance would drown all others.

    Args:
        units: how many components.
        species: S atomic numbers of atoms.
    """

    def __init__(self, *, units: int, species: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.units, self.species = units, tuple(species)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates means [S, P], scale [P], components [P, units] and the distance, all of them zero until found."""
        start = {"initializer": "zeros", "trainable": False}
        self.mean = self.add_weight(name="mean", shape=(len(self.species), input_shape[-1]), **start)
        self.scale = self.add_weight(name="scale", shape=input_shape[-1:], **start)
        self.components = self.add_weight(name="components", shape=(input_shape[-1], self.units), **start)
        self.farthest = self.add_weight(name="farthest", shape=(), **start)
        super().build(input_shape)

    @property
    def found(self) -> bool:
        """Whether there are any yet."""
        return bool(self.built and self.farthest > 0)

    @property
    def relative_variance(self) -> np.ndarray:
        """The variance of each component before whitening, of the first one's, f[units]; 0 for those left out."""
        length = np.linalg.norm(self.components.numpy().astype(np.float64), axis=0)  # 1 / standard deviation
        shortest = length.min(initial=np.inf, where=length > 0)
        return np.square(np.divide(shortest, length, out=np.zeros_like(length), where=length > 0))

    def adapt(self, descriptors: Sequence[np.ndarray], atomic_numbers: Sequence[np.ndarray]) -> None:
        """Finds the components of descriptors f[N, P] of some glasses, whose atoms are of species i[N]."""
        every, numbers = np.concatenate(descriptors).astype(np.float64), np.concatenate(atomic_numbers)
        mean = np.tile(every.mean(axis=0), (len(self.species), 1))
        for k, z in enumerate(self.species):
            if (numbers == z).any():
                mean[k] = every[numbers == z].mean(axis=0)
                every[numbers == z] -= mean[k]
        spread = every.std(axis=0)
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=np.ptp(every, axis=0) > CONSTANT)
        every *= scale
        variance, vectors = np.linalg.eigh(every.T @ every / len(every))
        variance, vectors = variance[::-1][: self.units], vectors[:, ::-1][:, : self.units]
        kept = (variance > NEGLIGIBLE * variance[0]) & (np.arange(len(variance)) < len(every) / ATOMS_A_COMPONENT)
        components = np.zeros(self.components.shape)
        components[:, : len(kept)] = np.where(kept, vectors / np.sqrt(np.where(kept, variance, 1)), 0)
        for weight, value in ((self.mean, mean), (self.scale, scale), (self.components, components)):
            weight.assign(value)
        self.farthest.assign(np.linalg.norm(every @ components, axis=1).max())

    def call(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Components [N, units] of descriptors [N, P] of atoms of species i[N]."""
        whitened = self._whitened(descriptors, atomic_numbers)
        squared = tf.reduce_sum(tf.square(whitened), axis=1, keepdims=True)
        return whitened * tf.minimum(1.0, tf.square(self.farthest) / tf.maximum(squared, 1e-12))

    def novelty(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """How far descriptors [N, P] of atoms of species i[N] lie from what was seen, f[N]: the squared Mahalanobis
        distance within the components over their number, 1 on average over what they were found on."""
        found = tf.math.count_nonzero(tf.reduce_any(self.components != 0, axis=0), dtype=descriptors.dtype)
        whitened = self._whitened(descriptors, atomic_numbers)
        return tf.reduce_sum(tf.square(whitened), axis=1) / tf.maximum(found, 1)

    def _whitened(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        means = tf.concat([self.mean, tf.zeros_like(self.mean[:1])], axis=0)  # padding has none
        row = rows_of_species(atomic_numbers, self.species, padding=len(self.species))
        return tf.matmul((descriptors - tf.gather(means, row)) * self.scale, self.components)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units, "species": self.species}
