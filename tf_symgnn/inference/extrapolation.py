"""The extrapolation of a glass that a model predicts, with its novelty, from a sample of the glass's atoms."""

from __future__ import annotations

import numpy as np

from tf_symgnn.domain.extrapolation import Extrapolation, extrapolation
from tf_symgnn.domain.ranges import TrainingDomain
from tf_symgnn.domain.structure import bonding, composition
from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.graph.tensors import graph_of_features
from tf_symgnn.inference.stage_functions import Receivers
from tf_symgnn.models.base import BarrierModel

_MAX_ATOMS = 1000  # atoms that statistics are from; all atoms would take a third of the time of the prediction
_MAX_SLABS = 10  # slabs that these atoms are from


def graph_extrapolation(
    domain: TrainingDomain, model: BarrierModel, graph: GlassGraph, cutoff: float, barrier: np.ndarray
) -> Extrapolation:
    """Return the extrapolation of a glass, from up to 1000 atoms, evenly taken.

    Args:
        domain: of the training data.
        model: the model.
        graph: of the glass.
        cutoff: of the graph, A.
        barrier: predicted barriers f[N] eV.
    """
    sample = Receivers.of_graph(graph).take(_evenly_spaced(graph.n_atoms, _MAX_ATOMS))
    return _of_sample(domain, model, sample, graph.atomic_numbers, cutoff, barrier)


def slab_extrapolation(
    domain: TrainingDomain, model: BarrierModel, slabbed: SlabbedGlass, cutoff: float, barrier: np.ndarray
) -> Extrapolation:
    """Return what `graph_extrapolation` does, from atoms of up to ten slabs; one slab is in memory at a time."""
    slabs, parts = _evenly_spaced(len(slabbed), _MAX_SLABS), []
    for slab in slabs.tolist():
        (received,) = slabbed.pairs(slab, slab + 1)
        of_slab = Receivers.of_slab(slabbed, slab, received)
        parts.append(of_slab.take(_evenly_spaced(len(of_slab.atomic_numbers), -(-_MAX_ATOMS // len(slabs)))))
    return _of_sample(domain, model, Receivers.joined(parts), slabbed.atomic_numbers, cutoff, barrier)


def _of_sample(
    domain: TrainingDomain,
    model: BarrierModel,
    sample: Receivers,
    atomic_numbers: np.ndarray,
    cutoff: float,
    barrier: np.ndarray,
) -> Extrapolation:
    bonds = bonding(sample.atomic_numbers, sample.target, sample.senders, sample.displacement, cutoff=cutoff)
    novelty = median_novelty(model, sample)
    return extrapolation(domain, composition(atomic_numbers) | bonds, barrier, novelty=novelty)


def median_novelty(model: BarrierModel, receivers: Receivers) -> float | None:
    """Return the median of the model's novelty over some atoms; None if the model has none."""
    novelty = []
    for atoms, pairs, ends in receivers.parts():
        of_part = model.novelty(graph_of_features(atoms, pairs, ends.source, ends.target))
        if of_part is None:
            return None
        novelty.append(of_part.numpy()[: int(ends.n_receivers)])
    return float(np.median(np.concatenate(novelty)))


def _evenly_spaced(total: int, number: int) -> np.ndarray:
    """Return up to `number` evenly spaced indices below `total`, i64, ascending."""
    return np.unique(np.linspace(0, total - 1, number).astype(np.int64))
