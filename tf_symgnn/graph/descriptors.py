"""What a glass looks like from each of its atoms: numbers that no rotation, reflection or translation changes.

They are of the directed pairs that an atom receives: sums over them, lengths of such sums, and averages of both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.special import sph_harm_y

from tf_symgnn.graph.glass_graph import GlassGraph

REACH = 10.0  # A, the cutoff of the graph that descriptors are computed from

# Radial symmetry functions (Behler and Parrinello 2007, eq. 6): shells from the shortest bond to the reach.
SHELLS = 2.0 + 0.3 * np.arange(27)  # A
SHELL_WIDTH = 0.25  # A

# Bond-orientational invariants (Steinhardt et al. 1983, eq. 1.3), in shells over the first coordination shell.
DEGREES = range(1, 9)
BOND_REACH = 5.5  # A
BOND_SHELLS = np.array([2.6, 3.2, 3.8, 4.5, 5.2])  # A
BOND_WIDTH = 0.3  # A

# Averages over the neighbourhood (Boattini et al. 2021, eq. 5), each within three decay lengths.
DECAYS = (3.5, 5.0, 8.0)  # A


def structural_descriptors(graph: GlassGraph, species: Sequence[int]) -> np.ndarray:
    """Descriptors f64[N, D] of each atom: its own, and their averages over its neighbours of each species.

    Of S species each atom has 1 + S (27 + 8 * 5) own descriptors, and 3 S averages of each.

    Args:
        graph: of the glass at a cutoff of `REACH`, without self-loops.
        species: atomic numbers, ascending, as descriptors by species of the neighbour stand.
    """
    kind = np.searchsorted(species, graph.atomic_numbers)
    distance = np.linalg.norm(graph.displacement.astype(np.float64), axis=1)  # [E]
    by_species = kind[graph.source, np.newaxis] == np.arange(len(species))  # [E, S]
    own = np.concatenate(
        [kind[:, np.newaxis], _radial(graph, distance, by_species), _bond_orientation(graph, distance, by_species)],
        axis=1,
    )
    averages = [_average(graph, own, distance, of, decay) for decay in DECAYS for of in by_species.T]
    return np.concatenate([own, *averages], axis=1)


def _radial(graph: GlassGraph, distance: np.ndarray, by_species: np.ndarray) -> np.ndarray:
    """G = sum_i exp(-(r_ij - mu)^2 / 2 sigma^2) over neighbours i of a species, [N, S 27]."""
    shells = _gaussians(distance, SHELLS, SHELL_WIDTH)
    return np.concatenate([_matrix(graph, of) @ shells for of in by_species.T], axis=1)


def _bond_orientation(graph: GlassGraph, distance: np.ndarray, by_species: np.ndarray) -> np.ndarray:
    """sqrt(4 pi / (2 l + 1) sum_m |q_lm|^2) with q_lm = sum_i w(r_ij) Y_lm(x_ij) over neighbours of a species.

    The sums are not divided by the sum of weights, so that how many neighbours there are counts too; [N, 8 * 5 S].
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


def _average(graph: GlassGraph, own: np.ndarray, distance: np.ndarray, of: np.ndarray, decay: float) -> np.ndarray:
    """sum_i exp(-r_ij / L) x_i / sum_i exp(-r_ij / L) over neighbours i of a species; zero where there is none."""
    share = _matrix(graph, np.exp(-distance / decay) * of * (distance < min(REACH, 3 * decay)))
    total = share.sum(axis=1)
    sent = csr_array((share.data, graph.source, share.indptr), shape=(graph.n_atoms, graph.n_atoms))
    return (sent @ own) / np.where(total > 0, total, 1)[:, np.newaxis]


def _gaussians(distance: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((distance[:, np.newaxis] - centres) / width) ** 2)


def _matrix(graph: GlassGraph, weight: np.ndarray) -> csr_array:
    """The matrix [N, E] that sums weighted values of pairs at the atoms that receive them."""
    pairs = np.arange(graph.n_edges)
    return csr_array((weight.astype(np.float64), pairs, graph.row_splits), shape=(graph.n_atoms, graph.n_edges))
