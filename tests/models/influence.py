"""Which pairs a prediction depends on, for tests of receptive fields."""

import numpy as np
import tensorflow as tf

from tf_symgnn import names
from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.models.base import BarrierModel


def pairs_used(model: BarrierModel, graph: GlassGraph) -> np.ndarray:
    """Return whether the prediction for atom 0 depends on the displacement of each pair, bool[E]."""
    displacement = tf.constant(graph.displacement)
    tensor = to_graph_tensor(graph)
    with tf.GradientTape() as tape:
        tape.watch(displacement)
        features = {names.DISPLACEMENT: displacement}
        predicted = model(tensor.replace_features(edge_sets={names.NEIGHBORS: features}))[0]
    gradient = tape.gradient(predicted, displacement, unconnected_gradients="zero").numpy()
    assert np.isfinite(gradient).all()
    return np.abs(gradient).sum(axis=1) > 0


def distances(graph: GlassGraph) -> np.ndarray:
    """Return the distance of each atom from the nearest image of atom 0 in an orthorhombic cell, f[N] A."""
    delta = graph.positions - graph.positions[0]
    delta -= np.round(delta / np.diag(graph.cell)) * np.diag(graph.cell)
    return np.linalg.norm(delta, axis=1)
