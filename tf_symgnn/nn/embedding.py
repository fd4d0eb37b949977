"""Species as indices and as learned vectors."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

MAX_ATOMIC_NUMBER = 118


def species_index(atomic_numbers: tf.Tensor, species: Sequence[int], *, padding: int) -> tf.Tensor:
    """Return the index of each atom's species in a list of S species, i[N]; S if the list does not contain it.

    Args:
        atomic_numbers: i32[N].
        species: S atomic numbers.
        padding: the index of padding (atomic number 0).
    """
    index = [species.index(z) if z in species else len(species) for z in range(MAX_ATOMIC_NUMBER + 1)]
    index[0] = padding
    return tf.gather(tf.constant(index), atomic_numbers)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpeciesEmbedding(tf.keras.layers.Layer):
    """A learned vector for each species of the training glasses.

    Padding (atomic number 0) gets the vector of the first species. A species that is not in `species` gets NaN, so that
    predictions that depend on it are NaN too.

    Args:
        species: S atomic numbers.
        units: width F of the vectors.
    """

    def __init__(self, *, species: Sequence[int], units: int, **kwargs):
        super().__init__(**kwargs)
        self.species, self.units = tuple(species), units

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create the vectors [S, F]."""
        normal = tf.keras.initializers.RandomNormal(stddev=1.0)
        self.vectors = self.add_weight(name="vectors", shape=(len(self.species), self.units), initializer=normal)
        super().build(input_shape)

    def call(self, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Return the vectors [N, F] of atomic numbers i32[N]."""
        unknown = tf.fill([1, self.units], tf.cast(float("nan"), self.vectors.dtype))
        return tf.gather(
            tf.concat([self.vectors, unknown], axis=0), species_index(atomic_numbers, self.species, padding=0)
        )

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"species": self.species, "units": self.units}
