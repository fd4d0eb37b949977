"""Prediction of a glass of any size slab by slab, layer by layer, in little memory and with nothing computed twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tf_symgnn.graph.slabs import ReceivedPairs, SlabbedGlass
from tf_symgnn.inference.layers import LayerFunctions
from tf_symgnn.inference.schedule import Sweep


@dataclass
class _Slab:
    """A slab on its way: who its atoms hear from, and the states of the pairs they receive."""

    atoms: np.ndarray  # i64[M]  the slab's own, then others in ascending order
    pairs: tuple[tf.Tensor, tf.Tensor, tf.Tensor]  # source i32[E], target i32[E], both local; number of own atoms
    edges: tf.Tensor | None  # [E, F]


class SlabStream:
    """Barriers of slabs, one slab after another.

    Args:
        layers: of the model.
        slabbed: the glass.
        needed: the level that each slab must reach: `layers.depth` where its barriers are wanted.
        together: slabs whose neighbours are searched for at once.
    """

    def __init__(self, layers: LayerFunctions, slabbed: SlabbedGlass, needed: Sequence[int], *, together: int):
        self._layers, self._slabbed, self._needed, self._together = layers, slabbed, needed, together
        self._found: dict[int, ReceivedPairs] = {}
        self._slabs: dict[int, _Slab] = {}
        self._nodes: dict[tuple[int, int], tf.Tensor] = {}  # [M, F] of a slab's own atoms at a level

    def __iter__(self) -> Iterator[tuple[int, int, np.ndarray | None]]:
        """After each step: the slab, the level it has reached and, at the last, barriers f64[M] eV of its atoms."""
        sweep = Sweep(self._slabbed.neighbours(), self._needed)
        for slab, level in sweep:
            made = self._start(slab) if level == 1 else self._advance(slab, level)
            barrier = None
            if level == self._layers.depth:
                barrier = made.numpy().astype(np.float64)
            else:
                self._nodes[slab, level] = made
            if level == self._needed[slab]:
                del self._slabs[slab]
            for old in sweep.outdated(slab):
                self._nodes.pop(old, None)
            yield slab, level, barrier

    def _start(self, slab: int) -> tf.Tensor:
        pairs = self._pairs(slab)
        begin, stop = self._slabbed.splits[slab : slab + 2]
        atoms, source = _local(pairs.source, begin, stop, len(self._slabbed.order))
        ends = tuple(tf.constant(x, tf.int32) for x in (source, pairs.target, stop - begin))
        made, edges = self._layers.first(self._slabbed.atomic_numbers[atoms], pairs.displacement, *ends)
        self._slabs[slab] = _Slab(atoms, ends, edges)
        return made

    def _advance(self, slab: int, level: int) -> tf.Tensor:
        own = self._slabs[slab]
        made, own.edges = self._layers.next(level - 1, self._heard(slab, level - 1), own.edges, *own.pairs)
        return made

    def _heard(self, slab: int, level: int) -> tf.Tensor:
        """States [M, F] at a level of a slab's own atoms and of the others that they hear from."""
        begin, stop = self._slabbed.splits[slab : slab + 2]
        others, splits = self._slabs[slab].atoms[stop - begin :], self._slabbed.splits
        parts, bounds = [self._nodes[slab, level]], np.searchsorted(others, splits)
        for other in np.flatnonzero(np.diff(bounds)):
            rows = others[bounds[other] : bounds[other + 1]] - splits[other]
            parts.append(tf.gather(self._nodes[int(other), level], rows))
        return tf.concat(parts, axis=0)

    def _pairs(self, slab: int) -> ReceivedPairs:
        if slab not in self._found:
            end = min(slab + self._together, len(self._slabbed))
            found = zip(range(slab, end), self._slabbed.pairs(slab, end), strict=True)
            self._found = {k: pairs for k, pairs in found if self._needed[k]}
        return self._found.pop(slab)


def _local(source: np.ndarray, begin: int, stop: int, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Atoms i64[M], `begin` to before `stop` and then the others that send; and senders i32[E] among them."""
    sends = np.zeros(n_atoms, bool)
    sends[source] = True
    sends[begin:stop] = False
    atoms = np.concatenate([np.arange(begin, stop), np.flatnonzero(sends)])
    place = np.empty(n_atoms, np.int32)
    place[atoms] = np.arange(len(atoms), dtype=np.int32)
    return atoms, place[source]
