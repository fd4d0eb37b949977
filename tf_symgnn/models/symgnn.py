"""SymGNN: encode, update by attention message passing, read one energy barrier per atom out."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.nn.attention import MessagePassing
from tf_symgnn.nn.chunked.attention import BlockedMessagePassing
from tf_symgnn.nn.chunked.symmetrization import BlockedSymmetrization
from tf_symgnn.nn.embedding import SpeciesEmbedding
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.symmetrization import HAAR, ExactSymmetrization, Symmetrization


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SymGNN(tf.keras.Model):
    """The published model (Li et al. 2024, arXiv:2401.08627): symmetrized encoding, attention message passing, decoder.

    Predictions are exactly invariant under translation and permutation of atoms, and under rotation and reflection
    exactly where the distribution is `haar`, else up to an error that evaluation measures.

    Args:
        species: atomic numbers the model knows.
        cutoff: of the neighbour graph, A.
        label_mean, label_std: of the training labels, eV; predictions are in eV.
        width: of node and edge states.
        heads: attention heads of each layer; heads are concatenated, in the last layer averaged.
        decoder_layers: dense blocks before the readout.
        distribution: of the symmetrization's transformations; `haar` takes the mean over all of O(3).
        transforms, resample, seed: how many are drawn of other distributions, whether afresh, and of what base noise.
    """

    symmetrization_layer: type[Symmetrization] = BlockedSymmetrization
    message_passing_layer: type[MessagePassing] = BlockedMessagePassing

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float = 5.0,
        label_mean: float = 0.0,
        label_std: float = 1.0,
        width: int = 32,
        heads: Sequence[int] = (8, 4, 2, 1),
        decoder_layers: int = 4,
        distribution: str = "euler_von_mises",
        transforms: int = 8,
        resample: bool = False,
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
            "heads": tuple(heads),
            "decoder_layers": decoder_layers,
            "distribution": distribution,
            "transforms": transforms,
            "resample": resample,
            "seed": seed,
        }
        self.label_mean, self.label_std = label_mean, label_std
        self.receptive_field = cutoff * len(heads)  # A
        own = {"dtype": self.dtype_policy}
        self.species_embedding = SpeciesEmbedding(species=species, units=width, name="species_embedding", **own)
        self.node_encoder = DenseBlocks(units=(width,), name="node_encoder", **own)
        units = (width, width)
        if distribution == HAAR:
            self.symmetrization = ExactSymmetrization(units=units, cutoff=cutoff, name="symmetrization", **own)
        else:
            drawn = {"distribution": distribution, "transforms": transforms, "seed": seed, "resample": resample}
            self.symmetrization = self.symmetrization_layer(units=units, name="symmetrization", **drawn, **own)
        self.layers_ = [
            self.message_passing_layer(
                heads=n,
                units=width,
                merge="concat" if k < len(heads) - 1 else "mean",
                update_edges=k < len(heads) - 1,
                name=f"message_passing_{k}",
                **own,
            )
            for k, n in enumerate(heads)
        ]
        self.decoder = DenseBlocks(units=(width,) * decoder_layers, activation="prelu", name="decoder", **own)
        self.readout = tf.keras.layers.Dense(1, name="readout", dtype=self.variable_dtype)

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predicts one energy barrier per atom f[N], eV."""
        nodes, edges, masks = self.encode(graph, training=training)
        for layer in self.layers_:
            nodes, edges = layer((nodes, edges), graph=graph, masks=masks, training=training)
        return self.decode(nodes, mask=masks[0], training=training)

    def attention(self, graph: tfgnn.GraphTensor) -> list[tf.Tensor]:
        """What each layer's heads make of each pair in prediction: a_ij [E, H] of every layer, from first to last."""
        nodes, edges, masks = self.encode(graph, training=False)
        found = []
        for layer in self.layers_:
            found.append(layer.attention((nodes, edges), graph=graph))
            nodes, edges = layer((nodes, edges), graph=graph, masks=masks)
        return found

    def encode(self, graph: tfgnn.GraphTensor, *, training: bool) -> tuple:
        """First states of nodes [N, F] and edges [E, F], and masks [N] and [E] of those that are real."""
        atomic_numbers = graph.node_sets[names.ATOMS][names.SPECIES]
        displacement = graph.edge_sets[names.NEIGHBORS][names.DISPLACEMENT]
        real_atoms = tf.cast(atomic_numbers > 0, self.compute_dtype)
        real_edges = tfgnn.broadcast_node_to_edges(graph, names.NEIGHBORS, tfgnn.TARGET, feature_value=real_atoms)
        if names.PAIR_WEIGHT in graph.edge_sets[names.NEIGHBORS].features:
            present = graph.edge_sets[names.NEIGHBORS][names.PAIR_WEIGHT] > 0
            real_edges *= tf.cast(present, self.compute_dtype)

        nodes = self.node_encoder(self.species_embedding(atomic_numbers), mask=real_atoms, training=training)
        edges = self.symmetrization(displacement, mask=real_edges, training=training)
        return nodes, edges, (real_atoms, real_edges)

    def decode(self, nodes: tf.Tensor, *, mask: tf.Tensor, training: bool) -> tf.Tensor:
        """Reads one energy barrier per atom f[N], eV, off the last states [N, F]; a mask [N] says which are real."""
        decoded = self.decoder(nodes, mask=mask, training=training)
        return self.label_mean + self.label_std * tf.squeeze(self.readout(decoded), axis=-1)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | self._config


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PlainSymGNN(SymGNN):
    """The same model without blocks: the reference for tests and benchmarks."""

    symmetrization_layer = Symmetrization
    message_passing_layer = MessagePassing
