"""The novelty of a glass: its dissimilarity to the training glasses of a model."""

from __future__ import annotations

import numpy as np

from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.graph.tensors import graph_of_features
from tf_symgnn.inference.stage_functions import Receivers
from tf_symgnn.models.base import BarrierModel

# Novelty above which `predict` warns. Glasses of the training alloy have 0.8 to 1.0, those of another potential 1.0 to
# 1.2, and a glass stretched by 3% has 1.4. Crystals and other alloys have at least 5 (benchmarks/RESULTS.md).
UNLIKE = 2.0

_MAX_ATOMS = 1000  # atoms in the median; all atoms would take a third of the time of the prediction
_MAX_SLABS = 10  # slabs that these atoms are from


def novelty(model: BarrierModel, graph: GlassGraph) -> float | None:
    """Return the median novelty of up to 1000 evenly spaced atoms of a glass; None for a model without novelty."""
    values = _novelty_of_atoms(model, Receivers.of_graph(graph), _MAX_ATOMS)
    return None if values is None else float(np.median(values))


def novelty_in_slabs(model: BarrierModel, slabbed: SlabbedGlass) -> float | None:
    """Return the median novelty of about 1000 atoms in up to ten slabs, with one slab in memory at a time.

    Args:
        model: the model.
        slabbed: the glass.

    Returns:
        The median; None for a model without novelty.
    """
    slabs, values = _evenly_spaced(len(slabbed), _MAX_SLABS), []
    for slab in slabs.tolist():
        (received,) = slabbed.pairs(slab, slab + 1)
        of_slab = _novelty_of_atoms(model, Receivers.of_slab(slabbed, slab, received), -(-_MAX_ATOMS // len(slabs)))
        if of_slab is None:
            return None
        values.append(of_slab)
    return float(np.median(np.concatenate(values)))


def _novelty_of_atoms(model: BarrierModel, receivers: Receivers, number: int) -> np.ndarray | None:
    """Return the novelty f32[M] of M <= number evenly spaced atoms; None for a model without novelty."""
    some, values = receivers.take(_evenly_spaced(len(receivers.atomic_numbers), number)), []
    for atoms, pairs, ends in some.parts():
        of_part = model.novelty(graph_of_features(atoms, pairs, ends.source, ends.target))
        if of_part is None:
            return None
        values.append(of_part.numpy()[: int(ends.n_receivers)])
    return np.concatenate(values)


def _evenly_spaced(total: int, number: int) -> np.ndarray:
    """Return up to `number` evenly spaced indices below `total`, i64, ascending."""
    return np.unique(np.linspace(0, total - 1, number).astype(np.int64))
