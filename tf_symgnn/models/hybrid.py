"""A ridge regression on the power spectrum of each atom's surroundings, which SymGNN corrects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.models.ridge.averages import neighborhood_average
from tf_symgnn.models.ridge.components import PrincipalComponents
from tf_symgnn.models.ridge.regression import HOPS, NeighborhoodRidge
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.pairs import Surroundings
from tf_symgnn.nn.power_spectrum import PowerSpectrum

COMPONENTS = 360  # of the power spectrum
# The power of a component's variance that the weight of the whitened component is expected to go with: 1/2 would expect
# all weights alike before whitening, 0 after it, which has what varies least drown what varies most.
PRIOR = 0.25
LOCAL_HOPS = 2  # over which what the network says otherwise than the regression is averaged
SHARE = 0.5  # of it, less that average, until glasses say how much of it is worth hearing


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class SpectralSymGNN(SymGNN):
    """A ridge regression on power spectra, and the local part of what SymGNN says otherwise.

    The ridge regression is solved before training by `adapt`. Training fits SymGNN to the barriers themselves: fitted
    to what the regression leaves, it learned what is particular to the training glasses; and shown the spectra too, it
    erred more as the regression does. A share of the difference between the two is added to the regression, less that
    difference's average over the neighbourhood: batch normalisation, glass by glass, hides from SymGNN how high the
    barriers of a whole region are, and there the regression errs less (benchmarks/RESULTS.md).

    Args:
        kwargs: as SymGNN's.

    Attributes:
        share: from 0, the regression alone, to 1; training starts at a half and ends with what validation says.
    """

    def __init__(self, *, species: Sequence[int], cutoff: float = 5.0, **kwargs):
        super().__init__(species=species, cutoff=cutoff, **kwargs)
        # The regression's averages hear of spectra, which themselves reach a cutoff far; averages of the difference
        # hear of both.
        self.receptive_field = cutoff * (max(len(self.layers_), 1 + HOPS) + LOCAL_HOPS)  # A
        exact = {"dtype": "float32"}
        half = tf.keras.initializers.Constant(SHARE)
        self.share = self.add_weight(
            name="share", shape=(), initializer=half, trainable=False, experimental_autocast=False, **exact
        )
        self.spectrum = PowerSpectrum(species=tuple(species), cutoff=cutoff, name="spectrum", **exact)
        self.components = PrincipalComponents(units=COMPONENTS, species=species, name="components", **exact)
        self.ridge = NeighborhoodRidge(species=species, name="ridge", **exact)

    def call(self, graph: tfgnn.GraphTensor, training: bool = False) -> tf.Tensor:
        """Predicts one energy barrier per atom f[N], eV; in training SymGNN's own."""
        barrier = super().call(graph, training=training)
        if training:
            return barrier
        linear, around = self.linear_part(graph), Surroundings.of(graph, "float32")
        difference = tf.cast(barrier, linear.dtype) - linear
        averages = self.unaveraged(difference)
        for _ in range(LOCAL_HOPS):
            averages = neighborhood_average(averages, around)
        return self.corrected(linear, difference, averages)

    def linear_part(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """What the ridge regression predicts, f[N] eV, or what the graph says that it did."""
        known = graph.node_sets[names.ATOMS].features
        if names.LINEAR_PART in known:
            return known[names.LINEAR_PART]
        return self.unscaled(self.ridge(*self.shown(graph)))

    def with_linear_part(self, graph: tfgnn.GraphTensor) -> tfgnn.GraphTensor:
        """The graph with what the ridge regression predicts as a feature of its atoms: it is not asked again."""
        features = graph.node_sets[names.ATOMS].get_features_dict() | {names.LINEAR_PART: self.linear_part(graph)}
        return graph.replace_features(node_sets={names.ATOMS: features})

    def unaveraged(self, difference: tf.Tensor) -> tf.Tensor:
        """What is averaged of differences [N] eV: they, and ones, which fade as their averages do [N, 2]."""
        return tf.stack([difference, tf.ones_like(difference)], axis=1)

    def corrected(self, linear: tf.Tensor, difference: tf.Tensor, averages: tf.Tensor) -> tf.Tensor:
        """The prediction f[N] eV: the regression's, and a share of what SymGNN's differs from it by and on average not.

        Of averages [N, 2] the ones say how much of the difference is to be set against its average: of an atom without
        neighbours nothing.
        """
        return linear + self.share * (averages[:, 1] * difference - averages[:, 0])

    def unscaled(self, scaled: tf.Tensor) -> tf.Tensor:
        """Barriers in eV, of those in standard deviations from the mean of the training labels."""
        return self.label_mean + self.label_std * scaled

    def shown(self, graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, Surroundings]:
        """Each atom's spectrum in principal components [N, K], and the pairs that it is of."""
        around = Surroundings.of(graph, "float32")
        direction, presence = self.spectrum(around)
        return self.components(direction, around.atomic_numbers) * presence, around

    def novelty(self, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """How unlike those it was trained on each atom's surroundings are, f[N], 1 on average over these."""
        around = Surroundings.of(graph, "float32")
        direction, _ = self.spectrum(around)
        return self.components.novelty(direction, around.atomic_numbers)

    def adapt(self, graphs: Sequence[tfgnn.GraphTensor], labels: Sequence[np.ndarray]) -> None:
        """Finds components and solves the regression on graphs of training glasses and their barriers [N] eV.

        Where both were found before, on other glasses, components stay, and of the regression what fits these, too.
        SymGNN, which is to learn from these glasses, is half heard again.
        """
        self.share.assign(SHARE)
        near = [Surroundings.of(graph, "float32") for graph in graphs]
        # As a function of the graph, blocks of pairs share the cores.
        directions, presences = zip(*map(tf.function(self.spectrum, reduce_retracing=True), near), strict=True)
        numbers = [around.atomic_numbers.numpy() for around in near]
        if not self.components.found:
            self.components.adapt([direction.numpy() for direction in directions], numbers)
        shown = [
            self.components(x, z) * presence for x, z, presence in zip(directions, numbers, presences, strict=True)
        ]
        scaled = [(label - self.label_mean) / self.label_std for label in labels]
        seen = [self.ridge.features(*given).numpy() for given in zip(shown, near, strict=True)]
        self.ridge.adapt(list(zip(seen, scaled, strict=True)), self.components.relative_variance**PRIOR)
