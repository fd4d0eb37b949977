"""SymGNN that is shown the power spectrum of each atom's surroundings, and corrects a ridge regression on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.model.dropout import CountedDropout
from tf_symgnn.model.neighborhood_ridge import HOPS, NeighborhoodRidge, PrincipalComponents, neighborhood_average
from tf_symgnn.model.power_spectrum import PowerSpectrum
from tf_symgnn.model.surroundings import Surroundings
from tf_symgnn.model.symgnn import SymGNN

COMPONENTS = 300  # of the power spectrum
DROPOUT = 0.3  # of them, in training: six glasses punish capacity
SHARE = 0.5  # of what the network says otherwise than the regression, less its average over so many hops
LOCAL_HOPS = 2


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpectralSymGNN(SymGNN):
    """A ridge regression on power spectra, and the local part of what SymGNN says otherwise.

    SymGNN takes the spectrum's principal components into its first node states. The ridge regression is solved
    before training by `adapt`. Training fits SymGNN to the barriers themselves: fitted to what the regression leaves,
    it learned what is particular to the training glasses. Half the difference between the two is added to the
    regression, less that difference's average over the neighbourhood: batch normalisation, glass by glass, hides from
    SymGNN how high the barriers of a whole region are, and there the regression errs less (benchmarks/RESULTS.md).

    Args:
        kwargs: as SymGNN's.
    """

    def __init__(self, *, species: Sequence[int], cutoff: float = 5.0, **kwargs):
        super().__init__(species=species, cutoff=cutoff, **kwargs)
        # Layers hear of spectra, which themselves reach a cutoff far; so do the regression's averages, and then those
        # of the difference.
        self.receptive_field = cutoff * (1 + max(len(self.layers_), HOPS) + LOCAL_HOPS)  # A
        exact = {"dtype": "float32"}
        self.spectrum = PowerSpectrum(species=tuple(species), cutoff=cutoff, name="spectrum", **exact)
        self.components = PrincipalComponents(units=COMPONENTS, name="components", **exact)
        self.ridge = NeighborhoodRidge(species=species, name="ridge", **exact)
        self.dropout = CountedDropout(rate=DROPOUT, seed=self._config["seed"], name="dropout", **exact)
        self.spectral_encoder = tf.keras.layers.Dense(
            self._config["width"], use_bias=False, name="spectral_encoder", dtype=self.dtype_policy
        )

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predicts one energy barrier per atom f[N], eV; in training SymGNN's own."""
        barrier = super().call(graph, training=training)
        if training:
            return barrier
        components, around = self.shown(graph)
        linear = self.unscaled(self.ridge(components, around))
        difference = tf.cast(barrier, linear.dtype) - linear
        averages = self.unaveraged(difference)
        for _ in range(LOCAL_HOPS):
            averages = neighborhood_average(averages, around)
        return self.corrected(linear, difference, averages)

    def linear_part(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """What the ridge regression predicts, f[N] eV."""
        return self.unscaled(self.ridge(*self.shown(graph)))

    def unaveraged(self, difference: tf.Tensor) -> tf.Tensor:
        """What is averaged of differences [N] eV: they, and ones, which fade as their averages do [N, 2]."""
        return tf.stack([difference, tf.ones_like(difference)], axis=1)

    def corrected(self, linear: tf.Tensor, difference: tf.Tensor, averages: tf.Tensor) -> tf.Tensor:
        """The prediction f[N] eV: the regression's, and what SymGNN's differs from it by and on average does not.

        Of averages [N, 2] the ones say how much of the difference is to be set against its average: of an atom without
        neighbours nothing.
        """
        return linear + SHARE * (averages[:, 1] * difference - averages[:, 0])

    def unscaled(self, scaled: tf.Tensor) -> tf.Tensor:
        """Barriers in eV, of those in standard deviations from the mean of the training labels."""
        return self.label_mean + self.label_std * scaled

    def shown(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, Surroundings]:
        """Each atom's spectrum in principal components [N, K], and the pairs that it is of."""
        around = Surroundings.of(graph, "float32")
        direction, presence = self.spectrum(around)
        return self.components(direction) * presence, around

    def adapt(self, graphs: Sequence[tfgnn.GraphTensor], labels: Sequence[np.ndarray]) -> None:
        """Finds components and solves the regression on graphs of training glasses and their barriers [N] eV.

        Where both were found before, on other glasses, components stay, and of the regression what fits these, too.
        """
        near = [Surroundings.of(graph, "float32") for graph in graphs]
        directions, presences = zip(*map(self.spectrum, near), strict=True)
        if not self.components.found:
            self.components.adapt([direction.numpy() for direction in directions])
        shown = [self.components(x) * presence for x, presence in zip(directions, presences, strict=True)]
        scaled = [(label - self.label_mean) / self.label_std for label in labels]
        seen = [self.ridge.features(*given).numpy() for given in zip(shown, near, strict=True)]
        self.ridge.adapt(list(zip(seen, scaled, strict=True)))

    def encode(self, graph: tfgnn.GraphTensor, *, training: bool) -> tuple:
        """First states, those of nodes with the spectrum's part in them."""
        nodes, edges, masks = super().encode(graph, training=training)
        components, _ = self.shown(graph)
        shown = self.spectral_encoder(self.dropout(components, training=training))
        return nodes + shown * masks[0][:, tf.newaxis], edges, masks
