"""Descriptors of each atom that follow from the potential: energy, density and harmonic response."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.hessian import GlassHessian, Pairs, Regions

N_RESPONSES = 7  # the last ones of `DESCRIPTORS`
REGION = 6.5  # A; the atoms within it of an atom are free, all others are fixed
PUSHED = 3.8  # A; the atoms that the push of a saddle search moves
CENTERS = 32  # atoms whose regions are computed at once
MAX_FORCE = 0.1  # eV/A; with larger ones a glass is not at rest, or is one of another potential
MIN_DENSITY = 1e-6  # of an atom that has no neighbors
SQUARINGS = 6  # of a matrix; the larger of two eigenvalues that are 5% apart is then found to 0.2%

# The columns of the descriptors. All but the energy are logarithms. G is the inverse of the Hessian of the free atoms.
DESCRIPTORS = (
    "energy",  # of the atom, eV
    "density",  # rho of the atom
    "stiffness",  # trace of the atom's block of the Hessian, eV/A^2
    "softness",  # trace of the atom's block of G, A^2/eV
    "softest direction",  # largest eigenvalue of the atom's block of G, A^2/eV
    "reach",  # sum of squares of the atom's columns of G, A^4/eV^2
    "softness of the pushed atoms",  # mean trace of their blocks of G, A^2/eV
    "softest mode of the pushed atoms",  # largest eigenvalue of their part of G, A^2/eV
    "stiffness of the pushed atoms",  # mean eigenvalue of the inverse of their part of G, eV/A^2
    "softness of the region",  # mean trace of the blocks of G of all free atoms, A^2/eV
)


class PotentialDescriptors(tf.Module):
    """Computes descriptors of atoms from a potential. A SavedModel that holds it needs no file of the potential.

    Time is linear in the number of centers; memory is that of the pairs and of the regions of `CENTERS` atoms.

    Args:
        potential: of the glasses, which are at minima of its energy.

    Attributes:
        potential: the potential.
        cutoff: A. Pairs must contain all atoms that are closer.
        min_width: A. In a narrower periodic cell, an image of an atom of a region would move with it.
        receptive_field: the largest distance of an atom that affects a descriptor, A.
    """

    def __init__(self, potential: EamPotential):
        super().__init__(name="potential_descriptors")
        self.potential = potential
        self.cutoff = max(potential.cutoff, REGION)
        self.min_width = 2 * REGION + self.cutoff
        # An atom affects the density of a neighbor of an atom of the region.
        self.receptive_field = REGION + 2 * self.cutoff

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, 3], tf.float64),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def __call__(
        self, numbers: tf.Tensor, source: tf.Tensor, target: tf.Tensor, displacement: tf.Tensor, n_centers: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the descriptors of the first atoms f32[n_centers, len(DESCRIPTORS)], and their forces.

        Those of the response are NaN where the Hessian of the region is not positive definite: it is not at a minimum.

        Args:
            numbers: i32[N], atomic numbers.
            source: i32[E], the sender of each directed pair within `cutoff`, without self-loops.
            target: i32[E], the receiver, ascending.
            displacement: f64[E, 3] A, x[source] - x[target] + periodic shift.
            n_centers: number of the first atoms that descriptors are computed of.

        Returns:
            The descriptors, and the forces f64[n_centers, 3] eV/A.
        """
        n_atoms = tf.size(numbers)
        pairs = Pairs.of(source, target, n_atoms)
        state = self.potential.state(numbers, source, target, displacement)
        is_center = tf.range(n_atoms) < n_centers
        near_center = tf.where(tf.gather(is_center, source) & (state.distance < REGION))
        free = tf.tensor_scatter_nd_update(
            is_center, tf.gather(target, near_center), tf.fill(tf.shape(near_center)[:1], True)
        )
        hessian = GlassHessian.of(self.potential, state, pairs, free)
        of_atoms = [self.potential.energies(state, target), tf.math.log(tf.maximum(state.density, MIN_DENSITY))]
        of_atoms = [tf.cast(values, tf.float32) for values in of_atoms]
        of_atoms.append(tf.math.log(tf.linalg.trace(hessian.own)))
        batches = -(-n_centers // CENTERS)
        responses = tf.TensorArray(tf.float32, size=batches, infer_shape=False, element_shape=[None, N_RESPONSES])
        for batch in tf.range(batches):
            centers = tf.range(batch * CENTERS, tf.minimum((batch + 1) * CENTERS, n_centers))
            regions = Regions.around(centers, pairs, state.distance, REGION, n_atoms)
            responses = responses.write(batch, _responses(regions, hessian.of_regions(regions)))
        descriptors = tf.concat([tf.stack(of_atoms, axis=1)[:n_centers], responses.concat()], axis=1)
        return descriptors, self.potential.forces(state, source, target)[:n_centers]


def _responses(regions: Regions, hessians: tf.Tensor) -> tf.Tensor:
    """Return the logarithms of the quantities of G f32[B, N_RESPONSES] of the regions' centers, or NaN.

    H = L L^T with the center last, so that the last columns of L and of its inverse alone give the center's blocks,
    and the trailing ones those of the pushed atoms.

    Args:
        regions: with centers last and the nearest atoms before them.
        hessians: [B, 3 M, 3 M] eV/A^2, in their lower triangles.
    """
    factor = tf.linalg.cholesky(hessians)  # NaN for a matrix that is not positive definite
    size = tf.shape(factor)[-1]
    identity = tf.eye(size, batch_shape=tf.shape(factor)[:1])
    stable = tf.reduce_all(tf.math.is_finite(factor), axis=[1, 2], keepdims=True)
    factor = tf.where(stable, factor, identity)
    inverse = tf.linalg.triangular_solve(factor, identity)
    pushed = tf.math.bincount(regions.row, tf.cast(regions.distance < PUSHED, tf.int32), dtype=tf.int32)
    trace = tf.reduce_sum(tf.square(inverse), axis=1)  # of each coordinate
    center = inverse[:, -3:, -3:]
    block = tf.matmul(center, center, transpose_a=True)
    columns = tf.matmul(inverse[:, -3:], center, transpose_a=True)
    near = 3 * tf.reduce_max(pushed)
    inside = _trailing(near, 3 * pushed)
    part = inverse[:, -near:, -near:] * inside[:, :, tf.newaxis] * inside[:, tf.newaxis, :]
    part_factor = factor[:, -near:, -near:] * inside[:, :, tf.newaxis] * inside[:, tf.newaxis, :]
    n_pushed, n_free = tf.cast(pushed, tf.float32), tf.cast(regions.count, tf.float32)
    quantities = [
        tf.linalg.trace(block),
        tf.reduce_max(tf.linalg.eigvalsh(block), axis=1),
        tf.reduce_sum(tf.square(columns), axis=[1, 2]),
        tf.reduce_sum(trace[:, -near:] * inside, axis=1) / n_pushed,
        _largest_eigenvalue(tf.matmul(part, part, transpose_a=True)),
        tf.reduce_sum(tf.square(part_factor), axis=[1, 2]) / (3 * n_pushed),
        tf.reduce_sum(trace * _trailing(size, 3 * regions.count), axis=1) / n_free,
    ]
    return tf.where(stable[:, 0], tf.math.log(tf.stack(quantities, axis=1)), np.nan)


def _trailing(size: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Return f32[B, size], 1 at the last `counts` i32[B] places and 0 before."""
    return tf.cast(tf.range(size) >= size - counts[:, tf.newaxis], tf.float32)


def _largest_eigenvalue(matrices: tf.Tensor) -> tf.Tensor:
    """Return the largest eigenvalues [B] of positive semidefinite matrices [B, n, n], by powers of them."""
    power = matrices
    for _ in range(SQUARINGS):
        power /= tf.linalg.trace(power)[:, tf.newaxis, tf.newaxis]
        power = tf.matmul(power, power)
    return tf.linalg.trace(tf.matmul(matrices, power)) / tf.linalg.trace(power)
