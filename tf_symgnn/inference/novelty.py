"""Whether a glass is like those that a model was trained on."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.inference.layers import part_of_glass
from tf_symgnn.models.hybrid import SpectralSymGNN

# Glasses of the alloy have 0.8 to 1.0, slowly quenched and fast, those of another potential 1.0 to 1.2, one stretched
# by 3% 1.4, crystals of its elements and other alloys 5 and more (benchmarks/RESULTS.md).
UNLIKE = 2.0

_ATOMS = 1000  # that tell what a glass is like; all would cost a third of the prediction
_SLABS = 10  # that they are taken from, of a glass in slabs


def novelty(model: SpectralSymGNN, graph: GlassGraph) -> float:
    """The median of `SpectralSymGNN.novelty` over atoms of a glass: up to 1000, evenly taken."""
    numbers, senders = graph.atomic_numbers, graph.atomic_numbers[graph.source]
    return float(np.median(_of_some(model, _ATOMS, numbers, graph.target, senders, graph.displacement)))


def novelty_in_slabs(model: SpectralSymGNN, slabbed: SlabbedGlass) -> float:
    """As `novelty`, the atoms being those of up to ten slabs, evenly taken; one slab is held at a time."""
    numbers, slabs, found = slabbed.atomic_numbers, _evenly(len(slabbed), _SLABS), []
    of_each = -(-_ATOMS // len(slabs))
    for slab in slabs.tolist():
        (received,) = slabbed.pairs(slab, slab + 1)
        own, senders = numbers[slice(*slabbed.splits[slab : slab + 2])], numbers[received.source]
        found.append(_of_some(model, of_each, own, received.target, senders, received.displacement))
    return float(np.median(np.concatenate(found)))


def _of_some(
    model: SpectralSymGNN,
    number: int,
    numbers: np.ndarray,
    target: np.ndarray,
    senders: np.ndarray,
    displacement: np.ndarray,
) -> np.ndarray:
    """The novelty f32 of some atoms, evenly taken.

    Args:
        model: that knows others.
        number: of atoms, at most.
        numbers: i32[N], atomic numbers.
        target: i32[E], ascending, who receives each pair.
        senders: i32[E], atomic numbers of those who send.
        displacement: f32[E, 3] A.
    """
    atoms = _evenly(len(numbers), number)
    first, end = np.searchsorted(target, atoms), np.searchsorted(target, atoms, side="right")
    pairs = np.concatenate([np.arange(*limits) for limits in zip(first, end, strict=True)])
    # Of a sender a spectrum sees the species, so that one atom of each stands for all of them.
    known = np.sort(np.array(model.spectrum.species, np.int32))
    part = part_of_glass(
        tf.constant(np.searchsorted(known, senders[pairs]) + len(atoms), tf.int32),
        tf.constant(np.searchsorted(atoms, target[pairs]), tf.int32),
        species=tf.constant(np.concatenate([numbers[atoms], known])),
        displacement=tf.constant(displacement[pairs]),
    )
    return model.novelty(part)[: len(atoms)].numpy()


def _evenly(total: int, number: int) -> np.ndarray:
    """Up to so many of a total, i32, ascending."""
    return np.unique(np.linspace(0, total - 1, number).astype(np.int32))
