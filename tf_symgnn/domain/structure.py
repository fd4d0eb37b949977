"""Statistics of a glass's structure, by which it is compared with the training glasses."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from ase.data import chemical_symbols

from tf_symgnn.graph.glass_graph import GlassGraph

# Kinds of statistics.
FRACTION, DENSITY, BOND_LENGTH, BOND_SPREAD = "fraction", "number density", "bond length", "bond length spread"

SHELL = 1.25  # end of the first shell over its mean distance
_MIN_PAIRS = 20  # fewer have no meaningful mean


class Statistic(NamedTuple):
    """A statistic of a glass.

    Attributes:
        value: in the unit of the statistic.
        error: standard error of the value, from the finite number of atoms.
    """

    value: float
    error: float


# Statistics of a glass by kind, and then by what they are of: Cu, Cu-Zr, or "" for all atoms.
Structure = dict[str, dict[str, Statistic]]


def structure_statistics(graph: GlassGraph, cutoff: float) -> Structure:
    """Return the `composition` and the `bonding` of a glass from its graph, with the graph's cutoff in A."""
    senders = graph.atomic_numbers[graph.source]
    bonds = bonding(graph.atomic_numbers, graph.target, senders, graph.displacement, cutoff=cutoff)
    return composition(graph.atomic_numbers) | bonds


def composition(atomic_numbers: np.ndarray) -> Structure:
    """Return the fraction of each species among atoms with atomic numbers i32[N]."""
    numbers, counts = np.unique(atomic_numbers, return_counts=True)
    fractions = (counts / len(atomic_numbers)).tolist()
    return {FRACTION: {chemical_symbols[z]: Statistic(x, 0.0) for z, x in zip(numbers, fractions, strict=True)}}


def bonding(
    atomic_numbers: np.ndarray, target: np.ndarray, senders: np.ndarray, displacement: np.ndarray, *, cutoff: float
) -> Structure:
    """Return statistics of the neighbors of some atoms.

    - Number density, A^-3: the number of neighbors within the cutoff over the volume of that sphere. It is averaged
      over the middle half of the atoms, so that it does not depend on the surfaces of a thick slab.
    - Bond length of two species, A, and its spread: the mean distance in the first shell, and the standard deviation
      over the mean. The shell ends at 1.25 times the mean, so that the length is proportional to strain.

    Args:
        atomic_numbers: i32[M] of the atoms.
        target: i32[E], the atom that receives each pair, ascending.
        senders: i32[E], the atomic number of the sender.
        displacement: f32[E, 3] A; pairs of zero length are self-loops, which are left out.
        cutoff: of the pairs, A.
    """
    distance = np.linalg.norm(displacement, axis=1).astype(np.float64)
    bonded = distance > 0
    distance, target, senders = distance[bonded], target[bonded], senders[bonded]
    lengths, spreads = {}, {}
    receivers = atomic_numbers[target]
    species = np.union1d(atomic_numbers, senders).tolist()
    for a, b in combinations_with_replacement(species, 2):
        pairs = ((receivers == a) & (senders == b)) | ((receivers == b) & (senders == a))
        shell = _first_shell(distance[pairs], target[pairs])
        if len(shell) >= _MIN_PAIRS:
            name = f"{chemical_symbols[a]}-{chemical_symbols[b]}"
            independent = len(shell) / 2  # most pairs are listed in both directions
            spread = shell.std() / shell.mean()
            lengths[name] = Statistic(float(shell.mean()), float(shell.std() / np.sqrt(independent)))
            spreads[name] = Statistic(float(spread), float(spread / np.sqrt(2 * independent)))
    density = _density(np.bincount(target, minlength=len(atomic_numbers)), cutoff)
    return {DENSITY: {"": density}, BOND_LENGTH: lengths, BOND_SPREAD: spreads}


def _density(n_neighbors: np.ndarray, cutoff: float) -> Statistic:
    ordered, quarter = np.sort(n_neighbors), len(n_neighbors) // 4
    middle = ordered[quarter : len(ordered) - quarter]
    volume = 4 / 3 * np.pi * cutoff**3
    return Statistic(float(middle.mean() / volume), float(n_neighbors.std() / np.sqrt(len(n_neighbors)) / volume))


def _first_shell(distance: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the distances below 1.25 times their own mean, found by iteration from the nearest neighbors outward."""
    if not len(distance):
        return distance
    starts = np.flatnonzero(np.diff(target, prepend=-1))
    mean, before = np.minimum.reduceat(distance, starts).mean(), 0.0
    shell = distance
    while mean > before:
        shell = distance[distance < SHELL * mean]
        mean, before = shell.mean(), mean
    return shell
