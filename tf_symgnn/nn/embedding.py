"""What a model knows of an atom before it hears from others: its species."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

HEAVIEST = 118  # the largest atomic number


def rows_of_species(atomic_numbers: tf.Tensor, species: Sequence[int], *, padding: int) -> tf.Tensor:
    """Which row of a table of S species, and of one row more for all others, is that of each atom, i[N].

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

    Padding (atomic number 0) gets the first species' vector. Other species get NaN: never a silent guess.

    Args:
        species: atomic numbers.
        units: width F of the vectors.
    """

    def __init__(self, *, species: Sequence[int], units: int, **kwargs):
        super().__init__(**kwargs)
        self.species, self.units = tuple(species), units

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates one vector a species [S, F]."""
        start = tf.keras.initializers.RandomNormal(stddev=1.0)
        self.vectors = self.add_weight(name="vectors", shape=(len(self.species), self.units), initializer=start)
        super().build(input_shape)

    def call(self, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Looks i32[N] up as [N, F]."""
        vectors = tf.concat([self.vectors, tf.fill([1, self.units], tf.cast(float("nan"), self.vectors.dtype))], axis=0)
        return tf.gather(vectors, rows_of_species(atomic_numbers, self.species, padding=0))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"species": self.species, "units": self.units}
