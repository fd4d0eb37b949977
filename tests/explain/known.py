"""A model whose predictions depend on known pairs only."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.graph import GlassGraph
from tf_symgnn.models.base import BarrierModel

BOND = 3.0  # A
HEAVY = 40  # Zr


class KnownModel(BarrierModel):
    """Predicts 1 + sum_i w_ij (0.2 + 0.1 sum_k w_ki) for atom j, eV.

    The sums are over Zr neighbors within 3 A: i of atom j, and k of atom i.
    """

    receptive_field = 8.0  # A: two messages over a cutoff of 4 A

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        weight = (
            graph.edge_sets[names.NEIGHBORS][names.PAIR_WEIGHT]
            if names.PAIR_WEIGHT in graph.edge_sets[names.NEIGHBORS].features
            else tf.ones(tf.shape(graph.edge_sets[names.NEIGHBORS][names.DISPLACEMENT])[:1])
        )
        species = graph.node_sets[names.ATOMS][names.SPECIES]
        displacement = graph.edge_sets[names.NEIGHBORS][names.DISPLACEMENT]
        counts = tf.cast(from_source(graph, species == HEAVY) & bonded(displacement), tf.float32) * weight
        return 1.0 + sum_to_target(graph, counts * from_source(graph, 0.2 + 0.1 * sum_to_target(graph, counts)))


def from_source(graph: tfgnn.GraphTensor, values: tf.Tensor) -> tf.Tensor:
    """Return the values of the senders of all pairs."""
    return tfgnn.broadcast_node_to_edges(graph, names.NEIGHBORS, tfgnn.SOURCE, feature_value=values)


def sum_to_target(graph: tfgnn.GraphTensor, values: tf.Tensor) -> tf.Tensor:
    """Return the sums of the values of all pairs over the pairs that each atom receives."""
    return tfgnn.pool_edges_to_node(graph, names.NEIGHBORS, tfgnn.TARGET, reduce_type="sum", feature_value=values)


def bonded(displacement):
    """Return whether pairs [E] are bonds: no self-loops, shorter than 3 A."""
    squared = (displacement**2)[:, 0] + (displacement**2)[:, 1] + (displacement**2)[:, 2]
    return (squared > 0) & (squared < BOND**2)


def true_pairs(graph: GlassGraph, center: int) -> np.ndarray:
    """Return the pairs bool[P] on which the prediction of an atom depends."""
    counts = (graph.atomic_numbers[graph.source] == HEAVY) & bonded(graph.displacement)
    first = counts & (graph.target == center)
    return first | (counts & np.isin(graph.target, graph.source[first]))
