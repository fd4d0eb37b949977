"""Predictions for center atoms under pair weights, and their derivatives with respect to these weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.explain.neighborhoods import Neighborhood, cut_all
from tf_symgnn.graph import GlassGraph, graph_spec, join_graphs, with_pair_weights
from tf_symgnn.models.base import BarrierModel

# Directed pairs of a batch. The default model needs about 1 GB for them.
PAIRS_AT_ONCE = 100_000

# Largest RMS change of the centers' predictions by a cut, over the standard deviation of predictions of the glass.
TOLERANCE = 0.01


class Batch:
    """Neighborhoods as components of one graph.

    No pair affects two centers, so one backward pass gives the derivatives of all of them.

    Args:
        neighborhoods: B neighborhoods, at least one, with E directed pairs in total.

    Attributes:
        neighborhoods: the same.
        graph: GraphTensor of B components.
        center_indices: i32[B], indices of the centers among the atoms of `graph`.
        explained: bool[E], False for self-loops.
        owner: i64[E], the neighborhood that each pair belongs to.
    """

    def __init__(self, neighborhoods: Sequence[Neighborhood]):
        self.neighborhoods = list(neighborhoods)
        atoms = np.cumsum([0] + [n.graph.n_atoms for n in self.neighborhoods])
        self._bounds = np.cumsum([0] + [n.n_pairs for n in self.neighborhoods])
        self.graph = join_graphs([n.graph for n in self.neighborhoods])
        center_indices = np.array([n.center_index for n in self.neighborhoods], np.int32)
        self.center_indices = tf.constant(center_indices + atoms[:-1].astype(np.int32))
        self.explained = np.concatenate([n.explained for n in self.neighborhoods])
        self.owner = np.repeat(np.arange(len(self.neighborhoods)), np.diff(self._bounds))

    @property
    def n_pairs(self) -> int:
        """Return the number of pairs E."""
        return int(self._bounds[-1])

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Return values [E] of pairs by neighborhood."""
        return np.split(values, self._bounds[1:-1])

    def displaced(self, shift: np.ndarray) -> tfgnn.GraphTensor:
        """Return the graph with all atoms displaced by f[M, 3] A, and the same pairs."""
        pairs, atoms, shift = self.graph.edge_sets[names.NEIGHBORS], self.graph.node_sets[names.ATOMS], _float(shift)
        ends = pairs.adjacency
        moved = pairs[names.DISPLACEMENT] + tf.gather(shift, ends.source) - tf.gather(shift, ends.target)
        return self.graph.replace_features(
            node_sets={names.ATOMS: atoms.get_features_dict() | {names.POSITION: atoms[names.POSITION] + shift}},
            edge_sets={names.NEIGHBORS: pairs.get_features_dict() | {names.DISPLACEMENT: moved}},
        )

    def sum_pairs(self, values: np.ndarray) -> np.ndarray:
        """Return sums [B] of values [E] over the pairs of each neighborhood."""
        return np.bincount(self.owner, values, minlength=len(self.neighborhoods))


def in_batches(neighborhoods: Sequence[Neighborhood]) -> list[Batch]:
    """Return batches of neighborhoods, in the same order, of up to `PAIRS_AT_ONCE` pairs or a single neighborhood."""
    groups: list[list[Neighborhood]] = []
    room = 0
    for neighborhood in neighborhoods:
        if not groups or neighborhood.n_pairs > room:
            groups.append([])
            room = PAIRS_AT_ONCE
        groups[-1].append(neighborhood)
        room -= neighborhood.n_pairs
    return [Batch(group) for group in groups]


class Probe:
    """Compiled functions of a model under pair weights, for neighborhoods of all sizes.

    Args:
        model: the model, which must use pair weights.
    """

    def __init__(self, model: BarrierModel):
        self.model = model
        # One signature for all numbers and sizes of neighborhoods: compiling again would take longer than computing.
        graphs = graph_spec(labeled=False, n_descriptors=model.n_descriptors).relax(
            num_components=True, num_nodes=True, num_edges=True
        )
        signature = [graphs, tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.int32)]

        @tf.function(input_signature=signature)
        def predict(graph: tfgnn.GraphTensor, weight: tf.Tensor, center_indices: tf.Tensor) -> tf.Tensor:
            return tf.gather(model(with_pair_weights(graph, weight), training=False), center_indices)

        @tf.function(input_signature=signature)
        def slopes(
            graph: tfgnn.GraphTensor, weight: tf.Tensor, center_indices: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weight)
                predicted = predict(graph, weight, center_indices)
            return predicted, tape.gradient(predicted, weight, unconnected_gradients="zero")

        self._predict, self._slopes = predict, slopes

    def predict(self, batch: Batch, weight: np.ndarray | None = None, *, shift: np.ndarray | None = None) -> np.ndarray:
        """Return barriers f64[B] eV of the centers of a batch.

        Args:
            batch: B neighborhoods.
            weight: of the pairs [E], by default 1.
            shift: displacements of the atoms [M, 3] A, by default 0.
        """
        graph = batch.graph if shift is None else batch.displaced(shift)
        return self._predict(graph, _weight(batch, weight), batch.center_indices).numpy().astype(np.float64)

    def slopes(self, batch: Batch, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return barriers f64[B] eV under pair weights [E], and derivatives f64[E] eV with respect to the weights.

        The derivative of a pair is that of the barrier of its own center.
        """
        outputs = self._slopes(batch.graph, _weight(batch, weight), batch.center_indices)
        return tuple(x.numpy().astype(np.float64) for x in outputs)


def _weight(batch: Batch, weight: np.ndarray | None) -> tf.Tensor:
    return _float(np.ones(batch.n_pairs) if weight is None else weight)


def _float(values: np.ndarray) -> tf.Tensor:
    return tf.constant(values, tf.float32)


def choose_reach(
    probe: Probe, graph: GlassGraph, centers: Sequence[int], barrier: np.ndarray, cutoff: float
) -> tuple[float, float]:
    """Return the smallest distance within which pairs must be kept for accurate predictions of the centers.

    It is a multiple of half a cutoff, from one cutoff to the receptive field, at which predictions are exact. For
    SymGNN, one cutoff less is exact too: it reads only the species of the farthest atoms, while a GCN also needs the
    pairs that these atoms receive.

    Args:
        probe: the model.
        graph: graph of the glass.
        centers: indices of the centers.
        barrier: predictions for the whole glass f64[N], eV.
        cutoff: cutoff of the graph, A.

    Returns:
        The distance, A, infinite if the model's receptive field is; and the RMS change of the predictions of the
        centers by the cut, in standard deviations of `barrier`.
    """
    farthest = probe.model.receptive_field
    candidates = np.append(np.arange(cutoff, farthest, cutoff / 2), farthest) if np.isfinite(farthest) else [np.inf]
    spread = barrier.std()
    for reach in candidates:
        predicted = np.concatenate([probe.predict(batch) for batch in in_batches(cut_all(graph, centers, reach))])
        change = np.sqrt(np.square(predicted - barrier[np.asarray(centers)]).mean())
        if change < TOLERANCE * spread:
            break
    return float(reach), float(change / spread) if spread > 0 else 0.0
