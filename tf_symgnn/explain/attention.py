"""Attention rollout: the attention of a model, followed from a prediction back through the layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy.sparse import csr_array, diags_array

from tf_symgnn.explain.neighborhoods import Neighborhood
from tf_symgnn.explain.probe import in_batches
from tf_symgnn.graph import GlassGraph
from tf_symgnn.models.base import BarrierModel

# A layer adds messages to the state of an atom. Both have equal weight in the rollout (Abnar and Zuidema 2020).
MESSAGE_WEIGHT = 0.5


def attention_rollout(model: BarrierModel, neighborhoods: Sequence[Neighborhood]) -> list[np.ndarray] | None:
    """Return the fraction of each center's final state that passed through each pair (Abnar and Zuidema 2020).

    Fractions are summed over layers, with the mean attention of the heads.

    Args:
        model: the model.
        neighborhoods: those of the centers.

    Returns:
        f64[P] for the pairs of each center, 0 for self-loops; None for a model without attention.
    """
    rollouts = []
    for batch in in_batches(neighborhoods):
        layers = model.attention(batch.graph)
        if layers is None:
            return None
        means = [tf.reduce_mean(layer, axis=1).numpy().astype(np.float64) for layer in layers]
        by_neighborhood = zip(*map(batch.split, means), strict=True)
        for neighborhood, attention in zip(batch.neighborhoods, by_neighborhood, strict=True):
            flow = _flow(neighborhood.graph, neighborhood.center_index, attention)
            rollouts.append(np.where(neighborhood.explained, flow, 0.0))
    return rollouts


def layer_matrix(graph: GlassGraph, attention: np.ndarray) -> csr_array:
    """Return the matrix [N, N] that maps states before a layer to states after it; its rows sum to 1.

    Args:
        graph: N atoms and E pairs.
        attention: f64[E], the mean of the heads.
    """
    messages = csr_array((MESSAGE_WEIGHT * attention, (graph.target, graph.source)), shape=(graph.n_atoms,) * 2)
    return csr_array(messages + diags_array(1 - messages.sum(axis=1)))


def _flow(graph: GlassGraph, center: int, attention: Sequence[np.ndarray]) -> np.ndarray:
    """Return the fractions f64[E] of a center's state, from the attention f64[E] of each layer, first to last."""
    fraction = np.zeros(graph.n_atoms)
    fraction[center] = 1.0
    flow = np.zeros(graph.n_pairs)
    for layer in reversed(attention):
        flow += MESSAGE_WEIGHT * fraction[graph.target] * layer
        fraction = fraction @ layer_matrix(graph, layer)
    return flow
