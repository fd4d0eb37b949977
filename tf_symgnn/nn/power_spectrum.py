"""The power spectrum of an atom's surroundings: which neighbours stand where about it, whatever way it is turned."""

from __future__ import annotations

import math

import tensorflow as tf

from tf_symgnn.nn.chunked.map_chunks import blockwise
from tf_symgnn.nn.chunked.partition import Block, Rows, cut_at_atoms, to_atoms, to_runs
from tf_symgnn.nn.pairs import Surroundings, length

SHORTEST = 2.0  # A, where the first shell lies: the shortest bonds of metals
WIDTH = 2.0  # of a shell, in distances between shells: as broad as carries over best to other glasses
SLIGHT = 0.1  # of a squared length, which has some 15 in a glass: that of next to no neighbour


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class PowerSpectrum(tf.keras.layers.Layer):
    """The power spectrum of the neighbour density (Bartók, Kondor and Csányi 2013, eq. 25), without a trained weight.

    Of neighbours of each species s in radial shells n,

        c_nslm = sum_i w_ij g_n(r_ij) [species of i = s] Y_lm(x_ij / r_ij)
        p_l(ns, n's') = sum_m c_nslm c_n's'lm / sqrt(2 l + 1)

    with pair weights w_ij and broad Gaussian shells g_n that fall to zero at the cutoff. It is given as its direction
    p / |p|, with |p|^2 / (|p|^2 + 0.1) as the atom's presence, which falls from 1 to 0 as its last neighbours fade.
    Exactly invariant under rotation, reflection and permutation.

    Args:
        species: S atomic numbers that neighbours may be of.
        cutoff: of the neighbour graph, A; shells lie evenly up to it.
        shells: how many.
        degree: the largest l.
    """

    def __init__(self, *, species: tuple[int, ...], cutoff: float, shells: int = 8, degree: int = 6, **kwargs):
        super().__init__(**kwargs)
        self.species, self.cutoff, self.shells, self.degree = tuple(species), cutoff, shells, degree

    def call(self, around: Surroundings) -> tuple[tf.Tensor, tf.Tensor]:
        """Each atom's direction f[N, (degree + 1) C (C + 1) / 2], of C = S shells channels, and presence f[N, 1]."""
        by_species = tf.concat([around.weight * around.sent_by(z) for z in self.species], axis=1)  # [E, S]
        width = 2 * (len(self.species) * self.shells + (self.degree + 1) ** 2)  # numbers of double precision
        blocks = cut_at_atoms(around.source, around.target, around.n_atoms, width)
        spectrum = blockwise(self._of_block, blocks, Rows(edges=(around.displacement, by_species))).atoms
        squared = tf.reduce_sum(tf.square(spectrum), axis=1, keepdims=True)
        return spectrum * tf.math.rsqrt(tf.maximum(squared, 1e-12)), squared / (squared + SLIGHT)

    def _of_block(self, block: Block, part: Rows) -> Rows:
        """Spectra p [N, (degree + 1) C (C + 1) / 2] of a block's atoms."""
        displacement, by_species = part.edges
        distance = length(displacement)
        shells = self._shells(distance)
        radial = tf.reshape(by_species[:, :, tf.newaxis] * shells[:, tf.newaxis], [-1, self._channels])
        harmonics = real_harmonics(tf.math.divide_no_nan(displacement, distance), self.degree)  # [E, (l + 1)^2]
        runs = block.runs
        # Summed in double precision, or regressions on components of little variance hear in what order pairs stand.
        in_runs = (to_runs(tf.cast(x, tf.float64), runs) for x in (radial, harmonics))
        sums = tf.reshape(tf.matmul(*in_runs, transpose_a=True), [-1, self._channels * harmonics.shape[1]])
        moments = to_atoms(sums, runs.receiver, block.end_atom - block.first_atom)
        moments = tf.reshape(tf.cast(moments, radial.dtype), [-1, self._channels, harmonics.shape[1]])
        upper = [i * self._channels + j for i in range(self._channels) for j in range(i, self._channels)]
        spectrum = []
        for degree in range(self.degree + 1):
            of_degree = moments[:, :, degree**2 : (degree + 1) ** 2]
            power = tf.matmul(of_degree, of_degree, transpose_b=True) / math.sqrt(2 * degree + 1)
            spectrum.append(tf.gather(tf.reshape(power, [-1, self._channels**2]), upper, axis=1))
        return Rows(atoms=tf.concat(spectrum, axis=1))

    @property
    def _channels(self) -> int:
        return len(self.species) * self.shells

    def _shells(self, distance: tf.Tensor) -> tf.Tensor:
        """g_n(r) of distances [E, 1] A, [E, n]."""
        spacing = (self.cutoff - SHORTEST) / (self.shells - 1)
        centres = SHORTEST + spacing * tf.range(self.shells, dtype=distance.dtype)
        shells = tf.exp(-0.5 * tf.square((distance - centres) / (WIDTH * spacing)))
        return shells * 0.5 * (1 + tf.cos(math.pi * distance / self.cutoff))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        own = {"species": self.species, "cutoff": self.cutoff, "shells": self.shells, "degree": self.degree}
        return super().get_config() | own


def real_harmonics(unit: tf.Tensor, degree: int) -> tf.Tensor:
    """Orthonormal real spherical harmonics of unit vectors [E, 3] up to a degree, [E, (degree + 1)^2].

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
