"""Whether a glass is like those that a model was trained on."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_symgnn.graph import GlassGraph
from tf_symgnn.model.spectral import SpectralSymGNN
from tf_symgnn.serving.layers import part_of_glass

# Glasses of the alloy have 0.8 to 1.0, slowly quenched and fast, those of another potential 1.0 to 1.2, one stretched
# by 3% 1.5, crystals of its elements and other alloys 5 and more (benchmarks/RESULTS.md).
UNLIKE = 2.0

_ATOMS = 1000  # that tell what a glass is like; all would cost a third of the prediction


def novelty(model: SpectralSymGNN, graph: GlassGraph) -> float:
    """The median of `SpectralSymGNN.novelty` over atoms of a glass: up to 1000, evenly taken."""
    atoms = np.unique(np.linspace(0, graph.n_atoms - 1, _ATOMS).astype(np.int32))
    first, end = np.searchsorted(graph.target, atoms), np.searchsorted(graph.target, atoms, side="right")
    pairs = np.concatenate([np.arange(*limits) for limits in zip(first, end, strict=True)])
    # Of a sender a spectrum sees the species, so that one atom of each stands for all of them.
    known = np.sort(np.array(model.spectrum.species, np.int32))
    part = part_of_glass(
        tf.constant(np.searchsorted(known, graph.atomic_numbers[graph.source[pairs]]) + len(atoms), tf.int32),
        tf.constant(np.searchsorted(atoms, graph.target[pairs]), tf.int32),
        species=tf.constant(np.concatenate([graph.atomic_numbers[atoms], known])),
        displacement=tf.constant(graph.displacement[pairs]),
    )
    return float(np.median(model.novelty(part)[: len(atoms)]))
