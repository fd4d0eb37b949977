"""The model's own attention, rolled out over its layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy.sparse import csr_array, diags_array

from tf_symgnn.explain.neighbourhoods import Neighbourhood
from tf_symgnn.explain.probe import in_batches
from tf_symgnn.graph import GlassGraph
from tf_symgnn.models.symgnn import SymGNN

# A layer adds what an atom receives to what it was: each counts as half (Abnar and Zuidema 2020).
RESIDUAL = 0.5


def has_attention(model: tf.keras.Model) -> bool:
    """Whether a model has attention to roll out."""
    return isinstance(model, SymGNN)


def rolled_out(model: SymGNN, neighbourhoods: Sequence[Neighbourhood]) -> list[np.ndarray]:
    """What of each target's state went through each of its pairs, f64[P], summed over layers; 0 on self-loops."""
    found = []
    for batch in in_batches(neighbourhoods):
        layers = [tf.reduce_mean(layer, axis=1).numpy() for layer in model.attention(batch.graph)]
        of_layers = zip(*(batch.split(layer.astype(np.float64)) for layer in layers), strict=True)
        for neighbourhood, attention in zip(batch.neighbourhoods, of_layers, strict=True):
            flow = _flow(neighbourhood.graph, neighbourhood.centre, attention)
            found.append(np.where(neighbourhood.explained, flow, 0.0))
    return found


def layer_matrix(graph: GlassGraph, attention: np.ndarray) -> csr_array:
    """What each atom [N] is made of after a layer, in shares of what the atoms [N] were: rows sum to one.

    Args:
        graph: whose E pairs are attended.
        attention: f64[E], mean of the heads.
    """
    received = csr_array((RESIDUAL * attention, (graph.target, graph.source)), shape=(graph.n_atoms,) * 2)
    return csr_array(received + diags_array(1 - received.sum(axis=1)))


def _flow(graph: GlassGraph, centre: int, attention: Sequence[np.ndarray]) -> np.ndarray:
    share = np.zeros(graph.n_atoms)
    share[centre] = 1.0
    flow = np.zeros(graph.n_edges)
    for layer in reversed(attention):
        flow += RESIDUAL * share[graph.target] * layer
        share = share @ layer_matrix(graph, layer)
    return flow
