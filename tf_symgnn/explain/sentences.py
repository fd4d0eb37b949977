"""The results of an explanation in sentences."""

from __future__ import annotations

from collections.abc import Iterator

# A change that is larger than another one by this factor is called larger.
CLEARLY = 1.2
MOST_ATOMS = 3  # whose largest terms have a sentence


def sentences(figures: dict) -> list[str]:
    """Return the main results of an explanation, `Explanation.figures`, as sentences."""
    return [*_predictions(figures), *_importance(figures), *_stability(figures), *_structure(figures)]


def _predictions(figures: dict) -> Iterator[str]:
    barriers = figures["barrier"]
    yield (
        f"The model {figures['model']} predicts {sum(barriers) / len(barriers):.2f} eV on average for "
        f"{_atoms(len(barriers))} of {figures['glass']}. The mean over all its atoms is {figures['mean']:.2f} eV, and "
        f"their spread (standard deviation) {figures['spread']:.2f} eV."
    )
    if terms := figures["contributions"]:
        largest = sorted(terms, key=lambda name: -abs(terms[name]))[:3]
        listed = ", ".join(f"{name} {terms[name]:+.2f} eV" for name in largest)
        of_glass = ", ".join(f"{figures['glass_contributions'][name]:+.2f} eV" for name in largest)
        yield f"These predictions are sums of {len(terms)} terms. The largest on average: {listed}."
        yield f"Their means over all atoms of the glass are {of_glass}."
        farthest = sorted(figures["largest_terms"], key=lambda of_atom: -abs(of_atom["difference"]))
        yield from map(_term, farthest[:MOST_ATOMS])
    if figures["descriptors"]:
        yield "Pair weights do not act on descriptors from the potential, so that masks and gradients leave them out."


def _term(of_atom: dict) -> str:
    """Return which term explains most of the difference of an atom from the mean, and how far its descriptor is off."""
    text = (
        f"Atom {of_atom['target']} has {of_atom['barrier']:.2f} eV, {_away(of_atom['difference'], 2, 'eV')} the mean. "
        f"Most of the difference is due to its {of_atom['term']}, {of_atom['term_difference']:+.2f} eV"
    )
    if of_atom["deviation"] is None:
        return f"{text}."
    return f"{text}. It is {_away(of_atom['deviation'], 1, 'spreads')} the mean of its species in the training glasses."


def _away(difference: float, digits: int, unit: str) -> str:
    """Return a distance and a side, as in `0.42 eV below`."""
    return f"{abs(difference):.{digits}f} {unit} {'above' if difference > 0 else 'below'}"


def _importance(figures: dict) -> Iterator[str]:
    if figures["reach"] is not None:
        yield (
            f"Pairs within {figures['reach']:g} Å of an atom determine its prediction: without all others it changes "
            f"by {figures['change_by_reach']:.1%} of the spread."
        )
    moved, tenth = figures["displacements"], figures["displacements"]["shares"].index(0.1)
    mask, nearest, random = (moved[name]["change"][tenth] for name in ("edge masks", "nearest", "random"))
    yield (
        f"One tenth of the surrounding atoms was displaced by {moved['size']:g} Å along each axis. With "
        f"the tenth that the edge masks rank highest, predictions change by {mask:.2f} spreads; with the nearest tenth "
        f"by {nearest:.2f}, with a random tenth by {random:.2f}."
    )
    yield _verdict(mask, nearest, random)


def _verdict(mask: float, nearest: float, random: float) -> str:
    """Return what the changes by displaced atoms, in spreads, mean for the masks."""
    if mask <= CLEARLY * random:
        return "So the masks find atoms that matter no more than random ones. They do not explain these predictions."
    if CLEARLY * mask < nearest:
        return "So the masks find atoms that matter, but a ranking by distance finds those that matter more."
    if mask <= CLEARLY * nearest:
        return "So the masks find atoms that matter, but a ranking by distance does as well."
    return "So the masks find atoms that matter more than the nearest ones."


def _stability(figures: dict) -> Iterator[str]:
    seeds, shuffled = figures["trust"]["other_seeds"], figures["trust"]["shuffled_weights"]
    if seeds["overlap"] is None:
        return
    yield (
        f"Masks of other seeds share {seeds['overlap']:.0%} of the important pairs, masks of a model with shuffled "
        f"weights {shuffled['overlap']:.0%}; by chance it would be {seeds['by_chance']:.0%}."
    )


def _structure(figures: dict) -> Iterator[str]:
    distances, cycles = figures["distances"], figures["cycles"]
    if distances["peaks"] and distances["peaks_of_all"]:
        own, every = (", ".join(f"{x:g}" for x in distances[name]) for name in ("peaks", "peaks_of_all"))
        yield f"Important atoms are most frequent at {own} Å from the explained one, all atoms at {every} Å."
    if cycles["important_with_such"] is not None:
        probability = "" if cycles["p_same_length"] is None else f" (p = {cycles['p_same_length']:.2g})"
        yield (
            f"An important pair is part of {_with_interval(cycles, 'important_with_such')} rings, an unimportant pair "
            f"of the same length of {_with_interval(cycles, 'random_of_same_length')}{probability}."
        )
    yield _cells(figures["surroundings"])


def _cells(surroundings: dict) -> str:
    """Return which Voronoi index differs most between atoms of high and of low barriers, beyond both intervals."""
    high, low = surroundings["high"], surroundings["low"]
    apart = {}
    for index in high["indices"]:
        (one, two), (from_one, from_two) = (
            (group["indices"][index] for group in (high, low)),
            (group["intervals"][index] for group in (high, low)),
        )
        if from_one[0] > from_two[1] or from_two[0] > from_one[1]:
            apart[index] = abs(one - two)
    if not apart:
        return "No frequent Voronoi cell distinguishes atoms of high barriers from atoms of low ones."
    index = max(sorted(apart), key=apart.get)
    return (
        f"Of the atoms with high barriers {high['indices'][index]:.0%} have the Voronoi cell {index}, of those with "
        f"low barriers {low['indices'][index]:.0%}."
    )


def _with_interval(cycles: dict, name: str) -> str:
    interval = cycles["intervals"][name]
    return f"{cycles[name]:.2f}" + ("" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})")


def _atoms(number: int) -> str:
    return "one atom" if number == 1 else f"{number} atoms"
