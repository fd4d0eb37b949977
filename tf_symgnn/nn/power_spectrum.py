"""The power spectrum of the neighbor density: a descriptor that is invariant under rotation and reflection."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.nn.chunked import uses_chunks
from tf_symgnn.nn.chunked.map_chunks import map_chunks
from tf_symgnn.nn.chunked.partition import Chunk, ChunkTensors, partition_at_atoms, sum_by_receiver, to_segments
from tf_symgnn.nn.pairs import PairView, length

FIRST_SHELL = 2.0  # A, the center of the first shell: about the shortest bond of metals
SHELL_WIDTH = 2.0  # standard deviation of a shell over the distance between shells; best on glasses left out
NORM_EPSILON = 0.1  # added to the squared length of a spectrum, which is about 15 in a glass


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PowerSpectrum(tf.keras.layers.Layer):
    """The power spectrum of the neighbor density (Bartók, Kondor and Csányi 2013, eq. 25). It has no weights.

    For neighbors of species s and radial shell n:

        c_nslm = sum_i w_ij g_n(r_ij) [species of i = s] Y_lm(x_ij / r_ij)
        p_l(ns, n's') = sum_m c_nslm c_n's'lm / sqrt(2 l + 1)

    with pair weights w_ij and broad Gaussian shells g_n that are zero at the cutoff. The layer returns the direction
    p / |p| and the presence |p|^2 / (|p|^2 + 0.1) of each atom. The presence falls from 1 to 0 with the weights of
    the pairs. Both are exactly invariant under rotation, reflection and permutation.

    Args:
        species: S atomic numbers of neighbors.
        cutoff: of the neighbor graph, A.
        shells: number of radial shells, at least 2, with centers evenly spaced from 2 A to the cutoff.
        degree: the largest l.
        kernel: `reference`, plain TF-GNN operations; `chunked`, chunks of pairs that fit into a CPU cache, which
            requires pairs sorted by target; or `auto`, `chunked` if TensorFlow has no GPU.

    Raises:
        ValueError: `shells` is less than 2 or `kernel` is unknown.
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
        uses_chunks(kernel)  # raises ValueError for an unknown kernel
        if shells < 2:
            raise ValueError(f"shells: found {shells}, expected at least 2")
        self.species, self.cutoff, self.shells, self.degree = tuple(species), cutoff, shells, degree
        self.kernel = kernel

    def call(self, view: PairView) -> tuple[tf.Tensor, tf.Tensor]:
        """Return each atom's direction f[N, (degree + 1) C (C + 1) / 2], C = S shells, and presence f[N, 1]."""
        by_species = tf.concat([view.weight * view.source_is(z) for z in self.species], axis=1)  # [E, S]
        spectrum = (self._in_chunks if uses_chunks(self.kernel) else self._in_one)(view, by_species)
        squared = tf.reduce_sum(tf.square(spectrum), axis=1, keepdims=True)
        return spectrum * tf.math.rsqrt(tf.maximum(squared, 1e-12)), squared / (squared + NORM_EPSILON)

    def bytes_per_pair(self) -> int:
        """Return the peak memory of a pair in bytes: radial and angular factors, as pairs and in padded segments."""
        # This assumes that all chunks are computed at once. Segments are in double precision and include padding.
        return 4 * 7 * (self._channels + (self.degree + 1) ** 2)

    def bytes_per_atom(self) -> int:
        """Return the peak memory of an atom in bytes: moments, and four tensors as large as the spectrum."""
        harmonics = (self.degree + 1) ** 2
        return 4 * self._channels * (3 * harmonics + (self.degree + 1) * 4 * self._channels)

    def _in_one(self, view: PairView, by_species: tf.Tensor) -> tf.Tensor:
        """Return spectra p [N, (degree + 1) C (C + 1) / 2], by the kernel `reference`."""
        radial, harmonics = self._radial_and_harmonics(view.displacement, by_species)
        # In single precision, principal components of low variance would depend on the order of the pairs.
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
        """Return spectra p [N, (degree + 1) C (C + 1) / 2], by the kernel `chunked`."""
        width = 2 * (self._channels + (self.degree + 1) ** 2)  # a double precision number is as large as two
        partition = partition_at_atoms(view.source, view.target, view.n_atoms, width)
        return map_chunks(self._of_chunk, partition, ChunkTensors(edges=(view.displacement, by_species))).atoms

    def _of_chunk(self, chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        """Return the spectra of the atoms of one chunk."""
        radial, harmonics = self._radial_and_harmonics(*part.edges)
        segments = chunk.segments
        in_segments = (to_segments(tf.cast(x, tf.float64), segments) for x in (radial, harmonics))
        sums = tf.reshape(tf.matmul(*in_segments, transpose_a=True), [-1, self._channels * harmonics.shape[1]])
        moments = tf.cast(sum_by_receiver(sums, segments.receiver, chunk.n_atoms), radial.dtype)
        moments = tf.reshape(moments, [-1, self._channels, harmonics.shape[1]])
        return ChunkTensors(atoms=self._spectrum(moments))

    def _radial_and_harmonics(self, displacement: tf.Tensor, by_species: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return weighted shells w g_n [E, C] and harmonics Y_lm [E, (degree + 1)^2] of displacements [E, 3] A."""
        distance = length(displacement)
        radial = by_species[:, :, tf.newaxis] * self._shells(distance)[:, tf.newaxis]
        unit = tf.math.divide_no_nan(displacement, distance)
        return tf.reshape(radial, [-1, self._channels]), real_harmonics(unit, self.degree)

    def _spectrum(self, moments: tf.Tensor) -> tf.Tensor:
        """Return p_l(ns, n's') [N, (degree + 1) C (C + 1) / 2] from moments c_nslm [N, C, (degree + 1)^2]."""
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
        """Return the shells g_n(r) of distances [E, 1] A, [E, shells]."""
        spacing = (self.cutoff - FIRST_SHELL) / (self.shells - 1)
        centers = FIRST_SHELL + spacing * tf.range(self.shells, dtype=distance.dtype)
        shells = tf.exp(-0.5 * tf.square((distance - centers) / (SHELL_WIDTH * spacing)))
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

    They are ordered by degree l; within l, m = 0 comes first, then cosine and sine of m = 1, 2, ..., l. The factor
    sin^m(theta) of the associated Legendre functions is part of (x + iy)^m. The rest of these functions follows from
    the recursion in l (Press et al. 2007, eq. 6.7.8).
    """
    x, y, z = tf.unstack(unit, axis=1)
    cosine, sine = [tf.ones_like(x)], [tf.zeros_like(x)]
    for m in range(degree):
        cosine, sine = [*cosine, x * cosine[m] - y * sine[m]], [*sine, x * sine[m] + y * cosine[m]]
    legendre: dict[tuple[int, int], tf.Tensor] = {}
    for m in range(degree + 1):
        legendre[m, m] = tf.fill(tf.shape(x), tf.cast(math.prod(range(1, 2 * m, 2)), x.dtype))
        for n in range(m + 1, degree + 1):
            previous = legendre[n - 2, m] if n > m + 1 else 0.0
            legendre[n, m] = ((2 * n - 1) * z * legendre[n - 1, m] - (n + m - 1) * previous) / (n - m)
    harmonics = []
    for n in range(degree + 1):
        for m in range(n + 1):
            norm = math.sqrt((2 * n + 1) / (4 * math.pi) * math.factorial(n - m) / math.factorial(n + m))
            if m == 0:
                harmonics.append(norm * legendre[n, m])
            else:
                harmonics += [math.sqrt(2) * norm * legendre[n, m] * part[m] for part in (cosine, sine)]
    return tf.stack(harmonics, axis=1)
