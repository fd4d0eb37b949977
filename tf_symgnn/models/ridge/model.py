"""The model of ridge regression on power spectra and on descriptors from a potential."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.errors import InputError
from tf_symgnn.models.base import BarrierModel, Stage, State
from tf_symgnn.models.ridge.components import PrincipalComponents
from tf_symgnn.models.ridge.regression import HOPS, NeighborhoodRidge
from tf_symgnn.models.ridge.scaling import SpeciesScaling
from tf_symgnn.models.ridge.solver import LabeledFeatures
from tf_symgnn.nn.pairs import PairView
from tf_symgnn.nn.power_spectrum import PowerSpectrum
from tf_symgnn.potentials.response import DESCRIPTORS

N_COMPONENTS = 360  # principal components of the power spectrum
# The expected weight of a whitened component is its relative variance to one of these powers, which cross-validation
# selects; the first if there is one glass. A power of 1/2 would mean equal weights before whitening. With a power of 0,
# components of low variance dominate the prediction. Many atoms or exact labels support the larger one.
PRIOR_EXPONENTS = (0.25, 0.1)

STRUCTURE = "structure"  # name of the contribution of the power spectrum
SCALED_BARRIER, TERMS = "scaled_barrier", "terms"  # features of atoms: arguments of `NeighborhoodRidge.after_hop`


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class RidgeModel(BarrierModel):
    """Ridge regression on descriptors of atoms and their neighborhood averages.

    Descriptors are principal components of power spectra, standardized descriptors from a potential, or both. The
    expected weight of a descriptor from a potential is that of the first component.

    `prepare` solves the regression in closed form; it has no weights for gradient descent. Predictions are exactly
    invariant under translation, permutation, rotation and reflection.

    Args:
        species: atomic numbers of the training glasses.
        cutoff: of the neighbor graph, A.
        label_mean, label_std: mean and standard deviation of the training labels, eV.
        spectrum: whether descriptors include the components of the power spectrum.
        n_descriptors: the number of descriptors from a potential that graphs have; 0 for none.
        kernel: of the power spectrum, `auto`, `reference` or `chunked`.

    Raises:
        ValueError: `kernel` is unknown, or there are no descriptors.
    """

    def __init__(
        self,
        *,
        species: Sequence[int],
        cutoff: float = 5.0,
        label_mean: float = 0.0,
        label_std: float = 1.0,
        spectrum: bool = True,
        n_descriptors: int = 0,
        kernel: str = "auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not (spectrum or n_descriptors):
            raise ValueError("spectrum, n_descriptors: found neither, expected at least one")
        self._config = {
            "species": tuple(species),
            "cutoff": cutoff,
            "label_mean": label_mean,
            "label_std": label_std,
            "spectrum": spectrum,
            "n_descriptors": n_descriptors,
            "kernel": kernel,
        }
        self.cutoff, self.label_mean, self.label_std = cutoff, label_mean, label_std
        self.receptive_field = cutoff * (HOPS + int(spectrum))  # A: a spectrum has one hop, its averages have HOPS
        self.n_descriptors = n_descriptors
        single = tf.float32  # the regression does not use the precision of the network
        if spectrum:
            self.spectrum = PowerSpectrum(
                species=tuple(species), cutoff=cutoff, kernel=kernel, name="spectrum", dtype=single
            )
            self.components = PrincipalComponents(units=N_COMPONENTS, species=species, name="components", dtype=single)
        if n_descriptors:
            self.scaling = SpeciesScaling(species=species, name="scaling", dtype=single)
            # Mean contribution of each group of descriptors over the training atoms, eV.
            self.means = self.add_weight(
                name="means", shape=(len(self._groups()),), dtype=single, initializer="zeros", trainable=False
            )
        self.ridge = NeighborhoodRidge(species=species, name="ridge", dtype=single)

    def stages(self) -> list[Stage]:
        """Return the stage of power spectra, then one stage per hop of averages."""
        size = self.ridge.bytes_per_pair()
        own = (0, 0)
        if self._config["spectrum"]:
            own = (self.spectrum.bytes_per_pair(), self.spectrum.bytes_per_atom())
        stages = [
            Stage(self._own_terms, *own),
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
        """Return the descriptors of each atom [N, K], and the pairs."""
        view, parts = PairView.of(graph, tf.float32), []
        if self._config["spectrum"]:
            direction, presence = self.spectrum(view)
            parts.append(self.components(direction, view.atomic_numbers) * presence)
        if self.n_descriptors:
            parts.append(self.scaling(_potential_descriptors(graph), view.atomic_numbers))
        return tf.concat(parts, axis=1), view

    def contributions(self, graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor] | None:
        """Return the additive terms of the predictions f[N] eV, if the model reads descriptors from a potential.

        They are the mean prediction for training atoms, one term for the structure, and one for each descriptor from
        the potential with its neighborhood averages. The regression is linear, so that each is the Shapley value of its
        group of features (Lundberg and Lee, 2017, corollary 1, for independent features).
        """
        if not self.n_descriptors:
            return None
        groups, terms = self._groups(), self._terms_of_groups(*self.descriptors(graph))
        mean = self.label_mean + self.label_std * self.ridge.bias + tf.reduce_sum(self.means)
        contributions = {"mean": tf.fill(tf.shape(terms)[:1], mean)}
        return contributions | dict(zip(groups, tf.unstack(terms - self.means, axis=1), strict=True))

    def standardized_descriptors(self, graph: tfgnn.GraphTensor) -> dict[str, tf.Tensor] | None:
        """Return the descriptors from a potential, each f[N], as the regression takes them."""
        if not self.n_descriptors:
            return None
        scaled = self.scaling(_potential_descriptors(graph), graph.node_sets[names.ATOMS][names.SPECIES])
        return dict(zip(DESCRIPTORS[: self.n_descriptors], tf.unstack(scaled, axis=1), strict=True))

    def _groups(self) -> dict[str, int]:
        """Return the number of descriptors of each group by name."""
        structure = {STRUCTURE: N_COMPONENTS} if self._config["spectrum"] else {}
        return structure | dict.fromkeys(DESCRIPTORS[: self.n_descriptors], 1)

    def _terms_of_groups(self, descriptors: tf.Tensor, view: PairView) -> tf.Tensor:
        """Return the part of predictions that is due to each group of descriptors [N, groups], eV."""
        terms, first = [], 0
        for size in self._groups().values():
            inside = np.zeros(descriptors.shape[1], np.float32)
            inside[first : first + size] = 1
            barrier, averages = self.ridge(descriptors * inside)
            for hop in range(HOPS):
                barrier, averages = self.ridge.after_hop(hop, barrier, averages, view)
            terms.append(self.label_std * (barrier - self.ridge.bias))
            first += size
        return tf.stack(terms, axis=1)

    def novelty(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """Return the dissimilarity of each atom to the training atoms f[N].

        The mean over training atoms is 1. With both kinds of descriptors, the result is the larger of two such
        numbers, and its mean is a little larger.
        """
        view, parts = PairView.of(graph, tf.float32), []
        if self._config["spectrum"]:
            parts.append(self.components.novelty(self.spectrum(view)[0], view.atomic_numbers))
        if self.n_descriptors:
            parts.append(self.scaling.novelty(_potential_descriptors(graph), view.atomic_numbers))
        return tf.reduce_max(tf.stack(parts), axis=0)

    def prepare(
        self,
        graphs: Sequence[tfgnn.GraphTensor],
        labels: Sequence[np.ndarray],
        weights: Sequence[np.ndarray] | None = None,
    ) -> None:
        """Compute the principal components and the scaling, and solve the regression.

        If the model is already fitted to other glasses, these do not change, and the regression is fitted to its
        residuals (`NeighborhoodRidge.fit`).

        Args:
            graphs: of the training glasses.
            labels: barriers f[N] eV of each glass; NaN for atoms to leave out.
            weights: of the labels in the regression, f[N] of each glass; None for 1.
        """
        print(f"solving the ridge regression on {len(graphs)} glasses", file=sys.stderr, flush=True)
        views = [PairView.of(graph, tf.float32) for graph in graphs]
        numbers = [view.atomic_numbers.numpy() for view in views]
        parts, sizes = [[] for _ in graphs], []  # sizes: of weights, as expected in each prior
        if self._config["spectrum"]:
            # A compiled function computes chunks of pairs in parallel.
            spectrum = tf.function(self.spectrum, reduce_retracing=True)
            spectra = [spectrum(view) for view in views]
            if not self.components.fitted:
                self.components.fit([direction.numpy() for direction, _ in spectra], numbers)
            for part, view, (direction, presence) in zip(parts, views, spectra, strict=True):
                part.append(self.components(direction, view.atomic_numbers) * presence)
            sizes.append([self.components.relative_variance**power for power in PRIOR_EXPONENTS])
        if self.n_descriptors:
            from_potential = [_potential_descriptors(graph) for graph in graphs]
            if not self.scaling.fitted:
                self.scaling.fit([descriptors.numpy() for descriptors in from_potential], numbers)
            for part, view, descriptors in zip(parts, views, from_potential, strict=True):
                part.append(self.scaling(descriptors, view.atomic_numbers))
            sizes.append([np.ones(self.n_descriptors)] * len(PRIOR_EXPONENTS))
        glasses = []
        weights = weights or [np.ones(len(label), np.float32) for label in labels]
        for part, view, label, weight in zip(parts, views, labels, weights, strict=True):
            labeled = slice(None) if np.isfinite(label).all() else np.isfinite(label)
            features = self.ridge.features(tf.concat(part, axis=1), view).numpy()[labeled]
            glasses.append(
                LabeledFeatures(features, ((label - self.label_mean) / self.label_std)[labeled], weight[labeled])
            )
        self.ridge.fit(glasses, [np.concatenate(prior) for prior in zip(*sizes, strict=True)])
        if self.n_descriptors:
            terms = [
                self._terms_of_groups(tf.concat(part, axis=1), view) for part, view in zip(parts, views, strict=True)
            ]
            self.means.assign(tf.reduce_mean(tf.concat(terms, axis=0), axis=0))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | self._config


def _potential_descriptors(graph: tfgnn.GraphTensor) -> tf.Tensor:
    """Return the descriptors from a potential f32[N, D] of a graph.

    Raises:
        InputError: it has none.
    """
    atoms = graph.node_sets[names.ATOMS]
    if names.DESCRIPTORS not in atoms.features:
        raise InputError("graph", names.DESCRIPTORS, "none", "those from the potential, as in RunFolder.graphs")
    return atoms[names.DESCRIPTORS]
