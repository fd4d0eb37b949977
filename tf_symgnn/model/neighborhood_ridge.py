"""A linear model of an atom's descriptors and of their averages about it, solved and not descended to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg
import tensorflow as tf

from tf_symgnn.model.species import rows_of_species
from tf_symgnn.model.surroundings import Surroundings

# Of squared weights of standardised features, over those expected: the large ones for glasses that say little more than
# what was solved for before.
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1e3, 1e4, 1e5)
ALONE = 100.0  # the penalty of a single glass, that none is left for
HOPS = 3  # that averages reach over
DECAY, BOND = 1.0, 2.5  # A, of a neighbour's share in an average: exp(-(r - bond) / decay)
FAINT = 0.01  # of a share at the bond: an average over less than that fades, as the weight of a pair may
NEGLIGIBLE = 1e-9  # variance of a principal component, of the largest: rounding from there on
CONSTANT = 1e-6  # what varies by less, of what it is, is rounding; no feature of a glass varies by less than 1e-4
ATOMS_A_COMPONENT = 5  # at least, or a few hundred atoms are known by heart


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PrincipalComponents(tf.keras.layers.Layer):
    """What sets an atom's descriptors apart from its species' mean, in whitened principal components.

    `adapt` finds both. Components c longer than the longest that were seen, R, become c (R / |c|)^2: the stranger an
    atom, the less it says, where components of little variance would drown all others.

    Args:
        units: how many components.
        species: S atomic numbers of atoms.
    """

    def __init__(self, *, units: int, species: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.units, self.species = units, tuple(species)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates means [S, P], scale [P], components [P, units] and the distance, all of them zero until found."""
        start = {"initializer": "zeros", "trainable": False}
        self.mean = self.add_weight(name="mean", shape=(len(self.species), input_shape[-1]), **start)
        self.scale = self.add_weight(name="scale", shape=input_shape[-1:], **start)
        self.components = self.add_weight(name="components", shape=(input_shape[-1], self.units), **start)
        self.farthest = self.add_weight(name="farthest", shape=(), **start)
        super().build(input_shape)

    @property
    def found(self) -> bool:
        """Whether there are any yet."""
        return bool(self.built and self.farthest > 0)

    @property
    def relative_variance(self) -> np.ndarray:
        """The variance of each component before whitening, of the first one's, f[units]; 0 for those left out."""
        length = np.linalg.norm(self.components.numpy().astype(np.float64), axis=0)  # 1 / standard deviation
        shortest = length.min(initial=np.inf, where=length > 0)
        return np.square(np.divide(shortest, length, out=np.zeros_like(length), where=length > 0))

    def adapt(self, descriptors: Sequence[np.ndarray], atomic_numbers: Sequence[np.ndarray]) -> None:
        """Finds the components of descriptors f[N, P] of some glasses, whose atoms are of species i[N]."""
        every, numbers = np.concatenate(descriptors).astype(np.float64), np.concatenate(atomic_numbers)
        mean = np.tile(every.mean(axis=0), (len(self.species), 1))
        for k, z in enumerate(self.species):
            if (numbers == z).any():
                mean[k] = every[numbers == z].mean(axis=0)
                every[numbers == z] -= mean[k]
        spread = every.std(axis=0)
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=np.ptp(every, axis=0) > CONSTANT)
        every *= scale
        variance, vectors = np.linalg.eigh(every.T @ every / len(every))
        variance, vectors = variance[::-1][: self.units], vectors[:, ::-1][:, : self.units]
        kept = (variance > NEGLIGIBLE * variance[0]) & (np.arange(len(variance)) < len(every) / ATOMS_A_COMPONENT)
        components = np.zeros(self.components.shape)
        components[:, : len(kept)] = np.where(kept, vectors / np.sqrt(np.where(kept, variance, 1)), 0)
        for weight, value in ((self.mean, mean), (self.scale, scale), (self.components, components)):
            weight.assign(value)
        self.farthest.assign(np.linalg.norm(every @ components, axis=1).max())

    def call(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """Components [N, units] of descriptors [N, P] of atoms of species i[N]."""
        whitened = self._whitened(descriptors, atomic_numbers)
        squared = tf.reduce_sum(tf.square(whitened), axis=1, keepdims=True)
        return whitened * tf.minimum(1.0, tf.square(self.farthest) / tf.maximum(squared, 1e-12))

    def novelty(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        """How far descriptors [N, P] of atoms of species i[N] lie from what was seen, f[N]: the squared Mahalanobis
        distance within the components over their number, 1 on average over what they were found on."""
        found = tf.math.count_nonzero(tf.reduce_any(self.components != 0, axis=0), dtype=descriptors.dtype)
        whitened = self._whitened(descriptors, atomic_numbers)
        return tf.reduce_sum(tf.square(whitened), axis=1) / tf.maximum(found, 1)

    def _whitened(self, descriptors: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        means = tf.concat([self.mean, tf.zeros_like(self.mean[:1])], axis=0)  # padding has none
        row = rows_of_species(atomic_numbers, self.species, padding=len(self.species))
        return tf.matmul((descriptors - tf.gather(means, row)) * self.scale, self.components)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units, "species": self.species}


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class NeighborhoodRidge(tf.keras.layers.Layer):
    """Ridge regression on descriptors and their averages over the neighbourhood.

    Averages weighted by exp(-r / 1 A) are over neighbours of each species, and of those once and twice more over all
    neighbours: after Boattini et al. (2021), eq. 5, on the graph that messages pass over. One regression serves all
    species of atoms: one for each was no better on the published glasses, and worse on few.

    Args:
        species: S atomic numbers of neighbours.
    """

    def __init__(self, *, species: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.species = tuple(species)
        self.blocks = 1 + HOPS * len(self.species)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the weights of each block of features [K, blocks] and a constant, zero until solved for."""
        start = {"initializer": "zeros", "trainable": False}
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.blocks), **start)
        self.bias = self.add_weight(name="bias", shape=(), **start)
        super().build(input_shape)

    def call(self, descriptors: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """Barriers f[N] of atoms with descriptors [N, K], in standard deviations from the mean."""
        sums = self.first_hop(self.terms(descriptors), around)
        for _ in range(1, HOPS):
            sums = self.next_hop(sums, around)
        return tf.squeeze(sums, axis=1)

    def terms(self, descriptors: tf.Tensor) -> tf.Tensor:
        """What is averaged of atoms with descriptors [N, K], a number a block of features [N, blocks].

        Averages are linear, so that the kernel may come before them.
        """
        return tf.matmul(descriptors, self.kernel)

    def first_hop(self, terms: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """From terms [N, blocks] the barriers so far, of atoms and their neighbours, and sums for hops to come."""
        own, *by_species = tf.split(terms, [1, *[HOPS] * len(self.species)], axis=1)
        average = _Averages(around)
        heard = [average.of_species(z, values) for z, values in zip(self.species, by_species, strict=True)]
        return _added(own + self.bias, tf.add_n(heard))

    def next_hop(self, sums: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """Barriers and sums [N, H] after another hop, [N, H - 1]."""
        return _added(sums[:, :1], _Averages(around).of_all(sums[:, 1:]))

    def features(self, descriptors: tf.Tensor, around: Surroundings) -> tf.Tensor:
        """All that the regression sees of each atom, [N, blocks K]."""
        average = _Averages(around)
        seen = [descriptors]
        for z in self.species:
            seen.append(average.of_species(z, descriptors))
            for _ in range(1, HOPS):
                seen.append(average.of_all(seen[-1]))
        return tf.concat(seen, axis=1)

    def adapt(self, glasses: Sequence[tuple[np.ndarray, np.ndarray]], expected: np.ndarray) -> float:
        """Solves for what is added to the weights, at the penalty that serves best when glasses are left out in turn.

        So a regression that was solved before on other glasses stays as it was where these say nothing else.

        Args:
            glasses: features f[N, blocks K] and barriers [N], in standard deviations from the mean, of each.
            expected: f[K], how large the weights of a standardised descriptor are, one beside another, as far as is
                known before: a weight is penalised in units of it.

        Returns:
            The penalty.
        """
        weights, expected = self.kernel.numpy().T.ravel(), np.tile(expected, self.blocks)
        told = np.flatnonzero(expected)  # of few atoms there are few components
        known = [(features[:, told], features @ weights + self.bias.numpy(), barrier) for features, barrier in glasses]
        equations = [_NormalEquations.of(features, barrier - before) for features, before, barrier in known]
        penalty = _best_penalty(equations, known, expected[told])
        change, bias = _NormalEquations.sum(equations).solve(penalty, expected[told])
        weights[told] += change
        self.kernel.assign(weights.reshape(self.blocks, -1).T)
        self.bias.assign_add(bias)
        return penalty

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return super().get_config() | {"species": self.species}


def neighborhood_average(values: tf.Tensor, around: Surroundings) -> tf.Tensor:
    """Averages [N, C] of neighbours' values [N, C], the atom's own left out, weighted by exp(-r / 1 A).

    They fade where weights are small, and are zero where there is no neighbour.
    """
    return _Averages(around).of_all(values)


def _added(barrier: tf.Tensor, heard: tf.Tensor) -> tf.Tensor:
    """Barriers [N, 1] with what was heard for them, in the first of columns [N, H], and the other columns."""
    return tf.concat([barrier + heard[:, :1], heard[:, 1:]], axis=1)


class _Averages:
    """Weighted averages over the neighbours of each atom; zero where there is none."""

    def __init__(self, around: Surroundings):
        self._around, self._near = around, tf.exp((BOND - around.distance) / DECAY)

    def of_species(self, z: int, values: tf.Tensor) -> tf.Tensor:
        return self._average(self._near * self._around.sent_by(z), values)

    def of_all(self, values: tf.Tensor) -> tf.Tensor:
        return self._average(self._near, values)

    def _average(self, share: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        total = self._around.received(share)
        return self._around.received(share * self._around.from_source(values)) / (total + FAINT)


class _NormalEquations(NamedTuple):
    """What a least-squares fit with a constant needs to know of some atoms; that of several glasses adds up."""

    atoms: int
    features: np.ndarray  # [D], means
    barrier: float  # the mean
    products: np.ndarray  # [D, D], sums over atoms of products of deviations from these means
    moments: np.ndarray  # [D], sums of products of the features' and the barrier's deviations

    @classmethod
    def of(cls, features: np.ndarray, barrier: np.ndarray) -> _NormalEquations:
        mean, level = features.mean(axis=0, dtype=np.float64), barrier.mean(dtype=np.float64)
        # The products in single precision: they take nearly all the time, and of deviations their rounding is little.
        apart = features - mean.astype(features.dtype)
        return cls(len(features), mean, level, (apart.T @ apart).astype(np.float64), (barrier - level) @ apart)

    @classmethod
    def sum(cls, parts: Sequence[_NormalEquations]) -> _NormalEquations:
        atoms = np.array([part.atoms for part in parts])
        means, levels = np.stack([part.features for part in parts]), np.array([part.barrier for part in parts])
        mean, level = atoms @ means / atoms.sum(), atoms @ levels / atoms.sum()
        between = (means - mean).T * atoms  # what sets one glass apart from another, too
        products = sum(part.products for part in parts) + between @ (means - mean)
        moments = sum(part.moments for part in parts) + between @ (levels - level)
        return cls(int(atoms.sum()), mean, level, products, moments)

    def solve(self, penalty: float, expected: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights [D] and constant of the ridge regression on standardised features, for features as they are.

        The weights of standardised features are penalised in units of what is expected of them [D].
        """
        spread = np.sqrt(np.diag(self.products) / self.atoms)
        varies = spread > CONSTANT * np.maximum(1, np.abs(self.features))
        scale = np.divide(expected, spread, out=np.zeros_like(spread), where=varies)
        products = self.products * scale * scale[:, np.newaxis]
        products[np.diag_indices_from(products)] += penalty
        weights = scale * scipy.linalg.solve(products, scale * self.moments, assume_a="pos", overwrite_a=True)
        return weights, self.barrier - weights @ self.features


def _best_penalty(
    equations: Sequence[_NormalEquations],
    glasses: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    expected: np.ndarray,
) -> float:
    """The penalty with the highest mean Pearson correlation on the glass that is left out.

    Args:
        equations: of each glass, for what is left of its barriers.
        glasses: features [N, D], what was predicted before [N], and barriers [N] of each.
        expected: of weights [D].
    """
    if len(glasses) == 1:
        return ALONE
    scores = np.zeros(len(PENALTIES))
    for out, (features, before, barrier) in enumerate(glasses):
        others = _NormalEquations.sum([*equations[:out], *equations[out + 1 :]])
        for k, penalty in enumerate(PENALTIES):
            predicted = before + features @ others.solve(penalty, expected)[0]
            # A glass of equal barriers tells no penalty from another.
            defined = np.ptp(predicted) > 0 and np.ptp(barrier) > 0
            scores[k] += np.corrcoef(predicted, barrier)[0, 1] if defined else 0
    return PENALTIES[int(np.argmax(scores))]
