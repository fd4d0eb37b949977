"""Structural descriptors of atoms, invariant under rotation, reflection and translation, for ridge regression.

They are sums over the directed pairs that an atom receives, norms of such sums, and averages of both over neighbors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.special import sph_harm_y

from tf_symgnn.data import InputError
from tf_symgnn.graph.glass_graph import GlassGraph

REACH = 10.0  # A, the cutoff of the graph that descriptors are computed on

# Radial symmetry functions (Behler and Parrinello 2007, eq. 6), from the shortest bond to the cutoff.
SHELLS = 2.0 + 0.3 * np.arange(27)  # A
SHELL_WIDTH = 0.25  # A

# Bond-orientational invariants (Steinhardt et al. 1983, eq. 1.3), in radial shells up to beyond the first coordination
# shell.
DEGREES = range(1, 9)
BOND_REACH = 5.5  # A
BOND_SHELLS = np.array([2.6, 3.2, 3.8, 4.5, 5.2])  # A
BOND_WIDTH = 0.3  # A

# Averages over neighbors (Boattini et al. 2021, eq. 5), each within three decay lengths.
DECAYS = (3.5, 5.0, 8.0)  # A


def structural_descriptors(graph: GlassGraph, species: Sequence[int]) -> np.ndarray:
    """Return descriptors f64[N, D] of atoms: their local ones, and averages of those over neighbors of each species.

    With S species an atom has L = 1 + S (27 + 8 * 5) local descriptors and 3 S averages of each: D = L (1 + 3 S).

    Args:
        graph: of the glass at a cutoff of `REACH`, without self-loops.
        species: the atomic numbers S of descriptors by species of the neighbor, ascending.

    Raises:
        InputError: the species are not ascending, or the glass holds another one.
    """
    if sorted(set(species)) != list(species) or not set(graph.atomic_numbers.tolist()) <= set(species):
        found = f"{list(species)} for a glass of {sorted(set(graph.atomic_numbers.tolist()))}"
        raise InputError(graph.name, "species", found, "ascending atomic numbers, those of the glass among them")
    kind = np.searchsorted(species, graph.atomic_numbers)
    distance = np.linalg.norm(graph.displacement.astype(np.float64), axis=1)  # [E]
    by_species = kind[graph.source, np.newaxis] == np.arange(len(species))  # [E, S]
    local = np.concatenate(
        [kind[:, np.newaxis], _radial(graph, distance, by_species), _bond_orientation(graph, distance, by_species)],
        axis=1,
    )
    averages = [_average(graph, local, distance, mask, decay) for decay in DECAYS for mask in by_species.T]
    return np.concatenate([local, *averages], axis=1)


def _radial(graph: GlassGraph, distance: np.ndarray, by_species: np.ndarray) -> np.ndarray:
    """Return G = sum_i exp(-(r_ij - mu)^2 / 2 sigma^2) over neighbors i of each species, [N, S 27]."""
    shells = _gaussians(distance, SHELLS, SHELL_WIDTH)
    return np.concatenate([_matrix(graph, mask) @ shells for mask in by_species.T], axis=1)


def _bond_orientation(graph: GlassGraph, distance: np.ndarray, by_species: np.ndarray) -> np.ndarray:
    """Return sqrt(4 pi / (2 l + 1) sum_m |q_lm|^2) with q_lm = sum_i w(r_ij) Y_lm(x_ij), [N, 8 * 5 S].

    The sum is over neighbors i of each species. It is not divided by the sum of weights, so that the invariants also
    depend on the number of neighbors.
    """
    near = distance < BOND_REACH
    receive = _matrix(graph, near)[:, near]
    x, y, z = graph.displacement[near].astype(np.float64).T
    polar, azimuth = np.arccos(np.clip(z / distance[near], -1, 1)), np.arctan2(y, x)
    weight = _gaussians(distance[near], BOND_SHELLS, BOND_WIDTH)[:, np.newaxis] * by_species[near][..., np.newaxis]
    weight = weight.reshape(len(weight), len(BOND_SHELLS) * by_species.shape[1])  # [E, 5 S]

    invariants = []
    for degree in DEGREES:
        power = np.zeros((graph.n_atoms, weight.shape[1]))
        for order in range(degree + 1):
            moment = receive @ (weight * sph_harm_y(degree, order, polar, azimuth)[:, np.newaxis])
            power += (1 if order == 0 else 2) * np.abs(moment) ** 2  # orders m and -m have the same modulus
        invariants.append(np.sqrt(4 * np.pi / (2 * degree + 1) * power))
    return np.concatenate(invariants, axis=1)


def _average(graph: GlassGraph, local: np.ndarray, distance: np.ndarray, mask: np.ndarray, decay: float) -> np.ndarray:
    """Return sum_i exp(-r_ij / L) x_i / sum_i exp(-r_ij / L) over neighbors i of a species, 0 without such neighbors.

    Args:
        graph: of the glass.
        local: descriptors x [N, L].
        distance: r f64[E] A.
        mask: bool[E], whether a pair's source is of the species.
        decay: L, A.
    """
    weight = _matrix(graph, np.exp(-distance / decay) * mask * (distance < min(REACH, 3 * decay)))
    total = weight.sum(axis=1)
    adjacency = csr_array((weight.data, graph.source, weight.indptr), shape=(graph.n_atoms, graph.n_atoms))
    return (adjacency @ local) / np.where(total > 0, total, 1)[:, np.newaxis]


def _gaussians(distance: np.ndarray, centers: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((distance[:, np.newaxis] - centers) / width) ** 2)


def _matrix(graph: GlassGraph, weight: np.ndarray) -> csr_array:
    """Return the matrix [N, E] that sums weighted values of pairs at the atoms that receive them."""
    pairs = np.arange(graph.n_pairs)
    return csr_array((weight.astype(np.float64), pairs, graph.row_splits), shape=(graph.n_atoms, graph.n_pairs))
