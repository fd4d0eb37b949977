"""The model's own attention, rolled out over its layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy.sparse import csr_array, diags_array

from tf_symgnn.explain.neighborhoods import Neighborhood
from tf_symgnn.explain.probe import in_batches
from tf_symgnn.graph import GlassGraph
from tf_symgnn.models.base import BarrierModel

# A layer adds what an atom receives to what it was: each counts as half (Abnar and Zuidema 2020).
RESIDUAL = 0.5


def rolled_out(model: BarrierModel, neighborhoods: Sequence[Neighborhood]) -> list[np.ndarray] | None:
    """Return the share of each target's state that went through each of its pairs, f64[P], summed over layers.

    It is 0 on self-loops; None for a model without attention.
    """
    found = []
    for batch in in_batches(neighborhoods):
        layers = model.attention(batch.graph)
        if layers is None:
            return None
        of_heads = [tf.reduce_mean(layer, axis=1).numpy().astype(np.float64) for layer in layers]
        of_layers = zip(*map(batch.split, of_heads), strict=True)
        for neighborhood, attention in zip(batch.neighborhoods, of_layers, strict=True):
            flow = _flow(neighborhood.graph, neighborhood.center_index, attention)
            found.append(np.where(neighborhood.explained, flow, 0.0))
    return found


def layer_matrix(graph: GlassGraph, attention: np.ndarray) -> csr_array:
    """What each atom [N] is made of after a layer, in shares of what the atoms [N] were: rows sum to one.

    Args:
        graph: whose E pairs are attended.
        attention: f64[E], mean of the heads.
    """
    received = csr_array((RESIDUAL * attention, (graph.target, graph.source)), shape=(graph.n_atoms,) * 2)
    return csr_array(received + diags_array(1 - received.sum(axis=1)))


def _flow(graph: GlassGraph, center: int, attention: Sequence[np.ndarray]) -> np.ndarray:
    share = np.zeros(graph.n_atoms)
    share[center] = 1.0
    flow = np.zeros(graph.n_edges)
    for layer in reversed(attention):
        flow += RESIDUAL * share[graph.target] * layer
        share = share @ layer_matrix(graph, layer)
    return flow
