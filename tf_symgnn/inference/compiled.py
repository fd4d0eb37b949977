"""A model compiled for the graphs of glasses of all sizes."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.graph import GlassGraph, PatchedGlass, graph_spec, to_graph_tensor
from tf_symgnn.models.base import BarrierModel


class CompiledModel:
    """A model compiled once for glasses of all sizes.

    Args:
        model: the model.
        patch_size: edge of a patch's core, A. The device then holds one patch at a time, with a halo as wide as the
            model's receptive field, so that predictions are the same. None predicts glasses whole.
    """

    def __init__(self, model: BarrierModel, *, patch_size: float | None = None):
        self._patch_size, self._halo = patch_size, model.receptive_field

        @tf.function(input_signature=[graph_spec(labeled=False, n_descriptors=model.n_descriptors)])
        def barrier(graph: tfgnn.GraphTensor) -> tf.Tensor:
            return model(graph, training=False)

        self._barrier = barrier

    def __call__(self, graph: GlassGraph) -> np.ndarray:
        """Return the energy barriers f64[N] eV of a glass."""
        if self._patch_size is None:
            return self._whole(graph)
        barrier = np.zeros(graph.n_atoms)
        patched = PatchedGlass(graph, size=self._patch_size, halo=self._halo)
        for k in range(len(patched)):
            patch, atoms, core = patched.extract(k)
            barrier[atoms[core]] = self._whole(patch)[core]
        return barrier

    def _whole(self, graph: GlassGraph) -> np.ndarray:
        return self._barrier(to_graph_tensor(graph)).numpy().astype(np.float64)
