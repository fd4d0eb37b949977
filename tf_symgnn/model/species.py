"""What a model knows of an atom before it hears from others: its species."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

HEAVIEST = 118  # the largest atomic number


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
        unknown = len(self.species)
        rows = [self.species.index(z) if z in self.species else unknown for z in range(HEAVIEST + 1)]
        rows[0] = 0
        vectors = tf.concat([self.vectors, tf.fill([1, self.units], tf.cast(float("nan"), self.vectors.dtype))], axis=0)
        return tf.gather(vectors, tf.gather(tf.constant(rows), atomic_numbers))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"species": self.species, "units": self.units}
