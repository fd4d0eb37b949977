"""SymGNN: a symmetrized edge encoding, attention message passing, and a decoder of one barrier per atom."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.models.base import BarrierModel, Stage, State, create_weights
from tf_symgnn.nn.embedding import SpeciesEmbedding
from tf_symgnn.nn.message_passing import MessagePassing
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.orthogonal import OrthogonalDistribution
from tf_symgnn.nn.symmetrization import HAAR, ExactSymmetrization, Symmetrization


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SymGNN(BarrierModel):
    """The published model (Li et al. 2024, arXiv:2401.08627): symmetrized encoding, attention message passing, decoder.

    Predictions are exactly invariant under translation and permutation of atoms. With the distribution `haar`, they are
    exactly invariant under rotation and reflection. Other distributions leave an error, which evaluation measures.

    Args:
        species: atomic numbers of the training glasses.
        cutoff: of the neighbor graph, A.
        label_mean, label_std: mean and standard deviation of the training labels, eV.
        width: of node and edge states.
        heads: attention heads of each layer. The last layer averages its heads, the others concatenate them.
        decoder_layers: number of dense blocks before the readout.
        distribution: of the transforms, as in `Symmetrization`; `haar` averages over O(3) (`ExactSymmetrization`).
        transforms: number of transforms, an even number; not used by `haar`.
        resample: whether each training step draws new transforms.
        seed: of the base noise of the transforms.
        kernel: of the layers on pairs, `auto`, `reference` or `chunked`, as in `MessagePassing`.

    Raises:
        ValueError: `distribution` or `kernel` is unknown, or `transforms` is not a positive even number.
    """

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
        kernel: str = "auto",
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
            "kernel": kernel,
        }
        self.cutoff, self.label_mean, self.label_std = cutoff, label_mean, label_std
        self.receptive_field = cutoff * len(heads)  # A
        dtype = self.dtype_policy
        self.species_embedding = SpeciesEmbedding(species=species, units=width, name="species_embedding", dtype=dtype)
        self.node_encoder = DenseBlocks(units=(width,), name="node_encoder", dtype=dtype)
        self.edge_encoder = self._make_edge_encoder()
        self.layers_ = [self._make_layer(k) for k in range(len(heads))]
        self.decoder = DenseBlocks(units=(width,) * decoder_layers, activation="prelu", name="decoder", dtype=dtype)
        self.readout = tf.keras.layers.Dense(1, name="readout", dtype=self.variable_dtype)

    def _make_edge_encoder(self) -> tf.keras.layers.Layer:
        """Return the layer that encodes displacements [E, 3] A as [E, width]."""
        config = self._config
        units = (config["width"], config["width"])
        if config["distribution"] == HAAR:
            return ExactSymmetrization(
                units=units, cutoff=config["cutoff"], name="symmetrization", dtype=self.dtype_policy
            )
        return Symmetrization(
            units=units,
            distribution=config["distribution"],
            transforms=config["transforms"],
            seed=config["seed"],
            resample=config["resample"],
            kernel=config["kernel"],
            name="symmetrization",
            dtype=self.dtype_policy,
        )

    def _make_layer(self, index: int) -> tf.keras.layers.Layer:
        """Return the message-passing layer at an index, from 0.

        It is called as `MessagePassing.call`. It scales every use of a pair by the graph's pair weight, if there is
        one; the mask of pairs is 0 only where that weight is zero. It has `bytes_per_pair`, `bytes_per_atom` and
        `attention`.
        """
        heads, last = self._config["heads"], index == len(self._config["heads"]) - 1
        return MessagePassing(
            heads=heads[index],
            units=self._config["width"],
            merge="mean" if last else "concat",
            update_edges=not last,
            kernel=self._config["kernel"],
            name=f"message_passing_{index}",
            dtype=self.dtype_policy,
        )

    def stages(self) -> list[Stage]:
        """Return one stage per layer. The first includes the encoders, the last the decoder."""
        stages = [
            Stage(partial(self._pass_messages, layer), layer.bytes_per_pair(), layer.bytes_per_atom())
            for layer in self.layers_
        ]
        stages[0] = stages[0].after(self.encode, bytes_per_pair=self.edge_encoder.bytes_per_pair())
        stages[-1] = stages[-1].then(self._decode)
        return stages

    def encode(self, graph: tfgnn.GraphTensor, training: bool = False) -> tfgnn.GraphTensor:
        """Return the graph with the initial hidden states of atoms [N, F] and of pairs [E, F]."""
        state = State.of(graph)
        real_atoms, real_pairs = self._masks(graph)
        atomic_numbers = state.atoms[names.SPECIES]
        nodes = self.node_encoder(self.species_embedding(atomic_numbers), mask=real_atoms, training=training)
        edges = self.edge_encoder(state.pairs[names.DISPLACEMENT], mask=real_pairs, training=training)
        return self._with_states(graph, nodes, edges)

    def attention(self, graph: tfgnn.GraphTensor) -> list[tf.Tensor]:
        """Return the attention a_ij [E, H] of each layer, from first to last."""
        graph, attention = self.encode(graph), []
        for layer in self.layers_:
            attention.append(layer.attention(_hidden_states(graph), graph=graph))
            graph = self._pass_messages(layer, graph, False)
        return attention

    def portable(self) -> SymGNN:
        """Return a copy with the kernel `reference` and with constant transforms.

        ONNX supports neither loops over chunks nor the quantiles of the von Mises distribution.
        """
        copy = type(self).from_config(self.get_config() | {"kernel": "reference"})
        create_weights(copy, self._config["species"][0]).set_weights(self.get_weights())
        for layer in copy.submodules:
            if isinstance(layer, OrthogonalDistribution):
                layer.freeze()
        return copy

    def _pass_messages(self, layer: MessagePassing, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with the hidden states after a layer."""
        nodes, edges = layer(_hidden_states(graph), graph=graph, masks=self._masks(graph), training=training)
        return self._with_states(graph, nodes, edges)

    def _decode(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with only the energy barrier of atoms f[N], eV."""
        nodes, _ = _hidden_states(graph)
        decoded = self.decoder(nodes, mask=self._masks(graph)[0], training=training)
        barrier = self.label_mean + self.label_std * tf.squeeze(self.readout(decoded), axis=-1)
        return State({names.ENERGY_BARRIER: barrier}, {}).on(graph)

    def _masks(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return masks [N] and [E]: 1 for real atoms and pairs, 0 for padding and pairs of weight zero."""
        state = State.of(graph)
        atoms = tf.cast(state.atoms[names.SPECIES] > 0, self.compute_dtype)
        pairs = tfgnn.broadcast_node_to_edges(graph, names.NEIGHBORS, tfgnn.TARGET, feature_value=atoms)
        if names.PAIR_WEIGHT in state.pairs:
            pairs *= tf.cast(state.pairs[names.PAIR_WEIGHT] > 0, self.compute_dtype)
        return atoms, pairs

    def _with_states(self, graph: tfgnn.GraphTensor, nodes: tf.Tensor, edges: tf.Tensor) -> tfgnn.GraphTensor:
        """Return the graph with hidden states and the other features that layers read."""
        state = State.of(graph)
        atoms = {names.SPECIES: state.atoms[names.SPECIES], names.HIDDEN_STATE: nodes}
        weight = {name: x for name, x in state.pairs.items() if name == names.PAIR_WEIGHT}
        return State(atoms, weight | {names.HIDDEN_STATE: edges}).on(graph)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | self._config


def _hidden_states(graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the hidden states of atoms [N, F] and of pairs [E, F]."""
    atoms, pairs = State.of(graph)
    return atoms[names.HIDDEN_STATE], pairs[names.HIDDEN_STATE]
