"""The descriptors of whole glasses, of any number of atoms and in cells of any width."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tf_symgnn.data import Glass, notice, perpendicular_heights, reduced_cell, require_species
from tf_symgnn.errors import InputError
from tf_symgnn.graph.images import with_images, wrap
from tf_symgnn.graph.neighbors import find_pairs, require_apart, require_few_neighbors, require_physical
from tf_symgnn.potentials.response import DESCRIPTORS, MAX_FORCE, PotentialDescriptors

MAX_ATOMS = 20_000  # of a glass that is computed as a whole
BLOCK = 25.0  # A, edge of the blocks of larger glasses
# Of a block with the atoms around it, for 120 pairs of each atom; and of the atoms that have descriptors, for products
# of gradients. Measured.
BYTES_PER_ATOM, BYTES_PER_CENTER = 60_000, 70_000
NOTICED_FORCE = 0.02  # eV/A; coordinates with three decimals leave about as much


def glass_descriptors(describe: PotentialDescriptors, glass: Glass) -> np.ndarray:
    """Return the descriptors f32[N, len(DESCRIPTORS)] of the atoms of a glass.

    A large glass is divided into blocks, so that memory does not grow with it. In a narrow cell, only one image of each
    atom moves.

    Raises:
        InputError: a species has no table, two atoms coincide, or the glass is not at rest under the potential.
    """
    require_species([glass], describe.potential.species)
    require_physical(glass, describe.cutoff)
    if _is_whole(describe, glass):
        everything = glass.positions, np.arange(glass.n_atoms), glass.pbc, glass.n_atoms
        descriptors, forces = _descriptors(describe, glass, *everything)
    else:
        descriptors, forces = (np.empty((glass.n_atoms, width), np.float32) for width in (len(DESCRIPTORS), 3))
        for positions, atoms, n_centers in _blocks(glass, describe.receptive_field):
            of_block = _descriptors(describe, glass, positions, atoms, np.zeros(3, bool), n_centers)
            descriptors[atoms[:n_centers]], forces[atoms[:n_centers]] = of_block
    _require_rest(glass, descriptors, forces)
    return descriptors


def peak_bytes(describe: PotentialDescriptors, glass: Glass) -> int:
    """Return the memory that `glass_descriptors` takes for a glass, bytes."""
    if _is_whole(describe, glass):
        return (BYTES_PER_ATOM + BYTES_PER_CENTER) * glass.n_atoms
    blocks = _blocks(glass, describe.receptive_field)
    return max(BYTES_PER_ATOM * len(atoms) + BYTES_PER_CENTER * n_centers for _, atoms, n_centers in blocks)


def _is_whole(describe: PotentialDescriptors, glass: Glass) -> bool:
    """Return whether a glass is small, and its cell so wide that no atom of a region has a neighbor in an image."""
    wide = perpendicular_heights(reduced_cell(glass.cell, glass.pbc))[glass.pbc] >= describe.min_width
    return glass.n_atoms <= MAX_ATOMS and bool(wide.all())


def _blocks(glass: Glass, halo: float) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield blocks of a glass with all atoms and images within a halo (A).

    Yields:
        Positions f64[M, 3] A, the atoms i64[M] that they are images of, and how many, the first ones, are in the block.
    """
    fractional, _ = wrap(glass.positions, glass.cell, glass.pbc)
    heights = perpendicular_heights(glass.cell)
    low = np.where(glass.pbc, 0.0, fractional.min(axis=0))
    extent = np.maximum(np.where(glass.pbc, 1.0, fractional.max(axis=0)) - low, 1e-12)
    number = np.maximum(1, np.ceil(extent * heights / BLOCK)).astype(np.int64)
    place = np.minimum(((fractional - low) / extent * number).astype(np.int64), number - 1)
    images = with_images(glass.positions, glass.cell, glass.pbc, halo)
    of_images = images.points @ np.linalg.inv(glass.cell)
    corners, block = np.unique(place, axis=0, return_inverse=True)
    for k, corner in enumerate(corners):
        core = np.flatnonzero(block.ravel() == k)
        lower, upper = low + corner * extent / number, low + (corner + 1) * extent / number
        near = ((of_images >= lower - halo / heights) & (of_images <= upper + halo / heights)).all(axis=1)
        near[core] = False  # the first points are the atoms themselves
        points = np.concatenate([core, np.flatnonzero(near)])
        yield images.points[points], images.atom[points], len(core)


def _descriptors(
    describe: PotentialDescriptors,
    glass: Glass,
    positions: np.ndarray,
    atoms: np.ndarray,
    pbc: np.ndarray,
    n_centers: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return descriptors and forces, eV/A, of the first `n_centers` of some points, which are images of atoms."""
    target, source, displacement = find_pairs(positions, glass.cell, pbc, describe.cutoff)
    require_apart(glass, atoms[source], atoms[target], displacement)
    require_few_neighbors(glass, target, describe.cutoff)
    order = np.argsort(target * len(positions) + source, kind="stable")
    descriptors, forces = describe(
        tf.constant(glass.atomic_numbers[atoms], tf.int32),
        tf.constant(source[order], tf.int32),
        tf.constant(target[order], tf.int32),
        tf.constant(displacement[order], tf.float64),
        n_centers,
    )
    return descriptors.numpy(), forces.numpy()


def _require_rest(glass: Glass, descriptors: np.ndarray, forces: np.ndarray) -> None:
    """Refuse a glass that is not at rest, and issue a notice about one that nearly is."""
    unstable = np.flatnonzero(~np.isfinite(descriptors).all(axis=1))
    largest = float(np.linalg.norm(forces, axis=1).max())
    expected = "a glass at rest under the potential of the model: tf-symgnn relax"
    if largest > MAX_FORCE:
        raise InputError(glass.place, "structure", f"forces up to {largest:.2g} eV/A", expected)
    if len(unstable):
        found = f"{len(unstable)} of {glass.n_atoms} atoms at no minimum of the energy, such as atom {unstable[0]}"
        raise InputError(glass.place, "structure", found, expected)
    if largest > NOTICED_FORCE:
        notice(glass.place, "largest force", f"{largest:.2g} eV/A", f"predictions are for {expected}")
