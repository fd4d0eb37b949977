"""Ridge regression on the power spectrum of each atom's neighborhood."""

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

COMPONENTS = 360  # of the power spectrum
# The expected weight of a whitened component is its variance to this power. 1/2 would expect equal weights before
# whitening; with 0 the components of little variance drown the others.
PRIOR = 0.25

SCALED_BARRIER, TERMS = "scaled_barrier", "terms"  # of `NeighborhoodRidge.after_hop`


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpectralRidge(BarrierModel):
    """Ridge regression on principal components of power spectra and their averages over the neighborhood.

    It is solved by `prepare`, not trained by gradient descent. Predictions are exactly invariant under translation,
    permutation, rotation and reflection.

    Args:
        species: atomic numbers that the model is trained on.
        cutoff: of the neighbor graph, A.
        label_mean, label_std: of the training labels, eV; predictions are in eV.
        kernel: of the power spectrum, `auto`, `reference` or `chunked`.
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
        self.receptive_field = cutoff * (1 + HOPS)  # A: a spectrum reaches one cutoff, and averages are of spectra
        exact = tf.float32
        self.spectrum = PowerSpectrum(
            species=tuple(species), cutoff=cutoff, kernel=kernel, name="spectrum", dtype=exact
        )
        self.components = PrincipalComponents(units=COMPONENTS, species=species, name="components", dtype=exact)
        self.ridge = NeighborhoodRidge(species=species, name="ridge", dtype=exact)

    def stages(self) -> list[Stage]:
        """Return the stage of spectra, and one stage for each hop of averages."""
        of_pair = self.ridge.bytes_per_pair()
        stages = [
            Stage(self._own_terms, self.spectrum.bytes_per_pair(), self.spectrum.bytes_per_atom()),
            *(Stage(partial(self._average, hop), of_pair, of_pair) for hop in range(HOPS)),
        ]
        stages[-1] = stages[-1].then(self._read_out)
        return stages

    def _own_terms(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        descriptors, _ = self.descriptors(graph)
        barrier, terms = self.ridge(descriptors)
        return State.of(graph).inputs().merged(State({SCALED_BARRIER: barrier, TERMS: terms}, {})).on(graph)

    def _average(self, hop: int, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        state = State.of(graph)
        barrier, terms = state.atoms[SCALED_BARRIER], state.atoms[TERMS]
        barrier, terms = self.ridge.after_hop(hop, barrier, terms, PairView.of(graph, tf.float32))
        return state.inputs().merged(State({SCALED_BARRIER: barrier, TERMS: terms}, {})).on(graph)

    def _read_out(self, graph: tfgnn.GraphTensor, training: bool) -> tfgnn.GraphTensor:
        barrier = self.label_mean + self.label_std * State.of(graph).atoms[SCALED_BARRIER]
        return State({names.ENERGY_BARRIER: barrier}, {}).on(graph)

    def descriptors(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, PairView]:
        """Return each atom's spectrum in principal components [N, K], and the pairs."""
        view = PairView.of(graph, tf.float32)
        direction, presence = self.spectrum(view)
        return self.components(direction, view.atomic_numbers) * presence, view

    def novelty(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """Return how unlike the training atoms each atom is, f[N], 1 on average over these."""
        view = PairView.of(graph, tf.float32)
        direction, _ = self.spectrum(view)
        return self.components.novelty(direction, view.atomic_numbers)

    def prepare(self, graphs: Sequence[tfgnn.GraphTensor], labels: Sequence[np.ndarray]) -> None:
        """Compute the components and solve the regression on graphs of training glasses and their barriers [N] eV.

        Where both are there already, from other glasses, components stay, and the regression is changed where these
        glasses differ from those.
        """
        print(f"solving the ridge regression on {len(graphs)} glasses", file=sys.stderr, flush=True)
        views = [PairView.of(graph, tf.float32) for graph in graphs]
        # As a function of the graph, chunks of pairs share the cores.
        spectrum = tf.function(self.spectrum, reduce_retracing=True)
        spectra = [spectrum(view) for view in views]
        numbers = [view.atomic_numbers.numpy() for view in views]
        if not self.components.fitted:
            self.components.fit([direction.numpy() for direction, _ in spectra], numbers)
        glasses = []
        for (direction, presence), view, label in zip(spectra, views, labels, strict=True):
            descriptors = self.components(direction, view.atomic_numbers) * presence
            scaled = (label - self.label_mean) / self.label_std
            glasses.append((self.ridge.features(descriptors, view).numpy(), scaled))
        self.ridge.fit(glasses, self.components.relative_variance**PRIOR)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | self._config
