"""What a model knows of an atom before it hears from others: its species."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

HEAVIEST = 118  # the largest atomic number


def look_up(of_species: tf.Tensor, atomic_numbers: tf.Tensor, species: Sequence[int]) -> tf.Tensor:
    """Rows [N, C] of atoms i32[N], of one row a species [S, C].

    Padding (atomic number 0) gets the first species' row. Atoms of other species get NaN: never a silent guess.

    Args:
        of_species: rows in the order of `species`.
        atomic_numbers: of the atoms.
        species: S atomic numbers.
    """
    unknown = len(species)
    row = [species.index(z) if z in species else unknown for z in range(HEAVIEST + 1)]
    row[0] = 0
    nothing = tf.fill([1, of_species.shape[1]], tf.cast(float("nan"), of_species.dtype))
    return tf.gather(tf.concat([of_species, nothing], axis=0), tf.gather(tf.constant(row), atomic_numbers))


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpeciesEmbedding(tf.keras.layers.Layer):
    """A learned vector for each species the model is trained on, looked up by atomic number.

    Padding gets the first species' vector, other species NaN.

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
        return look_up(tf.convert_to_tensor(self.vectors), atomic_numbers, self.species)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"species": self.species, "units": self.units}
