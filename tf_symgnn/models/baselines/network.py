"""What the baselines have in common: species in, one barrier an atom out."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.nn.embedding import SpeciesEmbedding
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.pairs import Surroundings

# Sums of messages are counted in so many, about what an atom receives within 5 A: the next map takes up any factor, but
# not Adam's steps, which are as long for an input of 30 as for one of 1, nor a block that is applied again and again.
UNIT = 32.0


class BaselineNetwork(tf.keras.Model, abc.ABC):
    """A model between SymGNN's species embedding and SymGNN's decoder; subclasses say what lies between.

    Args:
        species: atomic numbers the model knows.
        cutoff: of the neighbour graph, A.
        label_mean, label_std: of the training labels, eV; predictions are in eV.
        width: of node and pair states.
        layers: how often atoms hear from their neighbours.
        decoder_layers: dense blocks before the readout.
        seed: of what is drawn in training.
    """

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float = 5.0,
        label_mean: float = 0.0,
        label_std: float = 1.0,
        width: int = 64,
        layers: int = 4,
        decoder_layers: int = 4,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._config = {
            "species": tuple(species),
            "cutoff": cutoff,
            "label_mean": label_mean,
            "label_std": label_std,
            "width": width,
            "layers": layers,
            "decoder_layers": decoder_layers,
            "seed": seed,
        }
        self.cutoff, self.width = cutoff, width
        self.label_mean, self.label_std = label_mean, label_std
        self.receptive_field = cutoff * layers  # A
        self.own = {"dtype": self.dtype_policy}
        self.species_embedding = SpeciesEmbedding(species=species, units=width, name="species_embedding", **self.own)
        self.decoder = DenseBlocks(units=(width,) * decoder_layers, activation="prelu", name="decoder", **self.own)
        self.readout = tf.keras.layers.Dense(1, name="readout", dtype=self.variable_dtype)

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predicts one energy barrier per atom f[N], eV."""
        around = Surroundings.of(graph, self.compute_dtype)
        return self.label_mean + self.label_std * self.scaled_barrier(around, training)

    def scaled_barrier(self, around: Surroundings, training: bool) -> tf.Tensor:
        """Barriers f[N] in standard deviations from the mean."""
        nodes = self.species_embedding(around.graph.node_sets[names.ATOMS][names.SPECIES])
        nodes = self.update(nodes, around, training)
        decoded = self.decoder(nodes, mask=around.real_atoms, training=training)
        return tf.squeeze(self.readout(decoded), axis=-1)

    @abc.abstractmethod
    def update(self, nodes: tf.Tensor, around: Surroundings, training: bool) -> tf.Tensor:
        """Node states [N, F'] from those of the species alone [N, F]."""

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | self._config
