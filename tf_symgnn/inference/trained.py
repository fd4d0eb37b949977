"""A trained run, loaded to predict glasses."""

from __future__ import annotations

import numpy as np

from tf_symgnn.data import Glass
from tf_symgnn.domain.extrapolation import Extrapolation
from tf_symgnn.inference.compiled import CompiledModel
from tf_symgnn.inference.extrapolation import graph_extrapolation
from tf_symgnn.runs import RunFolder, glass_graphs


class TrainedModel:
    """The best weights of a run, which predict glasses.

    Args:
        run: the run.

    Attributes:
        model: the Keras model.
        species: atomic numbers of the training glasses.
        type_names: chemical symbols of LAMMPS types 1, 2, ... of the run, or None.

    Raises:
        InputError: no epoch of the run has finished, or it is damaged.
    """

    def __init__(self, run: RunFolder):
        self._config, statistics = run.config(), run.statistics()
        self.species, self.type_names = statistics.species, self._config.type_names
        self.model, self._domain, self._potential = run.load_model(), statistics.domain, run.potential()
        self._barrier = CompiledModel(self.model, patch_size=self._config.stream.patch_size)

    def predict(self, glass: Glass) -> tuple[np.ndarray, Extrapolation]:
        """Return the energy barriers f64[N] eV of a glass, and how far it is outside the training data.

        Raises:
            InputError: the glass exceeds a limit of `tf_symgnn.data.limits`.
        """
        (graph,) = glass_graphs(self._config, [glass], self._potential)
        barrier = self._barrier(graph)
        return barrier, graph_extrapolation(self._domain, self.model, graph, self._config.graph.cutoff, barrier)
