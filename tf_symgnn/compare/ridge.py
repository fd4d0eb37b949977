"""Ridge regression on structural descriptors: the method that practitioners use instead of a graph network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tf_symgnn.data import Glass, InputError
from tf_symgnn.graph import GlassGraph, build_graph
from tf_symgnn.graph.descriptors import REACH, structural_descriptors

PENALTY = 1.0  # factor of the squared weights; descriptors are standardized


def descriptor_graph(glass: Glass) -> GlassGraph:
    """Return the neighbor graph that descriptors are computed from, with a cutoff of `REACH`."""
    return build_graph(glass, cutoff=REACH, self_loops=False)


class DescriptorRidge:
    """One ridge regression per species on standardized structural descriptors.

    Boattini et al., Phys. Rev. Lett. 127, 088007 (2021) predict dynamic propensity in the same way.

    Args:
        species: atomic numbers of the training glasses, in ascending order.
    """

    def __init__(self, species: Sequence[int]):
        self.species = tuple(species)
        self._models = {z: make_pipeline(StandardScaler(), Ridge(alpha=PENALTY)) for z in self.species}

    @property
    def parameters(self) -> int:
        """Return the number of fitted parameters."""
        fitted = [model[-1] for model in self._models.values()]
        return sum(ridge.coef_.size + 1 for ridge in fitted)

    def fit(self, graphs: Sequence[GlassGraph]) -> DescriptorRidge:
        """Fit the barriers of labeled glasses.

        Args:
            graphs: from `descriptor_graph`, with barriers.

        Returns:
            This object.

        Raises:
            InputError: no atom of a species has a label.
        """
        descriptors = np.concatenate([structural_descriptors(graph, self.species) for graph in graphs])
        atomic_numbers = np.concatenate([graph.atomic_numbers for graph in graphs])
        barrier = np.concatenate([graph.barrier for graph in graphs])
        for z, model in self._models.items():
            used = (atomic_numbers == z) & np.isfinite(barrier)
            if not used.any():
                found = f"none of {chemical_symbols[z]}"
                raise InputError("ridge", "labels of the training glasses", found, "some of each species")
            model.fit(descriptors[used], barrier[used])
        return self

    def predict(self, graph: GlassGraph) -> np.ndarray:
        """Return the energy barriers f64[N], eV, of a glass, given its graph from `descriptor_graph`."""
        descriptors = structural_descriptors(graph, self.species)
        barrier = np.empty(graph.n_atoms)
        for z in np.unique(graph.atomic_numbers):
            of_species = graph.atomic_numbers == z
            barrier[of_species] = self._models[int(z)].predict(descriptors[of_species])
        return barrier
