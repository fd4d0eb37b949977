"""The model of ridge regression on power spectra."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.models.base import BarrierModel, Stage, State
from tf_symgnn.models.ridge.components import PrincipalComponents
from tf_symgnn.models.ridge.regression import HOPS, NeighborhoodRidge
from tf_symgnn.nn.pairs import PairView
from tf_symgnn.nn.power_spectrum import PowerSpectrum

N_COMPONENTS = 360  # principal components of the power spectrum
# The expected weight of a whitened component is its relative variance to this power. A power of 1/2 would mean equal
# weights before whitening. With a power of 0, components of low variance dominate the prediction.
PRIOR_EXPONENT = 0.25

SCALED_BARRIER, TERMS = "scaled_barrier", "terms"  # features of atoms: arguments of `NeighborhoodRidge.after_hop`


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpectralRidge(BarrierModel):
    """Ridge regression on principal components of power spectra and their neighborhood averages.

    `prepare` solves it in closed form; it has no weights for gradient descent. Predictions are exactly invariant under
    translation, permutation, rotation and reflection.

    Args:
        species: atomic numbers of the training glasses.
        cutoff: of the neighbor graph, A.
        label_mean, label_std: mean and standard deviation of the training labels, eV.
        kernel: of the power spectrum, `auto`, `reference` or `chunked`.

    Raises:
        ValueError: `kernel` is unknown.
    """

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float = 5.0,
        label_mean: float = 0.0,
        label_std: float = 1.0,
        kernel: str = "auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._config = {
            "species": tuple(species),
            "cutoff": cutoff,
            "label_mean": label_mean,
            "label_std": label_std,
            "kernel": kernel,
        }
        self.cutoff, self.label_mean, self.label_std = cutoff, label_mean, label_std
        self.receptive_field = cutoff * (1 + HOPS)  # A: a spectrum has one hop, its averages have HOPS
        single = tf.float32  # the regression does not use the precision of the network
        self.spectrum = PowerSpectrum(
            species=tuple(species), cutoff=cutoff, kernel=kernel, name="spectrum", dtype=single
        )
        self.components = PrincipalComponents(units=N_COMPONENTS, species=species, name="components", dtype=single)
        self.ridge = NeighborhoodRidge(species=species, name="ridge", dtype=single)

    def stages(self) -> list[Stage]:
        """Return the stage of power spectra, then one stage per hop of averages."""
        size = self.ridge.bytes_per_pair()
        stages = [
            Stage(self._own_terms, self.spectrum.bytes_per_pair(), self.spectrum.bytes_per_atom()),
            *(Stage(partial(self._average, hop), size, size) for hop in range(HOPS)),
        ]
        stages[-1] = stages[-1].then(self._read_out)
        return stages

    def _own_terms(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with the terms of barriers before the first hop of averages."""
        descriptors, _ = self.descriptors(graph)
        barrier, terms = self.ridge(descriptors)
        return State.of(graph).inputs().merged(State({SCALED_BARRIER: barrier, TERMS: terms}, {})).on(graph)

    def _average(self, hop: int, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with the terms of barriers after a hop of averages."""
        state = State.of(graph)
        barrier, terms = state.atoms[SCALED_BARRIER], state.atoms[TERMS]
        barrier, terms = self.ridge.after_hop(hop, barrier, terms, PairView.of(graph, tf.float32))
        return state.inputs().merged(State({SCALED_BARRIER: barrier, TERMS: terms}, {})).on(graph)

    def _read_out(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        """Return the graph with only the energy barrier of atoms f[N], eV."""
        barrier = self.label_mean + self.label_std * State.of(graph).atoms[SCALED_BARRIER]
        return State({names.ENERGY_BARRIER: barrier}, {}).on(graph)

    def descriptors(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, PairView]:
        """Return the principal components of the power spectrum of each atom [N, K], and the pairs."""
        view = PairView.of(graph, tf.float32)
        direction, presence = self.spectrum(view)
        return self.components(direction, view.atomic_numbers) * presence, view

    def novelty(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """Return the dissimilarity of each atom to the training atoms, whose mean is 1, f[N]."""
        view = PairView.of(graph, tf.float32)
        direction, _ = self.spectrum(view)
        return self.components.novelty(direction, view.atomic_numbers)

    def prepare(self, graphs: Sequence[tfgnn.GraphTensor], labels: Sequence[np.ndarray]) -> None:
        """Compute the principal components and solve the regression.

        If the model is already fitted to other glasses, the components do not change, and the regression is fitted to
        its residuals (`NeighborhoodRidge.fit`).

        Args:
            graphs: of the training glasses.
            labels: barriers f[N] eV of each glass; NaN for atoms to leave out.
        """
        print(f"solving the ridge regression on {len(graphs)} glasses", file=sys.stderr, flush=True)
        views = [PairView.of(graph, tf.float32) for graph in graphs]
        # A compiled function computes chunks of pairs in parallel.
        spectrum = tf.function(self.spectrum, reduce_retracing=True)
        spectra = [spectrum(view) for view in views]
        numbers = [view.atomic_numbers.numpy() for view in views]
        if not self.components.fitted:
            self.components.fit([direction.numpy() for direction, _ in spectra], numbers)
        glasses = []
        for (direction, presence), view, label in zip(spectra, views, labels, strict=True):
            descriptors = self.components(direction, view.atomic_numbers) * presence
            scaled, labeled = (label - self.label_mean) / self.label_std, np.isfinite(label)
            features = self.ridge.features(descriptors, view).numpy()
            glasses.append((features, scaled) if labeled.all() else (features[labeled], scaled[labeled]))
        self.ridge.fit(glasses, self.components.relative_variance**PRIOR_EXPONENT)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | self._config
