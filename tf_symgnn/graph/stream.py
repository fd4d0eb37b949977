"""A tf.data stream of graph subsets: whole glasses, or patches of them, shuffled, batched and prefetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.graph.glass_graph import GlassGraph
from tf_symgnn.graph.patches import PatchedGlass
from tf_symgnn.graph.tensors import assemble, graph_arrays, split_readout

# What a subset is loaded as: dtype and shape by feature name.
_FIELDS = {
    names.SPECIES: (tf.int32, [None]),
    names.POSITION: (tf.float32, [None, 3]),
    names.CELL: (tf.float32, [3, 3]),
    tfgnn.SOURCE_NAME: (tf.int32, [None]),
    tfgnn.TARGET_NAME: (tf.int32, [None]),
    names.DISPLACEMENT: (tf.float32, [None, 3]),
    names.ENERGY_BARRIER: (tf.float32, [None]),
    names.LOSS_WEIGHT: (tf.float32, [None]),
}


# The number of a subset that fills a batch up: one atom of padding that neighbours itself, and carries no loss.
_BLANK = -1


class Share(NamedTuple):
    """Which part of every batch a process is given: that of some of the replicas that train together.

    Attributes:
        first: the process's first replica.
        local: its number of replicas.
        replicas: of all processes.
    """

    first: int = 0
    local: int = 1
    replicas: int = 1


WHOLE = Share()


class SubsetStream:
    """Streams the subsets of labelled glass graphs: what `fit` and `evaluate` consume.

    Neighbour lists are built once, before; a subset is cut from them when its turn comes, so memory holds the
    glasses on the host and one batch on the device.

    Args:
        graphs: labelled glass graphs.
        batch_size: subsets a batch, as components of one graph; of all replicas together, whose number divides it.
        patch_size: edge of a patch's core, A; None streams whole glasses.
        halo: width of a patch's halo, A; the model's receptive field makes predictions in the core exact; in
            training batch statistics are those of the whole patch.
    """

    def __init__(
        self,
        graphs: Sequence[GlassGraph],
        *,
        batch_size: int = 1,
        patch_size: float | None = None,
        halo: float = 0.0,
    ):
        self.graphs = list(graphs)
        self.batch_size = batch_size
        self._patched = [PatchedGlass(g, size=patch_size, halo=halo) for g in self.graphs] if patch_size else None
        if self._patched:
            self._subsets = [(k, patch) for k, glass in enumerate(self._patched) for patch in range(len(glass))]
        else:
            self._subsets = [(k, 0) for k in range(len(self.graphs))]

    @property
    def n_subsets(self) -> int:
        """Glasses or patches in one pass over the data."""
        return len(self._subsets)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the data; the last may be smaller."""
        return -(-self.n_subsets // self.batch_size)

    def in_order(self, share: Share = WHOLE) -> tf.data.Dataset:
        """One pass in order: (GraphTensor, labels f32[N] eV, loss weights f32[N]), a share one after another."""
        return self._finish(self._batches(tf.range(self.n_subsets, dtype=tf.int64), share))

    def shuffled(self, *, seed: int, first_epoch: int, epochs: int, share: Share = WHOLE) -> tf.data.Dataset:
        """Passes `first_epoch` to `epochs`, each in an order that is a function of the seed and the epoch alone.

        So a run that goes on at an epoch sees what it would have seen uninterrupted, and replicas that share each
        batch see together what one would see.
        """
        numbers = tf.data.Dataset.range(first_epoch, epochs)
        return self._finish(numbers.flat_map(lambda epoch: self._batches(self._order(seed, epoch), share)))

    def names_at(self, *, seed: int, epoch: int, step: int) -> list[str]:
        """The glasses that a step of `shuffled` draws from, for messages."""
        order = self._order(seed, tf.constant(epoch, tf.int64)).numpy()
        batch = order[step * self.batch_size : (step + 1) * self.batch_size]
        return [self.graphs[self._subsets[k][0]].name for k in batch]

    def subset(self, index: int) -> tuple[GlassGraph, np.ndarray]:
        """One subset as arrays, and its loss weights f32[N]."""
        if index == _BLANK:
            return _blank(self.graphs[0]), np.zeros(1, np.float32)
        glass, patch = self._subsets[index]
        if self._patched:
            graph, _, core = self._patched[glass].extract(patch)
            return graph, core.astype(np.float32)
        graph = self.graphs[glass]
        return graph, np.ones(graph.n_atoms, np.float32)

    def _order(self, seed: int, epoch: tf.Tensor) -> tf.Tensor:
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        return tf.random.experimental.stateless_shuffle(tf.range(self.n_subsets, dtype=tf.int64), seed=key)

    def _batches(self, order: tf.Tensor, share: Share) -> tf.data.Dataset:
        size = self.batch_size // share.replicas
        if share.replicas > 1:
            missing = self.steps_per_epoch * self.batch_size - self.n_subsets
            order = tf.reshape(tf.pad(order, [[0, missing]], constant_values=_BLANK), [-1, share.replicas, size])
            order = tf.reshape(order[:, share.first : share.first + share.local], [-1])
        return tf.data.Dataset.from_tensor_slices(order).map(self._load).batch(size)

    def _load(self, number: tf.Tensor) -> tfgnn.GraphTensor:
        flat = tf.numpy_function(self._arrays, [number], [dtype for dtype, _ in _FIELDS.values()], stateful=False)
        shapes = {name: shape for name, (_, shape) in _FIELDS.items()}
        return assemble({name: tf.ensure_shape(x, shapes[name]) for name, x in zip(shapes, flat, strict=True)})

    def _arrays(self, number: np.int64) -> list[np.ndarray]:
        arrays = graph_arrays(*self.subset(int(number)))
        return [arrays[name] for name in _FIELDS]

    def _finish(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        # One thread makes the next batch while a step takes its time. Closing an iterator that tunes itself takes a
        # quarter of a second after each pass over the validation glasses.
        options = tf.data.Options()
        options.autotune.enabled = False
        merged = batches.map(lambda graph: split_readout(graph.merge_batch_to_components()))
        return merged.prefetch(1).with_options(options)


def _blank(like: GlassGraph) -> GlassGraph:
    """One atom of padding that neighbours itself."""
    zero, nowhere = np.zeros(1, np.int32), np.zeros((1, 3), np.float32)
    pair = {"source": zero, "target": zero, "displacement": nowhere}
    return replace(like, atomic_numbers=zero, positions=nowhere, barrier=np.zeros(1, np.float32), **pair)
