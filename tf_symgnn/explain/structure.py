"""What important structure looks like: how far, of which species, on how many rings, and in what surroundings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from ase.data import chemical_symbols
from scipy.signal import find_peaks
from scipy.stats import permutation_test

from tf_symgnn.explain.cycles import Cycles, pair_keys
from tf_symgnn.explain.faithfulness import at_random, top
from tf_symgnn.explain.neighbourhoods import Neighbourhood
from tf_symgnn.explain.voronoi import as_text
from tf_symgnn.graph import GlassGraph

BIN = 0.2  # A, of distances
EXTREME = 0.1  # share of a glass's atoms that are called high, and that are called low
SHOWN = 8  # Voronoi indices
ALIKE = 0.1  # A, by which lengths of pairs differ that are told to be the same

Chosen = Sequence[np.ndarray]  # i64, pairs of each target


def end_distances(neighbourhoods: Sequence[Neighbourhood], chosen: Chosen) -> tuple[np.ndarray, np.ndarray]:
    """Distances f64 A from targets of the atoms that chosen pairs join, each atom of a target once, and their species.

    The target itself is left out.
    """
    distances, numbers = [np.zeros(0)], [np.zeros(0, np.int32)]
    for neighbourhood, pairs in zip(neighbourhoods, chosen, strict=True):
        graph, (receiver, sender) = neighbourhood.graph, neighbourhood.ends
        place = np.concatenate([receiver[pairs], sender[pairs]])
        atom = np.concatenate([graph.target[pairs], graph.source[pairs]])
        # Images of one atom are told apart by how many cell vectors they are from its nearest one.
        shift = np.round((place - neighbourhood.place[atom]) @ np.linalg.inv(graph.cell.astype(np.float64)))
        _, first = np.unique(np.column_stack([atom, shift]), axis=0, return_index=True)
        distance, number = np.linalg.norm(place[first], axis=1), graph.atomic_numbers[atom[first]]
        away = distance > 1e-3
        distances.append(distance[away])
        numbers.append(number[away])
    return np.concatenate(distances), np.concatenate(numbers)


def distance_figures(
    neighbourhoods: Sequence[Neighbourhood], chosen: Chosen, farthest: float
) -> dict[str, list[float] | dict]:
    """Histograms of important atoms' distances and of all atoms' of the same neighbourhoods, peaks, and species.

    Args:
        neighbourhoods: of the targets.
        chosen: the important pairs of each.
        farthest: A, up to which distances are counted; the pairs of a neighbourhood are complete so far.

    Returns:
        `distance` A, the bins' middles; `important` and `all`, atoms a target and bin; `peaks` A, of important atoms
        an angstrom of distance and `peaks_of_all` likewise; `species`, share of each among both.
    """
    everything = [np.flatnonzero(n.explained) for n in neighbourhoods]
    edges = np.arange(0.0, farthest + BIN, BIN)
    counts, species = {}, {}
    for name, pairs in (("important", chosen), ("all", everything)):
        distance, number = end_distances(neighbourhoods, pairs)
        near = distance <= farthest
        counts[name] = np.histogram(distance[near], edges)[0] / max(len(neighbourhoods), 1)
        species[name] = {
            chemical_symbols[z]: float((number[near] == z).mean()) for z in np.unique(number[near]).tolist()
        }
    middles = (edges[1:] + edges[:-1]) / 2
    return {
        "distance": middles.tolist(),
        **{name: values.tolist() for name, values in counts.items()},
        "peaks": _peaks(middles, counts["important"]),
        "peaks_of_all": _peaks(middles, counts["all"]),
        "species": species,
    }


def _peaks(middles: np.ndarray, counts: np.ndarray) -> list[float]:
    """Where a histogram, smoothed over three bins, stands a twentieth of its height above what lies around."""
    smooth = np.convolve(np.pad(counts, 1), [0.25, 0.5, 0.25], mode="valid")
    found, _ = find_peaks(smooth, prominence=max(0.05 * smooth.max(initial=0.0), 1e-12))
    return [round(float(x), 2) for x in middles[found]]


def cycle_figures(
    graph: GlassGraph, neighbourhoods: Sequence[Neighbourhood], chosen: Chosen, cycles: Cycles, seed: int
) -> dict[str, float | int | None]:
    """On how many cycles important pairs lie, against random ones and others of the same lengths.

    Returns:
        Means over targets: `important`, `random`; `random_of_same_length`, of unimportant pairs as long to 0.1 A, and
        `important_with_such`, of the important ones that there are such for; `p_random` and `p_same_length`, one-sided
        probabilities by permutation of important and random within targets; `cycles`, how many the glass has.
    """
    through = cycles.through()
    draws = at_random(neighbourhoods, seed)
    means: dict[str, list[float]] = defaultdict(list)
    for neighbourhood, pairs, draw in zip(neighbourhoods, chosen, draws, strict=True):
        if not len(pairs):
            continue
        keys = pair_keys(graph, neighbourhood.pairs)
        count = np.array([through[key] for key in keys], float)
        means["important"].append(count[pairs].mean())
        means["random"].append(count[top(neighbourhood, draw, len(pairs))].mean())
        important = {keys[pair] for pair in pairs}
        others = neighbourhood.explained & np.array([key not in important for key in keys])
        matched, drawn = _of_same_length(neighbourhood, others, pairs, draw)
        if len(matched):
            means["important_with_such"].append(count[matched].mean())
            means["random_of_same_length"].append(count[drawn].mean())
    names = ("important", "random", "random_of_same_length", "important_with_such")
    figures: dict = {name: float(np.mean(means[name])) if means[name] else None for name in names}
    figures["p_random"] = _significance(means["important"], means["random"], seed)
    figures["p_same_length"] = _significance(means["important_with_such"], means["random_of_same_length"], seed)
    return figures | {"cycles": len(cycles.birth)}


def _of_same_length(
    neighbourhood: Neighbourhood, others: np.ndarray, pairs: np.ndarray, draw: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of some pairs that have others bool[P] as long to 0.1 A, and for each of them one of these, drawn."""
    length = np.linalg.norm(neighbourhood.graph.displacement, axis=1)
    order = np.flatnonzero(others)[np.argsort(length[others], kind="stable")]
    first, end = (np.searchsorted(length[order], length[pairs] + side * ALIKE) for side in (-1, 1))
    matched = end > first
    place = first + ((end - first) * draw[pairs]).astype(int)
    return pairs[matched], order[place[matched]]


def _significance(one: list[float], other: list[float], seed: int) -> float | None:
    if len(one) < 2:
        return None
    found = permutation_test(
        (one, other),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        permutation_type="samples",
        alternative="greater",
        n_resamples=9999,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def surroundings_figures(graph: GlassGraph, barrier: np.ndarray, indices: np.ndarray) -> dict[str, dict]:
    """Voronoi indices and coordination of the atoms with the highest and the lowest barriers, and of all.

    Args:
        graph: of the glass.
        barrier: f64[N] eV.
        indices: i64[N, 4] of `voronoi_indices`.

    Returns:
        For `high`, `low` and `all`: `atoms`, their number; `species`, shares; `coordination`, mean number of faces
        with three to six edges, None where all cells are open; `indices`, the commonest and their shares.
    """
    number = max(1, round(EXTREME * len(barrier)))
    order = np.argsort(barrier, kind="stable")
    figures = {}
    for name, atoms in (("high", order[-number:]), ("low", order[:number]), ("all", order)):
        closed = indices[atoms][indices[atoms, 0] >= 0]
        counted = Counter(as_text(index) for index in indices[atoms])
        symbols = Counter(chemical_symbols[z] for z in graph.atomic_numbers[atoms].tolist())
        figures[name] = {
            "atoms": len(atoms),
            "species": {symbol: n / len(atoms) for symbol, n in sorted(symbols.items())},
            "coordination": float(closed.sum(axis=1).mean()) if len(closed) else None,
            "indices": {index: n / len(atoms) for index, n in counted.most_common(SHOWN)},
        }
    return figures
