"""The base class of all models, and the stages that their forward passes are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.graph import GlassGraph, to_graph_tensor

# Features of a graph before the first stage. A stage may drop them, and never changes what they mean.
INPUTS = (names.SPECIES, names.POSITION, names.DISPLACEMENT, names.PAIR_WEIGHT)

Step = Callable[[tfgnn.GraphTensor, bool], tfgnn.GraphTensor]


@dataclass(frozen=True)
class Stage:
    """One step of a forward pass: after it an atom's state depends on one more hop of neighbors.

    The state is the features of the graph: named tensors [N, ...] of atoms and [E, ...] of pairs. The first stage reads
    species, positions, displacements and, optionally, pair weights; of an atom that sends it reads the species alone.
    The last stage leaves the atoms' feature `energy_barrier` f[N], eV.

    Attributes:
        apply: from a graph, and whether it trains, to the graph with the features that later stages read.
        bytes_per_pair: working memory, besides the state, of a pair.
        bytes_per_atom: working memory, besides the state, of an atom, be it one that only sends.
    """

    apply: Step
    bytes_per_pair: int
    bytes_per_atom: int

    def after(self, step: Step, *, bytes_per_pair: int = 0) -> Stage:
        """Return the stage preceded by a step that reads no other atom's state."""

        def apply(graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
            return self.apply(step(graph, training), training)

        return replace(self, apply=apply, bytes_per_pair=max(self.bytes_per_pair, bytes_per_pair))

    def then(self, step: Step) -> Stage:
        """Return the stage followed by a step that reads no other atom's state."""

        def apply(graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
            return step(self.apply(graph, training), training)

        return replace(self, apply=apply)


class State(NamedTuple):
    """Named tensors of atoms [N, ...] and of pairs [E, ...]: the features of a graph."""

    atoms: dict[str, tf.Tensor]
    pairs: dict[str, tf.Tensor]

    @classmethod
    def of(cls, graph: tfgnn.GraphTensor) -> State:
        """Return the features of a graph."""
        atoms, pairs = graph.node_sets[names.ATOMS], graph.edge_sets[names.NEIGHBORS]
        return cls(atoms.get_features_dict(), pairs.get_features_dict())

    def on(self, graph: tfgnn.GraphTensor) -> tfgnn.GraphTensor:
        """Return the graph with this state in place of its own."""
        return graph.replace_features(node_sets={names.ATOMS: self.atoms}, edge_sets={names.NEIGHBORS: self.pairs})

    def merged(self, other: State) -> State:
        """Return the tensors of both; where both have one of a name, that of the other."""
        return State(self.atoms | other.atoms, self.pairs | other.pairs)

    def renamed(self, rename: Callable[[str], str | None]) -> State:
        """Return the tensors under new names, without those whose new name is None."""
        return State(*({new: x for name, x in part.items() if (new := rename(name)) is not None} for part in self))

    def inputs(self) -> State:
        """Return the tensors that the graph had before the first stage."""
        return self.renamed(lambda name: name if name in INPUTS else None)


class BarrierModel(tf.keras.Model):
    """A model that takes a GraphTensor and predicts one energy barrier per atom, eV.

    Subclasses override `stages`, or `call` where the forward pass is not made of steps of one hop. All other methods
    have a default.

    Attributes:
        receptive_field: how far an atom's prediction depends on others, A; infinite where on the whole glass.
    """

    receptive_field: float

    def stages(self) -> list[Stage]:
        """Return the forward pass as steps of one hop each; none where it is not made of such steps."""
        return []

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predict one energy barrier per atom f[N], eV.

        Args:
            graph: with the features of `schemas/glass.pbtxt` and, optionally, pair weights.
            training: whether batch norm uses and tracks statistics of the batch, and random draws are made.
        """
        return run_stages(self.stages(), graph, training).node_sets[names.ATOMS][names.ENERGY_BARRIER]

    @property
    def trained(self) -> BarrierModel:
        """Return the sub-model that gradient descent fits to the labels."""
        return self

    def prepare(self, graphs: Sequence[tfgnn.GraphTensor], labels: Sequence[np.ndarray]) -> None:
        """Solve for what is not trained by gradient descent, before training.

        Args:
            graphs: of the training glasses.
            labels: barriers f[N] eV of each.
        """

    def cache(self, graph: tfgnn.GraphTensor) -> tfgnn.GraphTensor:
        """Return the graph with features that training cannot change and that a prediction need not compute again."""
        return graph

    def calibrate(self, graphs: Iterable[tfgnn.GraphTensor], labels: Iterable[np.ndarray]) -> None:
        """Fit what is fitted to validation after training.

        Args:
            graphs: of the validation glasses, or of patches of them; read once, side by side with the labels.
            labels: barriers f[N] eV of each; NaN for atoms that do not count.
        """

    def novelty(self, graph: tfgnn.GraphTensor) -> tf.Tensor | None:
        """Return how unlike the training atoms each atom is, f[N], 1 on average over these; None if unknown."""
        return None

    def uncertainty(self, graph: tfgnn.GraphTensor) -> tf.Tensor | None:
        """Return the standard error of each prediction, f[N] eV; None if unknown."""
        return None

    def contributions(self, graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor] | None:
        """Return the additive terms of the predictions by name, each f[N] eV; None where there is one term."""
        return None

    def attention(self, graph: tfgnn.GraphTensor) -> list[tf.Tensor] | None:
        """Return the attention a_ij [E, H] of each layer's heads, from first to last; None without attention."""
        return None

    def portable(self) -> BarrierModel | None:
        """Return a copy in operations that runtimes other than TensorFlow have; None where there is none."""
        return None

    def get_build_config(self) -> None:
        """Return nothing: Keras would build the model by the shapes of tensors, and its input is a graph."""

    def bytes_per_pair(self) -> int:
        """Return the working memory of a pair, besides the state, in the stage that takes most."""
        return max((stage.bytes_per_pair for stage in self.stages()), default=0)

    def bytes_per_atom(self) -> int:
        """Return the working memory of an atom, besides the state, in the stage that takes most."""
        return max((stage.bytes_per_atom for stage in self.stages()), default=0)


def run_stages(stages: Sequence[Stage], graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
    """Return the graph after all stages."""
    for stage in stages:
        graph = stage.apply(graph, training)
    return graph


def in_parallel(branches: Mapping[str, Sequence[Stage]]) -> list[Stage]:
    """Return stages that advance several models side by side.

    A model's features are named `branch/feature`; those of the input graph are shared, and stay. A branch that has
    fewer stages than others keeps its last state.

    Args:
        branches: the stages of each model by the branch's name.
    """
    depth = max(len(stages) for stages in branches.values())
    return [
        Stage(
            partial(_advance, {name: stages[k] for name, stages in branches.items() if k < len(stages)}),
            sum(stages[k].bytes_per_pair for stages in branches.values() if k < len(stages)),
            sum(stages[k].bytes_per_atom for stages in branches.values() if k < len(stages)),
        )
        for k in range(depth)
    ]


def _advance(stages: Mapping[str, Stage], graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
    """Return the graph after one stage of each branch."""
    before = State.of(graph)
    after = before.renamed(lambda name: None if name.partition("/")[0] in stages else name)
    for branch, stage in stages.items():
        prefix = f"{branch}/"
        own = before.renamed(lambda name, prefix=prefix: name.partition(prefix)[2] or None)
        state = State.of(stage.apply(before.inputs().merged(own).on(graph), training))
        after = after.merged(state.renamed(lambda name, prefix=prefix: None if name in INPUTS else prefix + name))
    return after.on(graph)


def create_weights(model: BarrierModel, atomic_number: int) -> BarrierModel:
    """Create the weights of a model by a prediction of one atom that neighbors itself, and return the model."""
    zero = np.zeros(1, np.int32)
    atom = GlassGraph(
        name="atom",
        atomic_numbers=np.array([atomic_number], np.int32),
        positions=np.zeros((1, 3), np.float32),
        cell=np.eye(3, dtype=np.float32),
        pbc=np.ones(3, bool),
        source=zero,
        target=zero,
        displacement=np.zeros((1, 3), np.float32),
        barrier=None,
    )
    model(to_graph_tensor(atom))
    return model
