"""Embedding of species: the first state of an atom."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

HEAVIEST = 118  # the largest atomic number


def rows_of_species(atomic_numbers: tf.Tensor, species: Sequence[int], *, padding: int) -> tf.Tensor:
    """Return the row i[N] of each atom in a table of S species and one further row for all others.

    Args:
        atomic_numbers: i32[N].
        species: atomic numbers of the table's first S rows.
        padding: the row of padding (atomic number 0).
    """
    rows = [species.index(z) if z in species else len(species) for z in range(HEAVIEST + 1)]
    rows[0] = padding
    return tf.gather(tf.constant(rows), atomic_numbers)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpeciesEmbedding(tf.keras.layers.Layer):
    """A learned vector for each species the model is trained on, looked up by atomic number.

    Padding (atomic number 0) has the first species' vector. Other species have NaN: never a silent guess.

    Args:
        species: atomic numbers.
        units: width F of the vectors.
    """

    def __init__(self, *, species: Sequence[int], units: int, **kwargs):
        super().__init__(**kwargs)
        self.species, self.units = tuple(species), units

    def build(self, input_shape: tf.TensorShape) -> None:
        """Create one vector per species [S, F]."""
        start = tf.keras.initializers.RandomNormal(stddev=1.0)
        self.vectors = self.add_weight(name="vectors", shape=(len(self.species), self.units), initializer=start)
        super().build(input_shape)

    def call(self, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Return the vectors [N, F] of atomic numbers i32[N]."""
        vectors = tf.concat([self.vectors, tf.fill([1, self.units], tf.cast(float("nan"), self.vectors.dtype))], axis=0)
        return tf.gather(vectors, rows_of_species(atomic_numbers, self.species, padding=0))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {"species": self.species, "units": self.units}
