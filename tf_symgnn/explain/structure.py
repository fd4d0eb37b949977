"""Statistics of important pairs: distances, species and rings, and the Voronoi cells of extreme barriers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols
from scipy.signal import find_peaks
from scipy.stats import binomtest, bootstrap, permutation_test

from tf_symgnn.explain.cycles import Cycles, pair_keys
from tf_symgnn.explain.faithfulness import most_important, random_ranking
from tf_symgnn.explain.neighborhoods import Neighborhood
from tf_symgnn.explain.voronoi import as_text
from tf_symgnn.graph import GlassGraph

BIN = 0.2  # A, width of distance bins
EXTREME = 0.1  # fraction of atoms whose barriers are called high, and whose barriers are called low
N_INDICES = 8  # number of Voronoi indices that are listed
CONFIDENCE = 0.95  # of intervals
LENGTH_TOLERANCE = 0.1  # A, up to which two pairs have the same length

PairSelection = Sequence[np.ndarray]  # i64, selected pairs of each center


def end_distances(neighborhoods: Sequence[Neighborhood], selection: PairSelection) -> tuple[np.ndarray, np.ndarray]:
    """Return distances f64, A, of the atoms at the ends of selected pairs from the center, and their atomic numbers.

    Each image of an atom is included once per center; the center itself is not included.
    """
    distances, numbers = [np.zeros(0)], [np.zeros(0, np.int32)]
    for neighborhood, pairs in zip(neighborhoods, selection, strict=True):
        graph, (receiver, sender) = neighborhood.graph, neighborhood.ends
        vectors = np.concatenate([receiver[pairs], sender[pairs]])
        atom = np.concatenate([graph.target[pairs], graph.source[pairs]])
        # The shift from the nearest image, in cell vectors, identifies an image of an atom.
        shift = np.round(
            (vectors - neighborhood.relative_positions[atom]) @ np.linalg.inv(graph.cell.astype(np.float64))
        )
        _, first = np.unique(np.column_stack([atom, shift]), axis=0, return_index=True)
        distance, number = np.linalg.norm(vectors[first], axis=1), graph.atomic_numbers[atom[first]]
        away = distance > 1e-3
        distances.append(distance[away])
        numbers.append(number[away])
    return np.concatenate(distances), np.concatenate(numbers)


def distance_statistics(
    neighborhoods: Sequence[Neighborhood], selection: PairSelection, farthest: float
) -> dict[str, list[float] | dict]:
    """Return histograms of the distances of important atoms and of all atoms, with their peaks and species.

    Args:
        neighborhoods: those of the centers.
        selection: important pairs of each center.
        farthest: end of the histograms, A; neighborhoods must contain all pairs up to it.

    Returns:
        `distance`, midpoints of the bins, A; `important` and `all`, atoms per center and bin; `peaks` and
        `peaks_of_all`, positions of peaks, A; `species`, the fraction of each species in both histograms.
    """
    all_pairs = [np.flatnonzero(n.explained) for n in neighborhoods]
    edges = np.arange(0.0, farthest + BIN, BIN)
    counts, species = {}, {}
    for name, pairs in (("important", selection), ("all", all_pairs)):
        distance, number = end_distances(neighborhoods, pairs)
        near = distance <= farthest
        counts[name] = np.histogram(distance[near], edges)[0] / max(len(neighborhoods), 1)
        species[name] = {
            chemical_symbols[z]: float((number[near] == z).mean()) for z in np.unique(number[near]).tolist()
        }
    midpoints = (edges[1:] + edges[:-1]) / 2
    return {
        "distance": midpoints.tolist(),
        **{name: values.tolist() for name, values in counts.items()},
        "peaks": _peaks(midpoints, counts["important"]),
        "peaks_of_all": _peaks(midpoints, counts["all"]),
        "species": species,
    }


def _peaks(midpoints: np.ndarray, counts: np.ndarray) -> list[float]:
    """Return the peaks of a histogram, smoothed over three bins, with a prominence of 5% of its maximum."""
    smooth = np.convolve(np.pad(counts, 1), [0.25, 0.5, 0.25], mode="valid")
    peaks, _ = find_peaks(smooth, prominence=max(0.05 * smooth.max(initial=0.0), 1e-12))
    return [round(float(x), 2) for x in midpoints[peaks]]


def cycle_statistics(
    graph: GlassGraph, neighborhoods: Sequence[Neighborhood], selection: PairSelection, cycles: Cycles, seed: int
) -> dict[str, float | int | None]:
    """Return the number of cycles through important pairs, random pairs, and unimportant pairs of the same length.

    Args:
        graph: graph of the glass.
        neighborhoods: those of the centers.
        selection: important pairs of each center.
        cycles: cycles of the glass.
        seed: seed of random pairs and permutations.

    Returns:
        Means over centers: `important`; `random`; `random_of_same_length`, for unimportant pairs of the same length to
        0.1 A; `important_with_such`, for the important pairs with such a partner. `p_random` and `p_same_length` are
        one-sided probabilities from permutations of important and random pairs within centers. `intervals` has the 95%
        confidence intervals of the means, from bootstrap over centers, None for fewer than two. `cycles` is the number
        of cycles of the glass.
    """
    through = cycles.through()
    draws = random_ranking(neighborhoods, seed)
    means: dict[str, list[float]] = defaultdict(list)
    for neighborhood, pairs, draw in zip(neighborhoods, selection, draws, strict=True):
        if not len(pairs):
            continue
        keys = pair_keys(graph, neighborhood.pairs)
        n_cycles = np.array([through[key] for key in keys], float)
        means["important"].append(n_cycles[pairs].mean())
        means["random"].append(n_cycles[most_important(neighborhood, draw, len(pairs))].mean())
        important = {keys[pair] for pair in pairs}
        others = neighborhood.explained & np.array([key not in important for key in keys])
        matched, drawn = _of_same_length(neighborhood, others, pairs, draw)
        if len(matched):
            means["important_with_such"].append(n_cycles[matched].mean())
            means["random_of_same_length"].append(n_cycles[drawn].mean())
    names = ("important", "random", "random_of_same_length", "important_with_such")
    statistics: dict = {name: float(np.mean(means[name])) if means[name] else None for name in names}
    statistics["p_random"] = _significance(means["important"], means["random"], seed)
    statistics["p_same_length"] = _significance(means["important_with_such"], means["random_of_same_length"], seed)
    intervals = {name: _interval_of_mean(means[name], seed) for name in names}
    return statistics | {"intervals": intervals, "cycles": len(cycles.birth)}


def _interval_of_mean(values: list[float], seed: int) -> list[float] | None:
    if len(values) < 2:
        return None
    if np.ptp(values) == 0:  # of equal values, bootstrap has no interval
        return [values[0], values[0]]
    rng = np.random.default_rng(seed)
    return [float(x) for x in bootstrap((values,), np.mean, confidence_level=CONFIDENCE, rng=rng).confidence_interval]


def _of_same_length(
    neighborhood: Neighborhood, others: np.ndarray, pairs: np.ndarray, draw: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs that have partners of the same length, and one random partner of each.

    Args:
        neighborhood: the neighborhood.
        others: bool[P], possible partners.
        pairs: i64, the pairs.
        draw: f64[P], random numbers from 0 to 1.
    """
    length = np.linalg.norm(neighborhood.graph.displacement, axis=1)
    order = np.flatnonzero(others)[np.argsort(length[others], kind="stable")]
    first, end = (np.searchsorted(length[order], length[pairs] + side * LENGTH_TOLERANCE) for side in (-1, 1))
    matched = end > first
    drawn = first + ((end - first) * draw[pairs]).astype(int)
    return pairs[matched], order[drawn[matched]]


def _significance(one: list[float], other: list[float], seed: int) -> float | None:
    if len(one) < 2:
        return None
    test = permutation_test(
        (one, other),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        permutation_type="samples",
        alternative="greater",
        n_resamples=9999,
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)


def environment_statistics(graph: GlassGraph, barrier: np.ndarray, indices: np.ndarray) -> dict[str, dict]:
    """Return Voronoi statistics of the atoms with the highest barriers, with the lowest barriers, and of all.

    Args:
        graph: graph of the glass.
        barrier: barriers f64[N], eV.
        indices: i64[N, 4] from `voronoi_indices`.

    Returns:
        For `high`, `low` and `all`: `atoms`, the number of atoms; `species`, fractions; `coordination`, the mean number
        of faces with three to six edges, None if all cells are open; `indices`, those that are most frequent in any of
        the three groups, and their fractions, in descending order;
        `intervals`, the 95% confidence intervals of these fractions (Wilson 1927).
    """
    number = max(1, round(EXTREME * len(barrier)))
    order = np.argsort(barrier, kind="stable")
    statistics, groups = {}, {"high": order[-number:], "low": order[:number], "all": order}
    counts = {name: Counter(as_text(index) for index in indices[atoms]) for name, atoms in groups.items()}
    listed = sorted({index for counted in counts.values() for index, _ in counted.most_common(N_INDICES)})
    for name, atoms in groups.items():
        closed = indices[atoms][indices[atoms, 0] >= 0]
        counted = {index: counts[name][index] for index in sorted(listed, key=lambda index: -counts[name][index])}
        symbols = Counter(chemical_symbols[z] for z in graph.atomic_numbers[atoms].tolist())
        statistics[name] = {
            "atoms": len(atoms),
            "species": {symbol: n / len(atoms) for symbol, n in sorted(symbols.items())},
            "coordination": float(closed.sum(axis=1).mean()) if len(closed) else None,
            "indices": {index: n / len(atoms) for index, n in counted.items()},
            "intervals": {index: _interval_of_share(n, len(atoms)) for index, n in counted.items()},
        }
    return statistics


def _interval_of_share(number: int, total: int) -> list[float]:
    return [float(x) for x in binomtest(number, total).proportion_ci(CONFIDENCE, method="wilson")]
