"""How far importances are to be trusted: what happens to a prediction when pairs are taken away or alone are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import spearmanr
from tqdm import tqdm

from tf_symgnn.explain.neighbourhoods import Neighbourhood
from tf_symgnn.explain.parts import Parts
from tf_symgnn.explain.probe import Probe, in_batches

# Of the pairs of a neighbourhood, how many are taken away or kept.
SHARES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

# How many pairs of a target are called important, about one in a hundred of those within 10 A.
IMPORTANT = 100

Importance = Sequence[np.ndarray]  # f64[P] of each target's pairs


@dataclass(frozen=True)
class Fidelity:
    """Curves over `SHARES` of one way of ranking pairs, mean over targets, in standard deviations of predictions.

    Attributes:
        removed: fidelity+: change of the prediction when the first pairs are taken away; high is good.
        kept: fidelity-: its change when they alone are kept; low is good.
    """

    removed: np.ndarray
    kept: np.ndarray


def nearest(neighbourhoods: Sequence[Neighbourhood]) -> list[np.ndarray]:
    """Importance by nearness of a pair's middle to the target."""
    return [-n.distance for n in neighbourhoods]


def at_random(neighbourhoods: Sequence[Neighbourhood], seed: int) -> list[np.ndarray]:
    """Importance drawn by the seed; a target's is the same whatever other targets there are."""
    return [np.random.default_rng([seed, n.target]).random(n.n_pairs) for n in neighbourhoods]


def top(neighbourhood: Neighbourhood, importance: np.ndarray, number: int) -> np.ndarray:
    """The most important pairs of a target, i64 of its P pairs from first to last, none of them a self-loop."""
    order = np.argsort(-np.where(neighbourhood.explained, importance, -np.inf), kind="stable")
    return order[: min(number, int(neighbourhood.explained.sum()))]


def fidelity(
    probe: Probe,
    neighbourhoods: Sequence[Neighbourhood],
    importance: Importance,
    *,
    spread: float,
    parts: Parts | None = None,
    title: str = "",
) -> Fidelity:
    """The curves (Pope et al. 2019; Yuan et al. 2022, section 6.2) of a ranking of each target's pairs.

    Pairs are taken away by weight 0. Self-loops stay, so that what remains when all is taken away is an isolated atom.

    Args:
        probe: of the model.
        neighbourhoods: of the T targets.
        importance: f64[P] of each target's pairs.
        spread: eV, the unit of a change.
        parts: keeps what is finished.
        title: of the ranking, for the progress bar.
    """
    key = (spread, [n.target for n in neighbourhoods], [x.tobytes() for x in importance])
    made = (parts or Parts()).get(
        f"fidelity {title}", key, lambda: _curves(probe, neighbourhoods, importance, spread, title)
    )
    return Fidelity(**made)


def _curves(
    probe: Probe, neighbourhoods: Sequence[Neighbourhood], importance: Importance, spread: float, title: str
) -> dict[str, np.ndarray]:
    changes: dict[str, list[np.ndarray]] = {"removed": [], "kept": []}
    batches, first = in_batches(neighbourhoods), 0
    with tqdm(total=2 * len(SHARES) * len(batches), desc=f"fidelity {title}", unit="step", mininterval=1.0) as bar:
        for batch in batches:
            whole = probe.predict(batch)
            own = importance[first : first + len(batch.neighbourhoods)]
            first += len(own)
            rank = np.concatenate([_share_before(n, x) for n, x in zip(batch.neighbourhoods, own, strict=True)])
            found: dict[str, list[np.ndarray]] = {"removed": [], "kept": []}
            for share in SHARES:
                chosen = rank < share
                for name, left in (("removed", ~chosen), ("kept", chosen)):
                    predicted = probe.predict(batch, np.where(batch.explained, left, 1.0))
                    found[name].append(np.abs(predicted - whole) / (spread if spread > 0 else 1.0))
                    bar.update()
            for name, rows in found.items():
                changes[name].append(np.stack(rows, axis=1))  # [B, S]
    return {name: np.concatenate(rows).mean(axis=0) for name, rows in changes.items()}


def _share_before(neighbourhood: Neighbourhood, importance: np.ndarray) -> np.ndarray:
    """What share [P] of a target's pairs are more important than each."""
    order = top(neighbourhood, importance, neighbourhood.n_pairs)
    before = np.ones(neighbourhood.n_pairs)
    before[order] = np.arange(len(order)) / max(len(order), 1)
    return before


def agreement(neighbourhoods: Sequence[Neighbourhood], several: Sequence[Importance]) -> dict[str, float | None]:
    """How alike importances of the same targets are, mean over targets and over each two of several.

    Returns:
        `overlap`, the share of important pairs that two have in common; `by_chance`, what two random choices would
        have; and `spearman` of all pairs, None where it is not defined.
    """
    overlap, chance, correlation = [], [], []
    for k, neighbourhood in enumerate(neighbourhoods):
        inside = neighbourhood.explained
        if not inside.any():
            continue
        for one, other in combinations([importance[k] for importance in several], 2):
            chosen, also = (top(neighbourhood, x, IMPORTANT) for x in (one, other))
            overlap.append(len(np.intersect1d(chosen, also)) / len(chosen))
            chance.append(len(chosen) / inside.sum())
            if np.ptp(one[inside]) > 0 and np.ptp(other[inside]) > 0:
                correlation.append(spearmanr(one[inside], other[inside]).statistic)
    means = {"overlap": overlap, "by_chance": chance, "spearman": correlation}
    return {name: float(np.mean(values)) if values else None for name, values in means.items()}
