"""The power spectrum of the neighbor density of each atom, which no rotation or reflection changes."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.nn.chunked import uses_chunks
from tf_symgnn.nn.chunked.map_chunks import map_chunks
from tf_symgnn.nn.chunked.partition import Chunk, ChunkTensors, partition_at_atoms, sum_by_receiver, to_segments
from tf_symgnn.nn.pairs import PairView, length

SHORTEST = 2.0  # A, where the first shell lies: the shortest bonds of metals
WIDTH = 2.0  # of a shell, in distances between shells: as broad as carries over best to other glasses
NORM_EPSILON = 0.1  # added to a squared length, which is about 15 in a glass


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PowerSpectrum(tf.keras.layers.Layer):
    """The power spectrum of the neighbor density (Bartók, Kondor and Csányi 2013, eq. 25), without a trained weight.

    For neighbors of each species s in radial shells n,

        c_nslm = sum_i w_ij g_n(r_ij) [species of i = s] Y_lm(x_ij / r_ij)
        p_l(ns, n's') = sum_m c_nslm c_n's'lm / sqrt(2 l + 1)

    with pair weights w_ij and broad Gaussian shells g_n that fall to zero at the cutoff. Its direction p / |p| is
    returned, and |p|^2 / (|p|^2 + 0.1) as the atom's presence, which falls from 1 to 0 as the weights of its pairs do.
    Exactly invariant under rotation, reflection and permutation.

    Args:
        species: S atomic numbers that neighbors may be of.
        cutoff: of the neighbor graph, A; shells lie evenly up to it.
        shells: how many.
        degree: the largest l.
        kernel: `reference`, plain TF-GNN operations; `chunked`, in chunks that stay in a CPU cache, for pairs that are
            sorted by target; or `auto`, chunked where there is no GPU.
    """

    def __init__(
        self,
        *,
        species: tuple[int, ...],
        cutoff: float,
        shells: int = 8,
        degree: int = 6,
        kernel: str = "auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        uses_chunks(kernel)  # refuses a kernel that is none
        self.species, self.cutoff, self.shells, self.degree = tuple(species), cutoff, shells, degree
        self.kernel = kernel

    def call(self, view: PairView) -> tuple[tf.Tensor, tf.Tensor]:
        """Return each atom's direction f[N, (degree + 1) C (C + 1) / 2], C = S shells, and presence f[N, 1]."""
        by_species = tf.concat([view.weight * view.source_is(z) for z in self.species], axis=1)  # [E, S]
        power = self._in_chunks if uses_chunks(self.kernel) else self._power
        spectrum = power(view, by_species)
        squared = tf.reduce_sum(tf.square(spectrum), axis=1, keepdims=True)
        return spectrum * tf.math.rsqrt(tf.maximum(squared, 1e-12)), squared / (squared + NORM_EPSILON)

    def bytes_per_pair(self) -> int:
        """Return the bytes that a pair takes at once: both sides of the moments, as pairs and in padded segments."""
        # As if all chunks were at work at once; segments are in double precision and longer than the pairs in them.
        return 4 * 7 * (self._channels + (self.degree + 1) ** 2)

    def bytes_per_atom(self) -> int:
        """Return the bytes that an atom takes at once: moments, and the spectrum in four forms."""
        harmonics = (self.degree + 1) ** 2
        return 4 * self._channels * (3 * harmonics + (self.degree + 1) * 4 * self._channels)

    def _power(self, view: PairView, by_species: tf.Tensor) -> tf.Tensor:
        """Return spectra p [N, (degree + 1) C (C + 1) / 2], by TF-GNN's own operations."""
        radial, harmonics = self._radial_and_harmonics(view.displacement, by_species)
        # Summed in double precision: else components of little variance depend on the order of the pairs.
        radial, harmonics = (tf.cast(x, tf.float64) for x in (radial, harmonics))
        moments = tfgnn.pool_edges_to_node(
            view.graph,
            names.NEIGHBORS,
            tfgnn.TARGET,
            "sum",
            feature_value=radial[:, :, tf.newaxis] * harmonics[:, tf.newaxis],
        )
        return self._spectrum(tf.cast(moments, view.displacement.dtype))

    def _in_chunks(self, view: PairView, by_species: tf.Tensor) -> tf.Tensor:
        """Return what `_power` returns."""
        width = 2 * (self._channels + (self.degree + 1) ** 2)  # numbers of double precision
        partition = partition_at_atoms(view.source, view.target, view.n_atoms, width)
        return map_chunks(self._of_chunk, partition, ChunkTensors(edges=(view.displacement, by_species))).atoms

    def _of_chunk(self, chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        radial, harmonics = self._radial_and_harmonics(*part.edges)
        segments = chunk.segments
        in_segments = (to_segments(tf.cast(x, tf.float64), segments) for x in (radial, harmonics))
        sums = tf.reshape(tf.matmul(*in_segments, transpose_a=True), [-1, self._channels * harmonics.shape[1]])
        moments = tf.cast(sum_by_receiver(sums, segments.receiver, chunk.n_atoms), radial.dtype)
        moments = tf.reshape(moments, [-1, self._channels, harmonics.shape[1]])
        return ChunkTensors(atoms=self._spectrum(moments))

    def _radial_and_harmonics(self, displacement: tf.Tensor, by_species: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return weighted shells [E, C] and harmonics [E, (degree + 1)^2] of displacements [E, 3] A."""
        distance = length(displacement)
        radial = by_species[:, :, tf.newaxis] * self._shells(distance)[:, tf.newaxis]
        unit = tf.math.divide_no_nan(displacement, distance)
        return tf.reshape(radial, [-1, self._channels]), real_harmonics(unit, self.degree)

    def _spectrum(self, moments: tf.Tensor) -> tf.Tensor:
        """Return p_l(ns, n's') [N, (degree + 1) C (C + 1) / 2] of moments c_nslm [N, C, (degree + 1)^2]."""
        upper = [i * self._channels + j for i in range(self._channels) for j in range(i, self._channels)]
        spectrum = []
        for degree in range(self.degree + 1):
            of_degree = moments[:, :, degree**2 : (degree + 1) ** 2]
            power = tf.matmul(of_degree, of_degree, transpose_b=True) / math.sqrt(2 * degree + 1)
            spectrum.append(tf.gather(tf.reshape(power, [-1, self._channels**2]), upper, axis=1))
        return tf.concat(spectrum, axis=1)

    @property
    def _channels(self) -> int:
        return len(self.species) * self.shells

    def _shells(self, distance: tf.Tensor) -> tf.Tensor:
        """Return g_n(r) of distances [E, 1] A, [E, n]."""
        spacing = (self.cutoff - SHORTEST) / (self.shells - 1)
        centres = SHORTEST + spacing * tf.range(self.shells, dtype=distance.dtype)
        shells = tf.exp(-0.5 * tf.square((distance - centres) / (WIDTH * spacing)))
        return shells * 0.5 * (1 + tf.cos(math.pi * distance / self.cutoff))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {
            "species": self.species,
            "cutoff": self.cutoff,
            "shells": self.shells,
            "degree": self.degree,
            "kernel": self.kernel,
        }


def real_harmonics(unit: tf.Tensor, degree: int) -> tf.Tensor:
    """Return orthonormal real spherical harmonics of unit vectors [E, 3] up to a degree, [E, (degree + 1)^2].

    They stand by degree l, and within it m = 0, then cosine and sine of m = 1, 2, ..., l. Legendre functions without
    their sin^m(theta), which (x + iy)^m has, come from the recursion in l (Press et al. 2007, eq. 6.7.8).
    """
    x, y, z = tf.unstack(unit, axis=1)
    cosine, sine = [tf.ones_like(x)], [tf.zeros_like(x)]
    for m in range(degree):
        cosine, sine = [*cosine, x * cosine[m] - y * sine[m]], [*sine, x * sine[m] + y * cosine[m]]
    legendre: dict[tuple[int, int], tf.Tensor] = {}
    for m in range(degree + 1):
        legendre[m, m] = tf.fill(tf.shape(x), tf.cast(math.prod(range(1, 2 * m, 2)), x.dtype))
        for n in range(m + 1, degree + 1):
            before = legendre[n - 2, m] if n > m + 1 else 0.0
            legendre[n, m] = ((2 * n - 1) * z * legendre[n - 1, m] - (n + m - 1) * before) / (n - m)
    harmonics = []
    for n in range(degree + 1):
        for m in range(n + 1):
            norm = math.sqrt((2 * n + 1) / (4 * math.pi) * math.factorial(n - m) / math.factorial(n + m))
            if m == 0:
                harmonics.append(norm * legendre[n, m])
            else:
                harmonics += [math.sqrt(2) * norm * legendre[n, m] * part[m] for part in (cosine, sine)]
    return tf.stack(harmonics, axis=1)
