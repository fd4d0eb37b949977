"""Explain the predictions of some atoms of a glass: run all methods and compute all statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np

from tf_symgnn.explain.attention import attention_rollout
from tf_symgnn.explain.cycles import Cycles, shortest_cycles
from tf_symgnn.explain.displacements import (
    ATOM_FRACTIONS,
    SIZE,
    Displacements,
    atom_importance,
    displacement_changes,
    nearest_atoms,
    random_atoms,
)
from tf_symgnn.explain.faithfulness import (
    FRACTIONS,
    IMPORTANT,
    Fidelity,
    Importance,
    agreement,
    fidelity,
    most_important,
    nearness_ranking,
    random_ranking,
)
from tf_symgnn.explain.gradients import integrated_gradients
from tf_symgnn.explain.masks import Masks, MaskSettings, edge_masks
from tf_symgnn.explain.neighborhoods import Neighborhood, cut_all
from tf_symgnn.explain.probe import Probe, choose_reach
from tf_symgnn.explain.result_cache import ResultCache
from tf_symgnn.explain.sentences import sentences
from tf_symgnn.explain.structure import cycle_statistics, distance_statistics, environment_statistics
from tf_symgnn.explain.terms import Terms
from tf_symgnn.explain.voronoi import voronoi_indices
from tf_symgnn.graph import GlassGraph
from tf_symgnn.inference import CompiledModel
from tf_symgnn.models.base import BarrierModel

MASK, GRADIENTS, ATTENTION, NEAREST, RANDOM = "edge masks", "integrated gradients", "attention", "nearest", "random"

N_CHECKED = 5  # centers whose masks are learned again to measure how well they agree
N_SEEDS = 3
MAX_DISTANCE = 10.0  # A, of the histograms of distances from centers


@dataclass(frozen=True)
class Explanation:
    """An explanation of the predictions of T center atoms.

    Attributes:
        graph: graph of the glass.
        barrier: predicted barriers f64[N], eV.
        terms: what the predictions are sums of.
        neighborhoods: those of the centers, cut at the distance `figures["reach"]`.
        masks: edge masks of the centers.
        importance: f64[P] for the pairs of each center, by method; integrated gradients are in eV and of either sign.
        important: i64, the most important pairs of each center by its mask.
        fidelity: fidelity curves, by ranking of pairs.
        displacements: changes by displaced atoms, by ranking.
        cycles: cycles of the glass.
        figures: all results, as in `report.json`, where centers are called targets.
    """

    graph: GlassGraph
    barrier: np.ndarray
    terms: Terms
    neighborhoods: list[Neighborhood]
    masks: Masks
    importance: dict[str, Importance]
    important: list[np.ndarray]
    fidelity: dict[str, Fidelity]
    displacements: dict[str, Displacements]
    cycles: Cycles
    figures: dict

    @property
    def sentences(self) -> list[str]:
        """Return the main results as sentences."""
        return sentences(self.figures)


def explain(
    model: BarrierModel,
    graph: GlassGraph,
    centers: Sequence[int],
    *,
    cutoff: float,
    seed: int = 0,
    settings: MaskSettings | None = None,
    cache: ResultCache | None = None,
) -> Explanation:
    """Explain a model's predictions of some atoms of a glass.

    Args:
        model: the model, which must use pair weights.
        graph: graph of the glass.
        centers: indices of different atoms.
        cutoff: cutoff of the graph, A.
        seed: seed of masks and random rankings.
        settings: settings of the masks.
        cache: stores finished parts, from which an interrupted computation continues.
    """
    settings, cache = settings or MaskSettings(), cache or ResultCache()
    predict, probe = CompiledModel(model), Probe(model)
    barrier = predict(graph)
    terms = Terms.of(model, graph)
    spread = float(barrier.std())
    reach, change = choose_reach(probe, graph, centers, barrier, cutoff)
    neighborhoods = cut_all(graph, centers, reach)
    masks = edge_masks(probe, neighborhoods, spread=spread, seed=seed, settings=settings, cache=cache)
    gradients = integrated_gradients(probe, neighborhoods)
    importance = {MASK: masks.importance, GRADIENTS: gradients.contribution}
    attention = attention_rollout(model, neighborhoods)
    if attention is not None:
        importance[ATTENTION] = attention
    curves, displacements = _faithfulness(probe, neighborhoods, importance, spread, seed, cache)
    important = [most_important(n, mask, IMPORTANT) for n, mask in zip(neighborhoods, masks.importance, strict=True)]
    cycles = shortest_cycles(graph)
    trust = _trust(predict, probe, graph, neighborhoods[:N_CHECKED], masks, spread, seed, settings, cache)
    figures = _settings(model, graph, barrier, neighborhoods, seed) | {
        "reach": reach if np.isfinite(reach) else None,
        "change_by_reach": change,
        "important_pairs_a_target": float(np.mean([len(pairs) for pairs in important])),
        "masks": _mask_statistics(masks, settings),
        "gradients": {"incompleteness": gradients.incompleteness},
        "fidelity": _fidelity_statistics(curves),
        "displacements": _displacement_statistics(displacements),
        "trust": trust,
        "distances": distance_statistics(neighborhoods, important, min(reach, MAX_DISTANCE)),
        "cycles": cycle_statistics(graph, neighborhoods, important, cycles, seed),
        "surroundings": environment_statistics(graph, barrier, voronoi_indices(graph)),
        "contributions": terms.means(centers),
        "glass_contributions": terms.means(range(graph.n_atoms)),
        "largest_terms": terms.largest(barrier, centers),
    }
    return Explanation(
        graph, barrier, terms, neighborhoods, masks, importance, important, curves, displacements, cycles, figures
    )


def _faithfulness(
    probe: Probe,
    neighborhoods: list[Neighborhood],
    importance: dict[str, Importance],
    spread: float,
    seed: int,
    cache: ResultCache,
) -> tuple[dict[str, Fidelity], dict[str, Displacements]]:
    """Return the changes of predictions without the most important pairs, and with displaced atoms, by ranking."""
    curves = {
        name: fidelity(probe, neighborhoods, ranking, spread=spread, cache=cache, title=name)
        for name, ranking in _rankings(neighborhoods, importance, seed).items()
    }
    displacements = {
        name: displacement_changes(probe, neighborhoods, ranking, spread=spread, seed=seed, cache=cache, title=name)
        for name, ranking in _atom_rankings(neighborhoods, importance, seed).items()
    }
    return curves, displacements


def _rankings(neighborhoods: list[Neighborhood], importance: dict[str, Importance], seed: int) -> dict[str, Importance]:
    """Return the absolute importances of the methods, and two rankings that do not depend on the model."""
    magnitudes = {name: [np.abs(x) for x in of_centers] for name, of_centers in importance.items()}
    return magnitudes | {NEAREST: nearness_ranking(neighborhoods), RANDOM: random_ranking(neighborhoods, seed)}


def _atom_rankings(
    neighborhoods: list[Neighborhood], importance: dict[str, Importance], seed: int
) -> dict[str, Importance]:
    """Return the importances of atoms by the methods, and two rankings that do not depend on the model."""
    of_methods = {
        name: [atom_importance(n, np.abs(x)) for n, x in zip(neighborhoods, of_centers, strict=True)]
        for name, of_centers in importance.items()
    }
    return of_methods | {NEAREST: nearest_atoms(neighborhoods), RANDOM: random_atoms(neighborhoods, seed)}


def _settings(
    model: BarrierModel, graph: GlassGraph, barrier: np.ndarray, neighborhoods: list[Neighborhood], seed: int
) -> dict:
    centers = [n.center for n in neighborhoods]
    return {
        "glass": graph.name,
        "model": model.name,
        "descriptors": model.n_descriptors,
        "seed": seed,
        "targets": centers,
        "isolated": [n.center for n in neighborhoods if not n.explained.any()],
        "barrier": barrier[centers].tolist(),
        "mean": float(barrier.mean()),
        "spread": float(barrier.std()),
        "pairs_a_target": float(np.mean([n.explained.sum() for n in neighborhoods])),
    }


@contextmanager
def shuffled_weights(model: BarrierModel, seed: int) -> Iterator[None]:
    """Permute the values of each trainable weight inside this context.

    This is the randomization test of all layers (Adebayo et al. 2018). It keeps the distribution of the values in
    each weight, and the statistics of batch normalization.

    Args:
        model: the model.
        seed: seed of the permutations.
    """
    rng = np.random.default_rng(seed)
    trained = [variable.numpy() for variable in model.trainable_variables]
    try:
        for variable, value in zip(model.trainable_variables, trained, strict=True):
            variable.assign(rng.permutation(value.ravel()).reshape(value.shape))
        yield
    finally:
        for variable, value in zip(model.trainable_variables, trained, strict=True):
            variable.assign(value)


def _mask_statistics(masks: Masks, settings: MaskSettings) -> dict:
    return asdict(settings) | {
        "still_falling": masks.still_falling,
        "loss": masks.loss.mean(axis=0).tolist(),
        "kept": masks.kept.mean(axis=0).tolist(),
    }


def _fidelity_statistics(curves: dict[str, Fidelity]) -> dict:
    by_ranking = {
        name: {
            "removed": curve.removed.tolist(),
            "kept": curve.kept.tolist(),
            "mean_removed": float(curve.removed[1:-1].mean()),
            "mean_kept": float(curve.kept[1:-1].mean()),
        }
        for name, curve in curves.items()
    }
    return {"shares": list(FRACTIONS), **by_ranking}


def _displacement_statistics(curves: dict[str, Displacements]) -> dict:
    by_ranking = {name: {"change": curve.change.tolist(), "mean": curve.mean} for name, curve in curves.items()}
    return {"shares": list(ATOM_FRACTIONS), "size": SIZE, **by_ranking}


def _trust(
    predict: CompiledModel,
    probe: Probe,
    graph: GlassGraph,
    neighborhoods: list[Neighborhood],
    masks: Masks,
    spread: float,
    seed: int,
    settings: MaskSettings,
    cache: ResultCache,
) -> dict:
    """Return the agreement of masks with those of other seeds, of twice the steps, and of shuffled weights."""
    own = masks.importance[: len(neighborhoods)]

    def learn(title: str, *, seed: int = seed, spread: float = spread, settings: MaskSettings = settings) -> Masks:
        return edge_masks(probe, neighborhoods, spread=spread, seed=seed, settings=settings, cache=cache, title=title)

    others = [learn(f"edge masks again {k}", seed=seed + k).importance for k in range(1, N_SEEDS)]
    longer = learn("twice the steps", settings=replace(settings, steps=2 * settings.steps))
    with shuffled_weights(probe.model, seed):
        shuffled = learn("shuffled weights", spread=float(predict(graph).std()))
    return {
        "targets": len(neighborhoods),
        "seeds": N_SEEDS,
        "other_seeds": agreement(neighborhoods, [own, *others]),
        "twice_the_steps": agreement(neighborhoods, [own, longer.importance]),
        "shuffled_weights": agreement(neighborhoods, [own, shuffled.importance]),
    }
