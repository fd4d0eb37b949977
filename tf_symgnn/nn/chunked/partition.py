"""Partition of the directed pairs of a graph into chunks that fit into a CPU cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

# Elements of the widest tensor of a chunk. 4 MB in single precision fit into the cache of a core, and are enough that
# the overhead of an operation is negligible.
MAX_CHUNK_ELEMENTS = 4096 * 256
# Pairs of a chunk. This limits narrow tensors, so that each core gets a chunk.
MAX_CHUNK_PAIRS = 8192
# Pairs of a padded segment. An atom of a metallic glass receives 33 pairs on average within 5 A.
SEGMENT_LENGTH = 48

Nest = Any  # tensors in tuples or dicts


class ChunkTensors(NamedTuple):
    """Tensors grouped by their first axis.

    Attributes:
        edges: [E, ...], one row per pair.
        atoms: [N, ...], one row per atom.
        senders: inputs [N, ...], of which a chunk receives the row of the sender of each pair, [E, ...]. Outputs
            [E, ...] are summed by sender, [N, ...], after all chunks, since a running sum would serialize the chunks.
        shared: inputs [...] that each chunk receives whole; outputs are stacked by chunk, [B, ...].
        residuals: tensors that one pass stores for the next; of all chunks, TensorArrays with one element per chunk.
    """

    edges: Nest = ()
    atoms: Nest = ()
    senders: Nest = ()
    shared: Nest = ()
    residuals: Nest = ()


class PaddedSegments(NamedTuple):
    """Pairs in segments of fixed length with one receiver each, so that sums over incoming pairs are matrix products.

    An atom that receives more pairs than a segment holds has several segments.

    Attributes:
        first: i32[R], the first pair of each segment.
        end: i32[R], one past the last pair of each segment.
        receiver: i32[R], the receiver of each segment, ascending.
        slot: i32[E], the position of each pair in the flattened array [R * SEGMENT_LENGTH].
    """

    first: tf.Tensor
    end: tf.Tensor
    receiver: tf.Tensor
    slot: tf.Tensor

    @property
    def pairs(self) -> tf.Tensor:
        """Return the pairs of each segment, i32[R, SEGMENT_LENGTH]; the number of pairs E marks padding."""
        pairs = self.first[:, tf.newaxis] + tf.range(SEGMENT_LENGTH)
        return tf.where(pairs < self.end[:, tf.newaxis], pairs, tf.size(self.slot))


class Chunk(NamedTuple):
    """Consecutive atoms and the pairs that they receive.

    Attributes:
        number: of the chunk, from 0.
        first_edge, end_edge: its range of pairs; the end is exclusive.
        first_atom, end_atom: its range of atoms.
        first_segment, end_segment: its range of padded segments.
        partition: that contains the chunk.
    """

    number: tf.Tensor
    first_edge: tf.Tensor
    end_edge: tf.Tensor
    first_atom: tf.Tensor
    end_atom: tf.Tensor
    first_segment: tf.Tensor
    end_segment: tf.Tensor
    partition: Partition

    def take(self, tensors: ChunkTensors) -> ChunkTensors:
        """Return the part of the chunk of tensors of all pairs and atoms."""
        return ChunkTensors(
            edges=tf.nest.map_structure(self.of_edges, tensors.edges),
            atoms=tf.nest.map_structure(lambda x: x[self.first_atom : self.end_atom], tensors.atoms),
            senders=tf.nest.map_structure(lambda x: tf.gather(x, self.sender), tensors.senders),
            shared=tensors.shared,
            residuals=tf.nest.map_structure(lambda x: x.read(self.number), tensors.residuals),
        )

    def of_edges(self, x: tf.Tensor) -> tf.Tensor:
        """Return the rows of the pairs of the chunk of a tensor [E, ...] of all pairs."""
        return x[self.first_edge : self.end_edge]

    @property
    def n_atoms(self) -> tf.Tensor:
        """Return the number of atoms of the chunk."""
        return self.end_atom - self.first_atom

    @property
    def sender(self) -> tf.Tensor:
        """Return the sender of each pair of the chunk, as an index of all atoms."""
        return self.of_edges(self.partition.source)

    def receiver(self, target: tf.Tensor) -> tf.Tensor:
        """Return the receiver of each pair as an index of the atoms of the chunk, from `target` i32[E] of all pairs."""
        return self.of_edges(target) - self.first_atom

    @property
    def segments(self) -> PaddedSegments:
        """Return the segments of the chunk, with indices that start at its first pair and its first atom."""
        segments = self.partition.segments
        first, end, receiver = (x[self.first_segment : self.end_segment] for x in segments[:3])
        slot = self.of_edges(segments.slot) - SEGMENT_LENGTH * self.first_segment
        return PaddedSegments(first - self.first_edge, end - self.first_edge, receiver - self.first_atom, slot)


class Partition(NamedTuple):
    """A partition of pairs into B chunks.

    Attributes:
        edges: i32[B + 1], the bounds of the pairs of each chunk.
        atoms: i32[B + 1], the bounds of the atoms of each chunk.
        segment_bounds: i32[B + 1], the bounds of the segments of each chunk.
        source: i32[E], the sender of each pair.
        segments: of all pairs.
    """

    edges: tf.Tensor
    atoms: tf.Tensor
    segment_bounds: tf.Tensor
    source: tf.Tensor
    segments: PaddedSegments

    @property
    def number(self) -> tf.Tensor:
        """Return the number of chunks B."""
        return tf.size(self.edges) - 1

    def __getitem__(self, k: tf.Tensor) -> Chunk:
        bounds = (self.edges, self.atoms, self.segment_bounds)
        return Chunk(k, *(bound[i] for bound in bounds for i in (k, k + 1)), self)

    def sum_by_sender(self, values: tf.Tensor, n_atoms: tf.Tensor) -> tf.Tensor:
        """Return sums of values [E, ...] over the pairs that each atom sends, [N, ...]."""
        # All chunks wait for this sum, so two cores compute it.
        half = tf.size(self.source) // 2
        halves = ((x[:half], x[half:]) for x in (values, self.source))
        return tf.add_n([tf.math.unsorted_segment_sum(*part, n_atoms) for part in zip(*halves, strict=True)])


def partition_edges(n_edges: tf.Tensor, width: int) -> Partition:
    """Return a partition without regard to atoms, for functions of single pairs.

    Args:
        n_edges: number of pairs.
        width: elements per pair of the widest tensor.
    """
    size = _pairs_per_chunk(width)
    edges = tf.minimum(size * tf.range(_n_chunks(n_edges, size) + 1), n_edges)
    zeros, empty = tf.zeros_like(edges), tf.zeros([0], tf.int32)
    return Partition(edges, zeros, zeros, empty, PaddedSegments(empty, empty, empty, empty))


def partition_at_atoms(source: tf.Tensor, target: tf.Tensor, n_atoms: tf.Tensor, width: int) -> Partition:
    """Return a partition in which each chunk has all pairs that its atoms receive.

    Args:
        source: i32[E], the sender of each pair.
        target: i32[E], the receiver of each pair, ascending.
        n_atoms: number of atoms N.
        width: elements per pair of the widest tensor.

    Raises:
        InvalidArgumentError: `target` is not ascending.
    """
    size = _pairs_per_chunk(width)
    tf.debugging.Assert(tf.reduce_all(target[1:] >= target[:-1]), ["pairs must be sorted by target"])
    inner = size * tf.range(1, _n_chunks(tf.size(target), size))
    atoms = tf.concat([[0], tf.gather(target, inner), [tf.cast(n_atoms, target.dtype)]], axis=0)
    edges, segments = tf.searchsorted(target, atoms, out_type=tf.int32), padded_segments(target)
    return Partition(edges, atoms, tf.searchsorted(segments.first, edges, out_type=tf.int32), source, segments)


def padded_segments(target: tf.Tensor) -> PaddedSegments:
    """Return the padded segments of pairs with receivers `target` i32[E], ascending."""
    pair, n_pairs = tf.range(tf.size(target)), tf.size(target)
    starts = tf.concat([tf.ones_like(target[:1], tf.bool), target[1:] > target[:-1]], axis=0)
    begin = tf.gather(tf.boolean_mask(pair, starts), tf.cumsum(tf.cast(starts, tf.int32)) - 1)
    position = (pair - begin) % SEGMENT_LENGTH
    first = tf.boolean_mask(pair, position == 0)
    slot = (tf.cumsum(tf.cast(position == 0, tf.int32)) - 1) * SEGMENT_LENGTH + position
    return PaddedSegments(first, tf.concat([first, [n_pairs]], axis=0)[1:], tf.gather(target, first), slot)


def _pairs_per_chunk(width: int) -> int:
    return max(1, min(MAX_CHUNK_ELEMENTS // width, MAX_CHUNK_PAIRS))


def _n_chunks(n_edges: tf.Tensor, size: int) -> tf.Tensor:
    """Return the number of chunks: at least one, since a glass without pairs has atoms."""
    return tf.maximum((n_edges + size - 1) // size, 1)


@tf.custom_gradient
def gather_receiver(values: tf.Tensor, receiver: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Return values [A, C] of atoms at the pairs that they receive, [E, C].

    `receiver` i32[E] is ascending, which makes the gradient faster than that of `tf.gather`.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return _sorted_sum(upstream, receiver, tf.shape(values)[0]), None

    return tf.gather(values, receiver), gradient


@tf.custom_gradient
def sum_by_receiver(values: tf.Tensor, receiver: tf.Tensor, n_atoms: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Return sums of values [E, C] over the pairs that each atom receives, [A, C]; `receiver` i32[E] is ascending."""
    return _sorted_sum(values, receiver, n_atoms), lambda upstream: (tf.gather(upstream, receiver), None, None)


def _sorted_sum(values: tf.Tensor, receiver: tf.Tensor, n_atoms: tf.Tensor) -> tf.Tensor:
    # `segment_sum` ends at the last atom that receives a pair.
    sums = tf.math.segment_sum(values, receiver)
    sums = tf.pad(sums, [[0, n_atoms - tf.shape(sums)[0]], *[[0, 0]] * (values.shape.rank - 1)])
    return tf.ensure_shape(sums, [None, *values.shape[1:]])


def to_segments(values: tf.Tensor, segments: PaddedSegments) -> tf.Tensor:
    """Return values [E, C] of pairs in their padded segments [R, SEGMENT_LENGTH, C], zero for padding."""

    @tf.custom_gradient
    def padded(values: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.gather(tf.reshape(upstream, [-1, values.shape[1]]), segments.slot)

        return tf.gather(tf.pad(values, [[0, 1], [0, 0]]), segments.pairs), gradient

    return padded(values)
