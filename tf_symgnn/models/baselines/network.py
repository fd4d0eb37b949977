"""The base class of the graph neural networks among the baselines."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.models.base import BarrierModel, Stage, State
from tf_symgnn.nn.embedding import SpeciesEmbedding
from tf_symgnn.nn.normalization import DenseBlocks
from tf_symgnn.nn.pairs import PairView

# Divisor of sums of messages: about the number of pairs that an atom receives within 5 A. It keeps the inputs of the
# next map near 1, which matters for the step size of Adam and for recurrent blocks.
AVERAGE_NEIGHBORS = 32.0

NODES, EDGES = "nodes", "edges"  # hidden states [N, F] and [E, F]

# Upper bound on the tensors as wide as a hidden state that a hop has in memory at a time, for pairs and for atoms. The
# network of Bapst et al. has the most: a concatenation of two edge states, and three products, two sums and a ReLU.
MAX_LIVE_TENSORS = 8

Hop = Callable[[State, PairView, bool], State]


class BaselineNetwork(BarrierModel, abc.ABC):
    """A model with the species embedding and the decoder of SymGNN; subclasses define the layers between them.

    Args:
        species: atomic numbers of the training glasses.
        cutoff: of the neighbor graph, A.
        label_mean, label_std: mean and standard deviation of the training labels, eV.
        width: of node and edge states.
        layers: number of interactions between neighbors.
        decoder_layers: number of dense blocks before the readout.
        seed: of random numbers in training.
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
        dtype = self.dtype_policy
        self.species_embedding = SpeciesEmbedding(species=species, units=width, name="species_embedding", dtype=dtype)
        self.decoder = DenseBlocks(units=(width,) * decoder_layers, activation="prelu", name="decoder", dtype=dtype)
        self.readout = tf.keras.layers.Dense(1, name="readout", dtype=self.variable_dtype)

    @property
    def receptive_field(self) -> float:
        """Return the largest distance of an atom that affects a prediction, A: one cutoff per hop."""
        return self.cutoff * len(self.hops())

    @abc.abstractmethod
    def hops(self) -> list[Hop]:
        """Return the steps of message passing, at least one.

        A step takes the state, the pairs and whether it is for training, and returns the updated state.
        """

    def first_state(self, nodes: tf.Tensor, view: PairView, training: bool) -> State:
        """Return the state before the first hop, by default the node states [N, F] only.

        A subclass may add tensors of atoms and pairs that do not depend on the states of other atoms.
        """
        return State({NODES: nodes}, {})

    def last_nodes(self, state: State) -> tf.Tensor:
        """Return the node states [N, F'] to decode, by default those of the last hop."""
        return state.atoms[NODES]

    def stages(self) -> list[Stage]:
        """Return one stage per hop. The first includes the species embedding, the last the decoder."""
        size = 4 * MAX_LIVE_TENSORS * self.width
        stages = [Stage(partial(self._advance, hop), size, size) for hop in self.hops()]
        stages[0] = stages[0].after(self._embed)
        stages[-1] = stages[-1].then(self._decode)
        return stages

    def _embed(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with the state before the first hop."""
        view = self._view(graph)
        state = self.first_state(self.species_embedding(view.atomic_numbers), view, training)
        return State.of(graph).inputs().merged(state).on(graph)

    def _advance(self, hop: Hop, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with the state after a hop."""
        state = State.of(graph)
        return state.inputs().merged(hop(state, self._view(graph), training)).on(graph)

    def _decode(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with only the energy barrier of atoms f[N], eV."""
        decoded = self.decoder(self.last_nodes(State.of(graph)), mask=self._view(graph).real_atoms, training=training)
        barrier = self.label_mean + self.label_std * tf.squeeze(self.readout(decoded), axis=-1)
        return State({names.ENERGY_BARRIER: barrier}, {}).on(graph)

    def _view(self, graph: tfgnn.GraphTensor) -> PairView:
        return PairView.of(graph, self.compute_dtype)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | self._config
