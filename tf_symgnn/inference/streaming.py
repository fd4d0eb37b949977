"""Predict a large glass slab by slab and stage by stage, in little memory, without computing any state twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tf_symgnn import names
from tf_symgnn.graph.glass_graph import local_index
from tf_symgnn.graph.slabs import ReceivedPairs, SlabbedGlass
from tf_symgnn.inference.schedule import Sweep
from tf_symgnn.inference.stage_functions import PartPairs, Receivers, StageFunctions, Tensors


@dataclass
class _Slab:
    """A slab in progress.

    Attributes:
        others: i64, the atoms of other slabs that send to atoms of this one, ascending.
        ends: ends of the pairs that its atoms receive. The slab's atoms come first, then the others.
        pairs: the state [E, ...] of these pairs.
    """

    others: np.ndarray
    ends: PartPairs
    pairs: Tensors


class SlabStream:
    """An iterable over the steps of a prediction, with the barriers of each finished slab.

    Args:
        stages: of the model.
        slabbed: the glass.
        needed: the level that each slab must reach, from `needed_levels`.
        slabs_per_search: number of slabs whose neighbors are searched for at once.
    """

    def __init__(self, stages: StageFunctions, slabbed: SlabbedGlass, needed: Sequence[int], *, slabs_per_search: int):
        self._stages, self._slabbed, self._needed = stages, slabbed, needed
        self._slabs_per_search = slabs_per_search
        self._received: dict[int, ReceivedPairs] = {}  # pairs of slabs that are searched but not started
        self._slabs: dict[int, _Slab] = {}
        self._atoms: dict[tuple[int, int], Tensors] = {}  # states [M, ...] of a slab's own atoms at a level

    def __iter__(self) -> Iterator[tuple[int, int, np.ndarray | None]]:
        """Yield after each step the slab, its level and, at the last level, barriers f64[M] eV of its atoms."""
        sweep = Sweep(self._slabbed.neighbors(), self._needed)
        for slab, level in sweep:
            atoms = self._start(slab) if level == 1 else self._advance(slab, level)
            barrier = None
            if level == self._stages.depth:
                barrier = atoms[names.ENERGY_BARRIER].numpy().astype(np.float64)
            else:
                self._atoms[slab, level] = atoms
            if level == self._needed[slab]:
                del self._slabs[slab]
            for old in sweep.outdated(slab):
                self._atoms.pop(old, None)
            yield slab, level, barrier

    def _start(self, slab: int) -> Tensors:
        received = self._pairs(slab)
        begin, stop = self._slabbed.splits[slab : slab + 2]
        others, source = _local(received.source, begin, stop, len(self._slabbed.order))
        atoms, pairs = self._stages.first(Receivers.of_slab(self._slabbed, slab, received))
        ends = PartPairs(*(tf.constant(x, tf.int32) for x in (source, received.target, stop - begin)))
        self._slabs[slab] = _Slab(others, ends, pairs)
        return atoms

    def _advance(self, slab: int, level: int) -> Tensors:
        own = self._slabs[slab]
        atoms, own.pairs = self._stages.next(level - 1, self._with_halo(slab, level - 1), own.pairs, own.ends)
        return atoms

    def _with_halo(self, slab: int, level: int) -> Tensors:
        """Return the states at a level of a slab's own atoms, then of the others that send to them."""
        others, splits = self._slabs[slab].others, self._slabbed.splits
        parts, bounds = [self._atoms[slab, level]], np.searchsorted(others, splits)
        for other in np.flatnonzero(np.diff(bounds)):
            rows = others[bounds[other] : bounds[other + 1]] - splits[other]
            parts.append({name: tf.gather(x, rows) for name, x in self._atoms[int(other), level].items()})
        return {name: tf.concat([part[name] for part in parts], axis=0) for name in parts[0]}

    def _pairs(self, slab: int) -> ReceivedPairs:
        if slab not in self._received:
            end = min(slab + self._slabs_per_search, len(self._slabbed))
            searched = zip(range(slab, end), self._slabbed.pairs(slab, end), strict=True)
            self._received = {k: pairs for k, pairs in searched if self._needed[k]}
        return self._received.pop(slab)


def _local(source: np.ndarray, begin: int, stop: int, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the senders i64 that are not atoms `begin` to before `stop`, and all senders i32[E] by local index."""
    sends = np.zeros(n_atoms, bool)
    sends[source] = True
    sends[begin:stop] = False
    others = np.flatnonzero(sends)
    return others, local_index(np.concatenate([np.arange(begin, stop), others]), n_atoms)[source]
