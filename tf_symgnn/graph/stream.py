"""A tf.data stream of subsets of glasses: whole ones or patches, shuffled, batched and prefetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.errors import require_integer
from tf_symgnn.graph.glass_graph import GlassGraph
from tf_symgnn.graph.patches import PatchedGlass
from tf_symgnn.graph.tensors import assemble, graph_arrays, split_readout

# Dtype and shape of the arrays of a subset, by feature name.
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


# The index of the subset that fills the last batch: one atom of padding with a self-loop, without loss weight.
_PADDING = -1


class ReplicaSlice(NamedTuple):
    """The part of each batch that a process receives, for its own replicas among all that train together.

    Attributes:
        first: index of the process's first replica.
        local: number of its replicas.
        replicas: number of replicas of all processes.
    """

    first: int = 0
    local: int = 1
    replicas: int = 1


WHOLE = ReplicaSlice()


class SubsetStream:
    """The subsets of labeled glass graphs, whole glasses or patches, as the datasets of training and validation.

    A subset is cut from the neighbor lists when it is read. The glasses are in the memory of the host, and one batch is
    in that of the device.

    Args:
        graphs: labeled glass graphs.
        batch_size: subsets per batch of all replicas, a multiple of their number. They are components of one graph.
        patch_size: edge of a patch's core, A; None streams whole glasses.
        halo: width of a patch's halo, A. If it is the model's receptive field, predictions in the core are exact. In
            training, batch statistics are those of the whole patch.
        weights: of the labels in the loss, f32[N] of each glass; None for 1.

    Raises:
        InputError: a number is out of range, there is no glass, or one is unlabeled.
    """

    def __init__(
        self,
        graphs: Sequence[GlassGraph],
        *,
        batch_size: int = 1,
        patch_size: float | None = None,
        halo: float = 0.0,
        weights: Sequence[np.ndarray] | None = None,
    ):
        require_integer("stream", "batch_size", batch_size, least=1)
        self.graphs = list(graphs)
        if not self.graphs:
            raise InputError("stream", "graphs", "none", "at least one")
        for graph in self.graphs:
            if graph.barrier is None:
                raise InputError(graph.name, names.ENERGY_BARRIER, "no labels", "one per atom, eV")
        self.batch_size = batch_size
        self.weights = weights or [np.ones(graph.n_atoms, np.float32) for graph in self.graphs]
        self._fields, described = _FIELDS, self.graphs[0].descriptors
        if described is not None:
            self._fields = _FIELDS | {names.DESCRIPTORS: (tf.float32, [None, described.shape[1]])}
        self._patched = None
        if patch_size is not None:
            self._patched = [PatchedGlass(graph, size=patch_size, halo=halo) for graph in self.graphs]
        if self._patched:
            self._subsets = [(k, patch) for k, glass in enumerate(self._patched) for patch in range(len(glass))]
        else:
            self._subsets = [(k, 0) for k in range(len(self.graphs))]

    @property
    def n_subsets(self) -> int:
        """Return the number of glasses or patches in one pass over the data."""
        return len(self._subsets)

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of batches in one pass over the data; the last may be smaller."""
        return -(-self.n_subsets // self.batch_size)

    def in_order(self, share: ReplicaSlice = WHOLE, *, most: int | None = None) -> tf.data.Dataset:
        """Return one pass in order, as batches of (GraphTensor, labels f32[N] eV, loss weights f32[N]).

        Args:
            share: the part of each batch that this process receives.
            most: number of batches, evenly spaced, of a pass that has more.
        """
        steps = self.steps_per_epoch
        chosen = np.linspace(0, steps - 1, min(steps, most or steps)).astype(np.int64)
        numbers = np.arange(self.n_subsets)
        return self._merged(self._batches(tf.constant(numbers[np.isin(numbers // self.batch_size, chosen)]), share))

    def shuffled(self, *, seed: int, first_epoch: int, epochs: int, share: ReplicaSlice = WHOLE) -> tf.data.Dataset:
        """Return passes `first_epoch` to before `epochs`, each in an order that depends on the seed and the epoch only.

        A resumed run therefore reads the same batches as an uninterrupted one, and replicas that share each batch read
        the same batches as a single one.

        Args:
            seed: of the order.
            first_epoch: number of the first pass.
            epochs: number of the pass before which the dataset ends.
            share: the part of each batch that this process reads.
        """
        numbers = tf.data.Dataset.range(first_epoch, epochs)
        return self._merged(numbers.flat_map(lambda epoch: self._batches(self._order(seed, epoch), share)))

    def names_at(self, *, seed: int, epoch: int, step: int) -> list[str]:
        """Return the names of the glasses in the batch of a step of `shuffled`, for messages."""
        order = self._order(seed, tf.constant(epoch, tf.int64)).numpy()
        batch = order[step * self.batch_size : (step + 1) * self.batch_size]
        return [self.graphs[self._subsets[k][0]].name for k in batch]

    def subset(self, index: int) -> tuple[GlassGraph, np.ndarray]:
        """Return the graph of a subset and its loss weights f32[N]."""
        if index == _PADDING:
            return _padding(self.graphs[0]), np.zeros(1, np.float32)
        glass, patch = self._subsets[index]
        if self._patched:
            graph, atoms, core = self._patched[glass].extract(patch)
            return graph, np.where(core, self.weights[glass][atoms], np.float32(0))
        return self.graphs[glass], self.weights[glass]

    def _order(self, seed: int, epoch: tf.Tensor) -> tf.Tensor:
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        return tf.random.experimental.stateless_shuffle(tf.range(self.n_subsets, dtype=tf.int64), seed=key)

    def _batches(self, order: tf.Tensor, share: ReplicaSlice) -> tf.data.Dataset:
        size = self.batch_size // share.replicas
        if share.replicas > 1:
            missing = -order.shape[0] % self.batch_size
            order = tf.reshape(tf.pad(order, [[0, missing]], constant_values=_PADDING), [-1, share.replicas, size])
            order = tf.reshape(order[:, share.first : share.first + share.local], [-1])
        return tf.data.Dataset.from_tensor_slices(order).map(self._load).batch(size)

    def _load(self, number: tf.Tensor) -> tfgnn.GraphTensor:
        flat = tf.numpy_function(self._arrays, [number], [dtype for dtype, _ in self._fields.values()], stateful=False)
        shapes = {name: shape for name, (_, shape) in self._fields.items()}
        return assemble({name: tf.ensure_shape(x, shapes[name]) for name, x in zip(shapes, flat, strict=True)})

    def _arrays(self, number: np.int64) -> list[np.ndarray]:
        arrays = graph_arrays(*self.subset(int(number)))
        return [arrays[name] for name in self._fields]

    def _merged(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Return batches merged to components, without their readout, prefetched by one thread."""
        # Closing an iterator with autotuning takes a quarter of a second after each pass over the validation glasses.
        options = tf.data.Options()
        options.autotune.enabled = False
        merged = batches.map(lambda graph: split_readout(graph.merge_batch_to_components()))
        return merged.prefetch(1).with_options(options)


def _padding(like: GlassGraph) -> GlassGraph:
    """Return the graph of one atom of padding with a self-loop."""
    zero, origin = np.zeros(1, np.int32), np.zeros((1, 3), np.float32)
    return replace(
        like,
        atomic_numbers=zero,
        positions=origin,
        source=zero,
        target=zero,
        displacement=origin,
        barrier=np.zeros(1, np.float32),
        descriptors=None if like.descriptors is None else np.zeros_like(like.descriptors[:1]),
    )
