"""A model whose predictions are known to depend on certain pairs and on no others."""

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
    """Barrier of atom j: 1 + sum over Zr neighbours i within 3 A of w_ij (0.2 + 0.1 sum over theirs of w_ki)."""

    receptive_field = 8.0  # A: two messages over a cutoff of 4 A

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        at = {"graph_tensor": graph, "edge_set_name": names.NEIGHBORS}
        weight = (
            graph.edge_sets[names.NEIGHBORS][names.PAIR_WEIGHT]
            if names.PAIR_WEIGHT in graph.edge_sets[names.NEIGHBORS].features
            else tf.ones(tf.shape(graph.edge_sets[names.NEIGHBORS][names.DISPLACEMENT])[:1])
        )
        species = graph.node_sets[names.ATOMS][names.SPECIES]
        heavy = tfgnn.broadcast_node_to_edges(node_tag=tfgnn.SOURCE, feature_value=species == HEAVY, **at)
        displacement = graph.edge_sets[names.NEIGHBORS][names.DISPLACEMENT]
        counts = tf.cast(heavy & bonded(displacement), tf.float32) * weight
        received = {"node_tag": tfgnn.TARGET, "reduce_type": "sum"}
        near = tfgnn.pool_edges_to_node(feature_value=counts, **received, **at)
        sent = tfgnn.broadcast_node_to_edges(node_tag=tfgnn.SOURCE, feature_value=0.2 + 0.1 * near, **at)
        return 1.0 + tfgnn.pool_edges_to_node(feature_value=counts * sent, **received, **at)


def bonded(displacement):
    """Whether pairs [E] are bonds: not self-loops, shorter than 3 A."""
    squared = (displacement**2)[:, 0] + (displacement**2)[:, 1] + (displacement**2)[:, 2]
    return (squared > 0) & (squared < BOND**2)


def true_pairs(graph: GlassGraph, centre: int) -> np.ndarray:
    """Which pairs bool[P] the prediction of an atom depends on, by the model's equation."""
    counts = (graph.atomic_numbers[graph.source] == HEAVY) & bonded(graph.displacement)
    first = counts & (graph.target == centre)
    return first | (counts & np.isin(graph.target, graph.source[first]))
