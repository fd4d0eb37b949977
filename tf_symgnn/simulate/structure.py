"""Statistics of glasses and their barriers: pair distances, species, correlation in space."""

from __future__ import annotations

import numpy as np

from tf_symgnn.data import Glass
from tf_symgnn.graph import build_graph

FARTHEST = 10.0  # A, of pair distances
SHELL = 0.1  # A, of the radial distribution
BAND = 1.0  # A, of the correlation


def radial_distribution(glass: Glass) -> tuple[np.ndarray, np.ndarray]:
    """Return distances f64[B], A, and the radial distribution function g(r) f64[B] of all pairs."""
    edges = np.arange(0.0, FARTHEST + SHELL / 2, SHELL)
    counts, _ = np.histogram(_pairs(glass)[2], edges)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    return (edges[1:] + edges[:-1]) / 2, counts / (shells * glass.n_atoms**2 / glass.volume)


def barrier_correlation(glass: Glass) -> tuple[np.ndarray, np.ndarray]:
    """Return distances f64[B], A, and the correlation f64[B] of the barriers of atoms at that distance.

    The correlation is 0 where there are no pairs, and for constant barriers.
    """
    source, target, distance = _pairs(glass)
    edges = np.arange(2.0, FARTHEST + BAND / 2, BAND)
    deviation = glass.barrier - glass.barrier.mean()
    varied = np.ptp(glass.barrier) > 0
    products = deviation[source] * deviation[target] / deviation.var() if varied else np.zeros(len(source))
    counts, _ = np.histogram(distance, edges)
    totals, _ = np.histogram(distance, edges, weights=products)
    return (edges[1:] + edges[:-1]) / 2, totals / np.maximum(counts, 1)


def barriers_by_species(glasses: list[Glass]) -> dict[str, dict[str, float]]:
    """Return number of atoms, mean and standard deviation of barriers, eV, of each species over all glasses."""
    species = np.concatenate([glass.species for glass in glasses])
    barriers = np.concatenate([glass.barrier for glass in glasses])
    return {
        str(symbol): {
            "atoms": int((species == symbol).sum()),
            "mean": float(barriers[species == symbol].mean()),
            "std": float(barriers[species == symbol].std()),
        }
        for symbol in np.unique(species)
    }


def correlation_by_species(glasses: list[Glass], values: list[np.ndarray]) -> dict[str, float | None]:
    """Return the Pearson correlation of barriers with per-atom values f64[N], for each species over all glasses.

    None where it is undefined, as for one atom.
    """
    species = np.concatenate([glass.species for glass in glasses])
    barriers, others = np.concatenate([glass.barrier for glass in glasses]), np.concatenate(values)
    correlation = {}
    for symbol in np.unique(species):
        ours, theirs = barriers[species == symbol], others[species == symbol]
        defined = np.ptp(ours) > 0 and np.ptp(theirs) > 0
        correlation[str(symbol)] = float(np.corrcoef(ours, theirs)[0, 1]) if defined else None
    return correlation


def _pairs(glass: Glass) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two atoms of each directed pair, i32[E] each, and their distance f32[E], A."""
    graph = build_graph(glass, cutoff=FARTHEST, self_loops=False)
    return graph.source, graph.target, np.linalg.norm(graph.displacement, axis=1)
