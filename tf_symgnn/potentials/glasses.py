"""The descriptors of whole glasses, of any number of atoms."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_symgnn.data import Glass
from tf_symgnn.data.glass import require_species
from tf_symgnn.errors import InputError
from tf_symgnn.graph.neighbors import find_pairs, require_apart, require_physical
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.potentials.response import DESCRIPTORS, PotentialDescriptors

MAX_ATOMS = 20_000  # of a part of a glass. Memory is 25 kB an atom.


def glass_descriptors(describe: PotentialDescriptors, glass: Glass) -> np.ndarray:
    """Return the descriptors f32[N, len(DESCRIPTORS)] of the atoms of a glass.

    Glasses of over `MAX_ATOMS` atoms are divided into slabs, so that memory does not grow with the glass.

    Raises:
        InputError: a species has no table, two atoms coincide, or an atom is not at a minimum of the energy.
    """
    require_species([glass], describe.potential.species)
    require_physical(glass, describe.potential.cutoff)
    number = -(-glass.n_atoms // MAX_ATOMS)
    if number == 1:
        found, forces = _descriptors(describe, glass.positions, glass.atomic_numbers, glass, glass.pbc, glass.n_atoms)
    else:
        slabbed = SlabbedGlass(glass, cutoff=describe.receptive_field, self_loops=False, number=number)
        parts = [_of_slab(describe, slabbed, slab) for slab in range(len(slabbed))]
        found, forces = (np.empty((glass.n_atoms, width), np.float32) for width in (len(DESCRIPTORS), 3))
        found[slabbed.order] = np.concatenate([part for part, _ in parts])
        forces[slabbed.order] = np.concatenate([part for _, part in parts])
    unstable = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(unstable):
        largest = np.linalg.norm(forces, axis=1).max()
        stated = f"{len(unstable)} of {glass.n_atoms} atoms not at a minimum, with forces up to {largest:.2g} eV/A"
        expected = "a glass relaxed with the potential of the model, as by tf-symgnn relax"
        raise InputError(glass.place, "structure", stated, expected)
    return found


def _of_slab(describe: PotentialDescriptors, slabbed: SlabbedGlass, slab: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the descriptors and forces of the atoms of a slab."""
    atoms, points = slabbed.with_ghosts(slab, slab + 1)
    return _descriptors(
        describe, points, slabbed.atomic_numbers[atoms], slabbed.glass, slabbed.pbc_in_slab, int(slabbed.sizes[slab])
    )


def _descriptors(
    describe: PotentialDescriptors,
    positions: np.ndarray,
    atomic_numbers: np.ndarray,
    glass: Glass,
    pbc: np.ndarray,
    n_centers: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the descriptors and forces of the first `n_centers` of some atoms of a glass."""
    target, source, displacement = find_pairs(positions, glass.cell, pbc, describe.potential.cutoff)
    require_apart(glass, source, target, displacement)
    order = np.argsort(target * len(positions) + source, kind="stable")
    found = describe(
        tf.constant(atomic_numbers, tf.int32),
        tf.constant(source[order], tf.int32),
        tf.constant(target[order], tf.int32),
        tf.constant(displacement[order], tf.float64),
        n_centers,
    )
    return found[0].numpy(), found[1].numpy()
