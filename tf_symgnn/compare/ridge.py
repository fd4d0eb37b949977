"""Ridge regression on structural descriptors: what practitioners would use instead of a graph network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tf_symgnn.data import Glass
from tf_symgnn.graph import GlassGraph, build_graph
from tf_symgnn.graph.descriptors import REACH, structural_descriptors

PENALTY = 1.0  # of the squared weights, in units of standardised descriptors


def descriptor_graph(glass: Glass) -> GlassGraph:
    """The neighbour graph that descriptors are computed from."""
    return build_graph(glass, cutoff=REACH, self_loops=False)


class DescriptorRidge:
    """One ridge regression a species on standardised structural descriptors (as Boattini et al. 2021 for propensity).

    Args:
        species: atomic numbers of the training glasses, ascending.
    """

    def __init__(self, species: Sequence[int]):
        self.species = tuple(species)
        self._models = {z: make_pipeline(StandardScaler(), Ridge(alpha=PENALTY)) for z in self.species}

    @property
    def parameters(self) -> int:
        """How many numbers are fitted."""
        fitted = [model[-1] for model in self._models.values()]
        return sum(ridge.coef_.size + 1 for ridge in fitted)

    def fit(self, graphs: Sequence[GlassGraph]) -> DescriptorRidge:
        """Fits labelled graphs of `descriptor_graph`; returns itself."""
        descriptors = np.concatenate([structural_descriptors(graph, self.species) for graph in graphs])
        atomic_numbers = np.concatenate([graph.atomic_numbers for graph in graphs])
        barrier = np.concatenate([graph.barrier for graph in graphs])
        for z, model in self._models.items():
            model.fit(descriptors[atomic_numbers == z], barrier[atomic_numbers == z])
        return self

    def predict(self, graph: GlassGraph) -> np.ndarray:
        """Energy barriers f64[N] eV of one glass."""
        descriptors = structural_descriptors(graph, self.species)
        barrier = np.empty(graph.n_atoms)
        for z in np.unique(graph.atomic_numbers):
            of_species = graph.atomic_numbers == z
            barrier[of_species] = self._models[int(z)].predict(descriptors[of_species])
        return barrier
