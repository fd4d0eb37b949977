"""The base class of all models, and the stages of their forward passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.graph import GlassGraph, to_graph_tensor

# Features of a graph before the first stage. A stage may remove but not change them.
INPUTS = (names.SPECIES, names.POSITION, names.DESCRIPTORS, names.DISPLACEMENT, names.PAIR_WEIGHT)

Step = Callable[[tfgnn.GraphTensor, bool], tfgnn.GraphTensor]


@dataclass(frozen=True)
class Stage:
    """One step of a forward pass, which extends the receptive field by one hop.

    The state is the features of the graph: named tensors [N, ...] of atoms and [E, ...] of pairs. The first stage reads
    species, positions, displacements and, optionally, descriptors and pair weights. Of a sender, it reads only the
    species: prediction slab by slab has no other data of it. Layers that need a sum over a sender's neighbors, such as
    its degree, compute it in a stage of its own. The last stage sets the feature `energy_barrier` f[N] of atoms, in eV.

    Attributes:
        apply: takes a graph and whether it is for training; returns the graph with the features that later stages read.
        bytes_per_pair: working memory of a pair, without the state.
        bytes_per_atom: working memory of an atom, without the state; atoms include those that only send.
    """

    apply: Step
    bytes_per_pair: int
    bytes_per_atom: int

    def after(self, step: Step, *, bytes_per_pair: int = 0) -> Stage:
        """Return this stage preceded by a step that reads the states of no other atoms."""

        def apply(graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
            return self.apply(step(graph, training), training)

        return replace(self, apply=apply, bytes_per_pair=max(self.bytes_per_pair, bytes_per_pair))

    def then(self, step: Step) -> Stage:
        """Return this stage followed by a step that reads the states of no other atoms."""

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
        """Return the graph with this state as its features."""
        return graph.replace_features(node_sets={names.ATOMS: self.atoms}, edge_sets={names.NEIGHBORS: self.pairs})

    def merged(self, other: State) -> State:
        """Return the tensors of both states; of two tensors with one name, that of `other`."""
        return State(self.atoms | other.atoms, self.pairs | other.pairs)

    def renamed(self, rename: Callable[[str], str | None]) -> State:
        """Return the tensors under new names; a new name of None removes a tensor."""
        return State(*({new: x for name, x in part.items() if (new := rename(name)) is not None} for part in self))

    def inputs(self) -> State:
        """Return the tensors of the graph before the first stage."""
        return self.renamed(lambda name: name if name in INPUTS else None)


class BarrierModel(tf.keras.Model):
    """A model that takes a GraphTensor and predicts one energy barrier per atom, eV.

    Subclasses override `stages`, or `call` if the forward pass is not a sequence of single hops. All other methods have
    a default.

    Attributes:
        receptive_field: the largest distance of an atom that affects a prediction, A; infinite for the whole glass.
            Descriptors from a potential, which are part of the graph, do not count.
        n_descriptors: the number of descriptors from a potential that graphs must have; 0 if the model reads none.
    """

    receptive_field: float
    n_descriptors: int = 0

    def stages(self) -> list[Stage]:
        """Return the forward pass as stages of one hop each; an empty list if it has no such stages."""
        return []

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predict one energy barrier per atom f[N], eV.

        Args:
            graph: with the features of `schemas/glass.pbtxt` and, optionally, pair weights.
            training: whether batch norm uses and tracks the statistics of the batch, and resampling draws transforms.
        """
        return run_stages(self.stages(), graph, training).node_sets[names.ATOMS][names.ENERGY_BARRIER]

    @property
    def trained(self) -> BarrierModel:
        """Return the submodel that gradient descent fits to the labels; by default the model itself."""
        return self

    def prepare(
        self,
        graphs: Sequence[tfgnn.GraphTensor],
        labels: Sequence[np.ndarray],
        weights: Sequence[np.ndarray] | None = None,
    ) -> None:
        """Fit, before training, the weights that are not trained by gradient descent; by default none.

        Args:
            graphs: of the training glasses.
            labels: barriers f[N] eV of each glass; NaN for atoms to leave out.
            weights: of the labels, f[N] of each glass; None for 1.
        """

    def cache(self, graph: tfgnn.GraphTensor) -> tfgnn.GraphTensor:
        """Return the graph with features added that do not change in training; by default none."""
        return graph

    def calibration_terms(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, ...]:
        """Return what `calibrate` takes of a validation glass, each f[N]; by default nothing, and nothing is fitted."""
        return ()

    def calibrate(self, terms: np.ndarray, labels: np.ndarray) -> None:
        """Fit the weights that are fitted to validation, before each validation; by default none.

        Args:
            terms: of all validation atoms, f[N, T] from `calibration_terms`.
            labels: their barriers f[N], eV.
        """

    def calibrated_values(self) -> dict[str, float]:
        """Return the values that `calibrate` has fitted, by name; by default none."""
        return {}

    def novelty(self, graph: tfgnn.GraphTensor) -> tf.Tensor | None:
        """Return the dissimilarity of each atom to the training atoms, theirs being about 1, f[N]; None if unknown."""
        return None

    def contributions(self, graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor] | None:
        """Return the additive terms of the predictions by name, each f[N] eV; None if there is one term only."""
        return None

    def standardized_descriptors(self, graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor] | None:
        """Return the descriptors that have names, each f[N], in standard deviations from their mean; None without any.

        Mean and standard deviation are those of the training atoms of a species.
        """
        return None

    def attention(self, graph: tfgnn.GraphTensor) -> list[tf.Tensor] | None:
        """Return the attention a_ij [E, H] of each layer, from first to last; None for a model without attention."""
        return None

    def portable(self) -> BarrierModel | None:
        """Return a copy that consists of operations of ONNX; None if there is no such copy."""
        return None

    def train_step(self, data: tuple) -> dict[str, tf.Tensor]:
        """Take one step of gradient descent on the submodel `trained`, for `compile` and `fit` of Keras.

        Args:
            data: a GraphTensor, barriers f[N] eV and, optionally, weights f[N] of atoms.
        """
        graph, label, weight = tf.keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            prediction = self.trained(graph, training=True)
            loss = self.compute_loss(graph, label, prediction, weight)
        self.optimizer.minimize(loss, self.trained.trainable_variables, tape=tape)
        return self.compute_metrics(graph, label, prediction, weight)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None) -> tf.Tensor:
        """Return the compiled loss over the atoms that have a label."""
        return super().compute_loss(x, *_labeled(y, y_pred, sample_weight))

    def compute_metrics(self, x, y, y_pred, sample_weight) -> dict[str, tf.Tensor]:
        """Update the compiled metrics with the atoms that have a label, and return all results."""
        return super().compute_metrics(x, *_labeled(y, y_pred, sample_weight))

    def get_build_config(self) -> dict | None:
        """Return what `build_from_config` takes; Keras stores it in `.keras` files. None of a model without species."""
        species = self.get_config().get("species")
        return {"atomic_number": int(species[0])} if species else None

    def build_from_config(self, config: dict) -> None:
        """Create the weights, so that Keras can load them. By itself, it builds from shapes of tensors only."""
        if not self.built:
            create_weights(self, config["atomic_number"])

    def bytes_per_pair(self) -> int:
        """Return the largest working memory of a pair in any stage, in bytes, without the state."""
        return max((stage.bytes_per_pair for stage in self.stages()), default=0)

    def bytes_per_atom(self) -> int:
        """Return the largest working memory of an atom in any stage, in bytes, without the state."""
        return max((stage.bytes_per_atom for stage in self.stages()), default=0)


def _labeled(
    label: tf.Tensor, prediction: tf.Tensor, weight: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Return columns [N, 1] of labels and predictions, and weights [N], of the atoms whose label is not NaN.

    Keras's losses and metrics average over the last axis first: one column keeps the weights per atom.
    """
    labeled = tf.logical_not(tf.math.is_nan(label))
    columns = [tf.boolean_mask(values, labeled)[:, tf.newaxis] for values in (label, prediction)]
    return columns[0], columns[1], None if weight is None else tf.boolean_mask(weight, labeled)


def run_stages(stages: Sequence[Stage], graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
    """Return the graph after all stages."""
    for stage in stages:
        graph = stage.apply(graph, training)
    return graph


def in_parallel(branches: Mapping[str, Sequence[Stage]]) -> list[Stage]:
    """Return stages that run several models in parallel.

    The features of a model are named `branch/feature`. All models share the features of the input graph. A branch with
    fewer stages than others keeps its last state.

    Args:
        branches: the stages of each model, by name of the branch.
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
        own = before.renamed(lambda name, prefix=prefix: name.removeprefix(prefix) if name.startswith(prefix) else None)
        state = State.of(stage.apply(before.inputs().merged(own).on(graph), training))
        after = after.merged(state.renamed(lambda name, prefix=prefix: None if name in INPUTS else prefix + name))
    return after.on(graph)


def create_weights(model: BarrierModel, atomic_number: int) -> BarrierModel:
    """Create the weights of a model by a prediction for one atom with a self-loop, and return the model."""
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
        descriptors=np.zeros((1, model.n_descriptors), np.float32) if model.n_descriptors else None,
    )
    model(to_graph_tensor(atom))
    return model
