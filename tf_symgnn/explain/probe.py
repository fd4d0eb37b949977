"""What a model says of target atoms under pair weights, and how that changes with each weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.explain.neighborhoods import Neighborhood, cut_all
from tf_symgnn.graph import GlassGraph, graph_spec, join_graphs, with_pair_weights
from tf_symgnn.models.base import BarrierModel

# Directed pairs that are computed at once: about 1 GB for the default model.
PAIRS_AT_ONCE = 100_000

# A reach is far enough if it moves the targets' predictions by less than this, RMS, of the glass's spread.
TOLERANCE = 0.01


class Batch:
    """Neighbourhoods as components of one graph, so that the gradient of all targets is that of each.

    Args:
        neighborhoods: B of them, at least one, with E directed pairs together.
    """

    def __init__(self, neighborhoods: Sequence[Neighborhood]):
        self.neighborhoods = list(neighborhoods)
        atoms = np.cumsum([0] + [n.graph.n_atoms for n in self.neighborhoods])
        self._bounds = np.cumsum([0] + [n.n_pairs for n in self.neighborhoods])
        self.graph = join_graphs([n.graph for n in self.neighborhoods])
        center_indices = np.array([n.center_index for n in self.neighborhoods], np.int32)
        self.center_indices = tf.constant(center_indices + atoms[:-1].astype(np.int32))
        self.explained = np.concatenate([n.explained for n in self.neighborhoods])  # bool[E]
        self.owner = np.repeat(np.arange(len(self.neighborhoods)), np.diff(self._bounds))  # i64[E]

    @property
    def n_pairs(self) -> int:
        """E."""
        return int(self._bounds[-1])

    def split(self, flat: np.ndarray) -> list[np.ndarray]:
        """Values [E] by neighborhood."""
        return np.split(flat, self._bounds[1:-1])

    def total(self, flat: np.ndarray) -> np.ndarray:
        """Sums [B] over the pairs of each neighborhood of values [E]."""
        return np.bincount(self.owner, flat, minlength=len(self.neighborhoods))


def in_batches(neighborhoods: Sequence[Neighborhood]) -> list[Batch]:
    """Neighbourhoods in their order, as many a batch as memory is set aside for, at least one."""
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
    """A model asked about targets, compiled once for neighborhoods of all sizes.

    Args:
        model: takes a GraphTensor with pair weights, predicts f[N] eV.
    """

    def __init__(self, model: BarrierModel):
        self.model = model
        # However many neighborhoods of whatever sizes: compiling takes longer than many a computation.
        graphs = graph_spec(labeled=False).relax(num_components=True, num_nodes=True, num_edges=True)
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

    def predict(self, batch: Batch, weight: np.ndarray | None = None) -> np.ndarray:
        """Barriers f64[B] eV of a batch's targets under pair weights [E], by default 1."""
        return self._predict(batch.graph, _weight(batch, weight), batch.center_indices).numpy().astype(np.float64)

    def slopes(self, batch: Batch, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Barriers f64[B] eV under pair weights [E], and the derivative f64[E] eV of each pair's own target by it."""
        found = self._slopes(batch.graph, _weight(batch, weight), batch.center_indices)
        return tuple(x.numpy().astype(np.float64) for x in found)


def _weight(batch: Batch, weight: np.ndarray | None) -> tf.Tensor:
    given = np.ones(batch.n_pairs) if weight is None else weight
    return tf.constant(given, tf.float32)


def far_enough(
    probe: Probe, graph: GlassGraph, targets: Sequence[int], barrier: np.ndarray, cutoff: float
) -> tuple[float, float]:
    """The distance that pairs are explained within, chosen as near as the targets' predictions allow.

    Tried are steps of half a cutoff up to the receptive field, which is exact. SymGNN's is one cutoff less: of the
    farthest atoms it hears what they are, and not, as of their degree in a GCN, what they receive.

    Args:
        probe: of the model.
        graph: of the glass.
        targets: atoms of the glass.
        barrier: f64[N] eV, predicted of the whole glass.
        cutoff: of the neighbour graph, A.

    Returns:
        The distance, A, infinite where the model sees the whole glass; and the RMS change of the targets'
        predictions by the cut, in standard deviations of `barrier`.
    """
    farthest = probe.model.receptive_field
    tried = np.append(np.arange(cutoff, farthest, cutoff / 2), farthest) if np.isfinite(farthest) else [np.inf]
    spread = barrier.std()
    for reach in tried:
        found = np.concatenate([probe.predict(batch) for batch in in_batches(cut_all(graph, targets, reach))])
        change = np.sqrt(np.square(found - barrier[np.asarray(targets)]).mean())
        if change < TOLERANCE * spread:
            break
    return float(reach), float(change / spread) if spread > 0 else 0.0
