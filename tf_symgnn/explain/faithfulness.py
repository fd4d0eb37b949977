"""Faithfulness of importances: changes of a prediction when pairs are removed, or when all others are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import spearmanr

from tf_symgnn.explain.neighborhoods import Neighborhood
from tf_symgnn.explain.probe import Probe, in_batches
from tf_symgnn.explain.result_cache import ResultCache
from tf_symgnn.progress import progress_bar

# Fractions of the pairs of a neighborhood that are removed or kept.
FRACTIONS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

# Number of pairs of a center that are called important, about one percent of those within 10 A.
IMPORTANT = 100

Importance = Sequence[np.ndarray]  # f64[P] for the pairs of each center


@dataclass(frozen=True)
class Fidelity:
    """Curves over `FRACTIONS` for a ranking of pairs: means over centers, in standard deviations of predictions.

    Attributes:
        removed: fidelity+, the change of the prediction when the first pairs are removed; high is good.
        kept: fidelity-, the change of the prediction when only the first pairs are kept; low is good.
    """

    removed: np.ndarray
    kept: np.ndarray


def nearness_ranking(neighborhoods: Sequence[Neighborhood]) -> list[np.ndarray]:
    """Return an importance that decreases with the distance of a pair's midpoint from the center."""
    return [-n.distance for n in neighborhoods]


def random_ranking(neighborhoods: Sequence[Neighborhood], seed: int) -> list[np.ndarray]:
    """Return a random importance, which depends on the seed and on the center but not on other centers."""
    return [np.random.default_rng([seed, n.center]).random(n.n_pairs) for n in neighborhoods]


def most_important(neighborhood: Neighborhood, importance: np.ndarray, number: int) -> np.ndarray:
    """Return the indices i64 of the most important of the P pairs, in descending order and without self-loops."""
    order = np.argsort(-np.where(neighborhood.explained, importance, -np.inf), kind="stable")
    return order[: min(number, int(neighborhood.explained.sum()))]


def fidelity(
    probe: Probe,
    neighborhoods: Sequence[Neighborhood],
    importance: Importance,
    *,
    spread: float,
    cache: ResultCache | None = None,
    title: str = "",
) -> Fidelity:
    """Return the fidelity curves (Pope et al. 2019; Yuan et al. 2022, section 6.2) of a ranking of pairs.

    A removed pair has weight 0. Self-loops are never removed, so that an isolated atom remains without all pairs.

    Args:
        probe: the model.
        neighborhoods: those of the T centers.
        importance: f64[P] for the pairs of each center.
        spread: unit of the changes, eV.
        cache: stores finished curves.
        title: name of the ranking, for the progress bar and the cache.
    """
    key = (spread, [n.center for n in neighborhoods], [x.tobytes() for x in importance])
    curves = (cache or ResultCache()).get(
        f"fidelity {title}", key, lambda: _curves(probe, neighborhoods, importance, spread, title)
    )
    return Fidelity(removed=curves["removed"], kept=curves["kept"])


def _curves(
    probe: Probe, neighborhoods: Sequence[Neighborhood], importance: Importance, spread: float, title: str
) -> dict[str, np.ndarray]:
    changes: dict[str, list[np.ndarray]] = {"removed": [], "kept": []}
    batches, first = in_batches(neighborhoods), 0
    with progress_bar(total=2 * len(FRACTIONS) * len(batches), title=f"fidelity {title}", unit="step") as bar:
        for batch in batches:
            whole = probe.predict(batch)
            part = importance[first : first + len(batch.neighborhoods)]
            first += len(part)
            rank = np.concatenate([_fraction_before(n, x) for n, x in zip(batch.neighborhoods, part, strict=True)])
            of_batch: dict[str, list[np.ndarray]] = {"removed": [], "kept": []}
            for fraction in FRACTIONS:
                selected = rank < fraction
                for name, remaining in (("removed", ~selected), ("kept", selected)):
                    predicted = probe.predict(batch, np.where(batch.explained, remaining, 1.0))
                    of_batch[name].append(np.abs(predicted - whole) / (spread if spread > 0 else 1.0))
                    bar.update()
            for name, rows in of_batch.items():
                changes[name].append(np.stack(rows, axis=1))  # [B, S]
    return {name: np.concatenate(rows).mean(axis=0) for name, rows in changes.items()}


def _fraction_before(neighborhood: Neighborhood, importance: np.ndarray) -> np.ndarray:
    """Return for each pair the fraction of pairs that are more important, f64[P]."""
    order = most_important(neighborhood, importance, neighborhood.n_pairs)
    before = np.ones(neighborhood.n_pairs)
    before[order] = np.arange(len(order)) / max(len(order), 1)
    return before


def agreement(neighborhoods: Sequence[Neighborhood], several: Sequence[Importance]) -> dict[str, float | None]:
    """Compare several importances of the same centers, two at a time.

    Args:
        neighborhoods: those of the centers.
        several: importances to compare.

    Returns:
        Means over centers and over pairs of importances; None where undefined. `overlap` is the fraction of important
        pairs that are in both, `by_chance` the same for random choices, `spearman` the rank correlation of all pairs.
    """
    overlap, chance, correlation = [], [], []
    for k, neighborhood in enumerate(neighborhoods):
        inside = neighborhood.explained
        if not inside.any():
            continue
        for one, other in combinations([importance[k] for importance in several], 2):
            of_one, of_other = (most_important(neighborhood, x, IMPORTANT) for x in (one, other))
            overlap.append(len(np.intersect1d(of_one, of_other)) / len(of_one))
            chance.append(len(of_one) / inside.sum())
            if np.ptp(one[inside]) > 0 and np.ptp(other[inside]) > 0:
                correlation.append(spearmanr(one[inside], other[inside]).statistic)
    means = {"overlap": overlap, "by_chance": chance, "spearman": correlation}
    return {name: float(np.mean(values)) if values else None for name, values in means.items()}
