"""Whether a glass is like those that a model was trained on."""

from __future__ import annotations

import numpy as np

from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.graph.tensors import graph_of_features
from tf_symgnn.inference.stage_functions import Receivers
from tf_symgnn.models.base import BarrierModel

# Glasses of the alloy have 0.8 to 1.0, slowly quenched and fast, those of another potential 1.0 to 1.2, one stretched
# by 3% 1.4, crystals of its elements and other alloys 5 and more (benchmarks/RESULTS.md).
UNLIKE = 2.0

_ATOMS = 1000  # whose median stands for the glass; all would cost a third of the prediction
_SLABS = 10  # that they are taken from, of a glass in slabs


def novelty(model: BarrierModel, graph: GlassGraph) -> float | None:
    """Return the median of the model's novelty over up to 1000 atoms of a glass, evenly taken; None if unknown."""
    found = _of_some(model, Receivers.of_graph(graph), _ATOMS)
    return None if found is None else float(np.median(found))


def novelty_in_slabs(model: BarrierModel, slabbed: SlabbedGlass) -> float | None:
    """Return what `novelty` does, by atoms of up to ten slabs, evenly taken; one slab is held at a time."""
    slabs, found = _evenly(len(slabbed), _SLABS), []
    for slab in slabs.tolist():
        (received,) = slabbed.pairs(slab, slab + 1)
        of_slab = _of_some(model, Receivers.of_slab(slabbed, slab, received), -(-_ATOMS // len(slabs)))
        if of_slab is None:
            return None
        found.append(of_slab)
    return float(np.median(np.concatenate(found)))


def _of_some(model: BarrierModel, receivers: Receivers, number: int) -> np.ndarray | None:
    """Return the novelty f32 of so many atoms at most, evenly taken; None if unknown."""
    some, found = receivers.take(_evenly(len(receivers.atomic_numbers), number)), []
    for atoms, pairs, ends in some.parts():
        of_part = model.novelty(graph_of_features(atoms, pairs, ends.source, ends.target))
        if of_part is None:
            return None
        found.append(of_part.numpy()[: int(ends.n_receivers)])
    return np.concatenate(found)


def _evenly(total: int, number: int) -> np.ndarray:
    """Return so many of a total at most, i64, ascending."""
    return np.unique(np.linspace(0, total - 1, number).astype(np.int64))
