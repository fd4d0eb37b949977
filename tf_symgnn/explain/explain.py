"""All that is found out about the predictions of some atoms of one glass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np

from tf_symgnn.explain.attention import rolled_out
from tf_symgnn.explain.cycles import Cycles, shortest_cycles
from tf_symgnn.explain.faithfulness import (
    IMPORTANT,
    SHARES,
    Fidelity,
    Importance,
    agreement,
    at_random,
    fidelity,
    nearest,
    top,
)
from tf_symgnn.explain.gradients import integrated_gradients
from tf_symgnn.explain.masks import Masks, MaskSettings, edge_masks
from tf_symgnn.explain.neighbourhoods import Neighbourhood, cut_all
from tf_symgnn.explain.parts import Parts
from tf_symgnn.explain.probe import Probe, far_enough
from tf_symgnn.explain.structure import cycle_figures, distance_figures, surroundings_figures
from tf_symgnn.explain.voronoi import voronoi_indices
from tf_symgnn.graph import GlassGraph
from tf_symgnn.inference import Predictor
from tf_symgnn.models.base import BarrierModel

MASK, GRADIENTS, ATTENTION, NEAREST, RANDOM = "edge masks", "integrated gradients", "attention", "nearest", "random"

CHECKED = 5  # targets that masks are learned of again to see whether they come out alike
SEEDS = 3
FARTHEST = 10.0  # A, of distances from targets that are counted


@dataclass(frozen=True)
class Explanation:
    """What was found.

    Attributes:
        graph: of the glass.
        barrier: f64[N] eV, predicted.
        neighbourhoods: of the T targets, cut where `figures["reach"]` says.
        masks: of each target, with how they were learned.
        importance: by method, f64[P] of each target's pairs; integrated gradients are in eV and of either sign.
        important: i64, the most important pairs of each target by its mask.
        fidelity: curves by ranking of pairs.
        cycles: of the glass.
        figures: numbers, as `report.json` holds them.
    """

    graph: GlassGraph
    barrier: np.ndarray
    neighbourhoods: list[Neighbourhood]
    masks: Masks
    importance: dict[str, Importance]
    important: list[np.ndarray]
    fidelity: dict[str, Fidelity]
    cycles: Cycles
    figures: dict


def explain(
    model: BarrierModel,
    graph: GlassGraph,
    targets: Sequence[int],
    *,
    cutoff: float,
    seed: int = 0,
    settings: MaskSettings | None = None,
    parts: Parts | None = None,
) -> Explanation:
    """Explains a model's predictions of some atoms of a glass.

    Args:
        model: takes a GraphTensor with pair weights, predicts f[N] eV, and states its `receptive_field`, A.
        graph: of the glass.
        targets: atoms of it, each once.
        cutoff: of the graph, A.
        seed: of masks and random rankings.
        settings: how masks are learned.
        parts: keeps what is finished, so that the same computation goes on where it was killed.
    """
    settings, parts = settings or MaskSettings(), parts or Parts()
    predict, probe = Predictor(model), Probe(model)
    barrier = predict(graph)
    spread = float(barrier.std())
    reach, change = far_enough(probe, graph, targets, barrier, cutoff)
    neighbourhoods = cut_all(graph, targets, reach)
    masks = edge_masks(probe, neighbourhoods, spread=spread, seed=seed, settings=settings, parts=parts)
    gradients = integrated_gradients(probe, neighbourhoods)
    importance = {MASK: masks.importance, GRADIENTS: gradients.contribution}
    attention = rolled_out(model, neighbourhoods)
    if attention is not None:
        importance[ATTENTION] = attention
    curves = {
        name: fidelity(probe, neighbourhoods, ranking, spread=spread, parts=parts, title=name)
        for name, ranking in _rankings(neighbourhoods, importance, seed).items()
    }
    important = [top(n, mask, IMPORTANT) for n, mask in zip(neighbourhoods, masks.importance, strict=True)]
    cycles = shortest_cycles(graph)
    trust = _trust(predict, probe, graph, neighbourhoods[:CHECKED], masks, spread, seed, settings, parts)
    figures = _circumstances(model, graph, barrier, neighbourhoods, seed) | {
        "reach": reach if np.isfinite(reach) else None,
        "change_by_reach": change,
        "important_pairs_a_target": float(np.mean([len(pairs) for pairs in important])),
        "masks": _learning(masks, settings),
        "gradients": {"incompleteness": gradients.incompleteness},
        "fidelity": _fidelity_figures(curves),
        "trust": trust,
        "distances": distance_figures(neighbourhoods, important, min(reach, FARTHEST)),
        "cycles": cycle_figures(graph, neighbourhoods, important, cycles, seed),
        "surroundings": surroundings_figures(graph, barrier, voronoi_indices(graph)),
    }
    return Explanation(graph, barrier, neighbourhoods, masks, importance, important, curves, cycles, figures)


def _rankings(
    neighbourhoods: list[Neighbourhood], importance: dict[str, Importance], seed: int
) -> dict[str, Importance]:
    """What the methods find, without signs, and two rankings that know nothing of the model."""
    sizes = {name: [np.abs(part) for part in parts] for name, parts in importance.items()}
    return sizes | {NEAREST: nearest(neighbourhoods), RANDOM: at_random(neighbourhoods, seed)}


def _circumstances(
    model: BarrierModel, graph: GlassGraph, barrier: np.ndarray, neighbourhoods: list[Neighbourhood], seed: int
) -> dict:
    targets = [n.target for n in neighbourhoods]
    return {
        "glass": graph.name,
        "model": model.name,
        "seed": seed,
        "targets": targets,
        "isolated": [n.target for n in neighbourhoods if not n.explained.any()],
        "barrier": barrier[targets].tolist(),
        "spread": float(barrier.std()),
        "pairs_a_target": float(np.mean([n.explained.sum() for n in neighbourhoods])),
    }


@contextmanager
def shuffled_weights(model: BarrierModel, seed: int) -> Iterator[None]:
    """A model whose trained weights are put in random places of their own tensors, until the block ends.

    Randomised in all layers (Adebayo et al. 2018), with the sizes of weights and the statistics of batch norm kept.
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


def _learning(masks: Masks, settings: MaskSettings) -> dict:
    return asdict(settings) | {
        "still_falling": masks.still_falling,
        "loss": masks.loss.mean(axis=0).tolist(),
        "kept": masks.kept.mean(axis=0).tolist(),
    }


def _fidelity_figures(curves: dict[str, Fidelity]) -> dict:
    of_curves = {
        name: {
            "removed": curve.removed.tolist(),
            "kept": curve.kept.tolist(),
            "mean_removed": float(curve.removed[1:-1].mean()),
            "mean_kept": float(curve.kept[1:-1].mean()),
        }
        for name, curve in curves.items()
    }
    return {"shares": list(SHARES), **of_curves}


def _trust(
    predict: Predictor,
    probe: Probe,
    graph: GlassGraph,
    neighbourhoods: list[Neighbourhood],
    masks: Masks,
    spread: float,
    seed: int,
    settings: MaskSettings,
    parts: Parts,
) -> dict:
    """How alike the masks of a few targets come out with other seeds, with twice the steps, with shuffled weights."""
    own = masks.importance[: len(neighbourhoods)]
    again = {"spread": spread, "settings": settings, "parts": parts}
    others = [
        edge_masks(probe, neighbourhoods, seed=seed + k, title=f"edge masks again {k}", **again).importance
        for k in range(1, SEEDS)
    ]
    longer = replace(settings, steps=2 * settings.steps)
    longer = edge_masks(probe, neighbourhoods, seed=seed, title="twice the steps", **again | {"settings": longer})
    with shuffled_weights(probe.model, seed):
        foreign = again | {"spread": float(predict(graph).std())}
        shuffled = edge_masks(probe, neighbourhoods, seed=seed, title="shuffled weights", **foreign)
    return {
        "targets": len(neighbourhoods),
        "seeds": SEEDS,
        "other_seeds": agreement(neighbourhoods, [own, *others]),
        "twice_the_steps": agreement(neighbourhoods, [own, longer.importance]),
        "shuffled_weights": agreement(neighbourhoods, [own, shuffled.importance]),
    }
