"""Faithfulness near the data: changes of a prediction when the most important atoms are displaced a little.

Removed pairs leave an atom unlike any in a glass, and change its prediction whichever pairs they are. With displaced
atoms a glass is still near the training data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tf_symgnn.explain.faithfulness import Importance
from tf_symgnn.explain.neighborhoods import Neighborhood
from tf_symgnn.explain.probe import Probe, in_batches
from tf_symgnn.explain.result_cache import ResultCache
from tf_symgnn.progress import progress_bar

# A, standard deviation along each axis. A glass whose atoms are all displaced so has an extrapolation of about 1, at
# which `predict` starts to warn; of twice the size it has 8 (benchmarks/RESULTS.md, "Extrapolation"). Heat makes larger
# displacements, which neighbors share.
SIZE = 0.05
# Fractions of the atoms of a neighborhood, without its center, that are displaced.
ATOM_FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
DRAWS = 3  # of displacements


@dataclass(frozen=True)
class Displacements:
    """Changes of predictions when the first atoms of a ranking are displaced, over `ATOM_FRACTIONS`.

    Attributes:
        change: root mean square over centers and draws, in standard deviations of predictions; high is good.
    """

    change: np.ndarray

    @property
    def mean(self) -> float:
        """Return the mean over all fractions but the last, at which rankings are the same."""
        return float(self.change[:-1].mean())


def atom_importance(neighborhood: Neighborhood, importance: np.ndarray) -> np.ndarray:
    """Return the importance f64[M] of atoms, the sum over the pairs that they send or receive; -inf for the center.

    Args:
        neighborhood: of the center.
        importance: f64[P], of the pairs, 0 or positive.
    """
    total = np.zeros(neighborhood.graph.n_atoms)
    for ends in (neighborhood.graph.source, neighborhood.graph.target):
        np.add.at(total, ends, np.where(neighborhood.explained, importance, 0.0))
    return _without_center(neighborhood, total)


def nearest_atoms(neighborhoods: Sequence[Neighborhood]) -> list[np.ndarray]:
    """Return an importance of atoms that decreases with their distance from the center; -inf for the center."""
    return [_without_center(n, -np.linalg.norm(n.relative_positions, axis=1)) for n in neighborhoods]


def random_atoms(neighborhoods: Sequence[Neighborhood], seed: int) -> list[np.ndarray]:
    """Return a random importance of atoms, which depends on the seed and on the center; -inf for the center."""
    return [_without_center(n, np.random.default_rng([seed, n.center]).random(n.graph.n_atoms)) for n in neighborhoods]


def _without_center(neighborhood: Neighborhood, importance: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(importance)) == neighborhood.center_index, -np.inf, importance)


def displacement_changes(
    probe: Probe,
    neighborhoods: Sequence[Neighborhood],
    importance: Importance,
    *,
    spread: float,
    seed: int,
    cache: ResultCache | None = None,
    title: str = "",
) -> Displacements:
    """Return how much predictions change when the most important atoms are displaced at random.

    Which pairs are neighbors does not change. All rankings have the same displacements, so that they can be compared.

    Args:
        probe: the model.
        neighborhoods: those of the T centers.
        importance: f64[M] of the atoms of each neighborhood, -inf for its center.
        spread: unit of the changes, eV.
        seed: of the displacements.
        cache: stores finished curves.
        title: name of the ranking, for the progress bar and the cache.
    """
    key = (spread, seed, [n.center for n in neighborhoods], [x.tobytes() for x in importance])
    results = (cache or ResultCache()).get(
        f"displacements {title}",
        key,
        lambda: {"change": _changes(probe, neighborhoods, importance, spread, seed, title)},
    )
    return Displacements(results["change"])


def _changes(
    probe: Probe, neighborhoods: Sequence[Neighborhood], importance: Importance, spread: float, seed: int, title: str
) -> np.ndarray:
    squares, batches, first = [], in_batches(neighborhoods), 0
    with progress_bar(
        total=DRAWS * len(ATOM_FRACTIONS) * len(batches), title=f"displacements {title}", unit="step"
    ) as bar:
        for batch in batches:
            whole = probe.predict(batch)
            part = importance[first : first + len(batch.neighborhoods)]
            first += len(part)
            rank = np.concatenate([_fraction_before(values) for values in part])
            for draw in range(DRAWS):
                shift = np.concatenate([_shift(n, seed, draw) for n in batch.neighborhoods])
                for fraction in ATOM_FRACTIONS:
                    moved = np.where(rank[:, np.newaxis] < fraction, shift, 0.0)
                    squares.append(np.square(probe.predict(batch, shift=moved) - whole))
                    bar.update()
    # By batch, draw, fraction: lists of centers.
    by_fraction = [np.concatenate(squares[k :: len(ATOM_FRACTIONS)]) for k in range(len(ATOM_FRACTIONS))]
    return np.sqrt([values.mean() for values in by_fraction]) / (spread if spread > 0 else 1.0)


def _fraction_before(importance: np.ndarray) -> np.ndarray:
    """Return for each atom the fraction of atoms that are more important, f64[M]; 1 for the center."""
    movable = np.isfinite(importance)
    before = np.ones(len(importance))
    order = np.argsort(-importance[movable], kind="stable")
    before[np.flatnonzero(movable)[order]] = np.arange(len(order)) / max(len(order), 1)
    return before


def _shift(neighborhood: Neighborhood, seed: int, draw: int) -> np.ndarray:
    """Return displacements f64[M, 3] A of the atoms, which depend on the seed, the draw and the center only."""
    rng = np.random.default_rng([seed, draw, neighborhood.center])
    return rng.normal(0.0, SIZE, (neighborhood.graph.n_atoms, 3))
