"""Partition of the directed pairs of a graph into chunks that stay in cache, each with all pairs of its atoms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

# Numbers in the widest tensor of a chunk: 4 MB in single precision fit into the cache of a core, and are so many that
# the fixed cost of an operation does not count.
MAX_CHUNK_ELEMENTS = 4096 * 256
# Pairs of a chunk, however narrow they are, so that there is a chunk for every core.
MAX_CHUNK_PAIRS = 8192
# Pairs in one padded segment. An atom of a metallic glass receives 33 pairs on average within 5 A.
SEGMENT_LENGTH = 48

Nest = Any  # tensors in tuples or dicts


class ChunkTensors(NamedTuple):
    """Tensors by what their rows stand for: E pairs, N atoms, or nothing that is divided into chunks.

    Attributes:
        edges: [E, ...].
        atoms: [N, ...].
        senders: [N, ...] as an input, of which a chunk receives the rows of its pairs' sources [E, ...]. What a chunk
            function returns [E, ...] is summed by source [N, ...] once all chunks are done: a sum carried from chunk to
            chunk would have each wait for the one before.
        shared: [...] as an input; what a chunk function returns is stacked as [number of chunks, ...].
        residuals: [., ...] of a chunk, stored by one pass over the chunks for the next; TensorArrays of all chunks.
    """

    edges: Nest = ()
    atoms: Nest = ()
    senders: Nest = ()
    shared: Nest = ()
    residuals: Nest = ()


class PaddedSegments(NamedTuple):
    """Pairs in rows of fixed length, each of one atom, so that sums over an atom's pairs are matrix products.

    An atom that receives more pairs than a row holds has several rows, so that it does not widen the rows of others.

    Attributes:
        first: i32[R], the first pair of each segment.
        end: i32[R], the pair after its last.
        receiver: i32[R], ascending.
        slot: i32[E], the place of each pair in the flattened array [R * SEGMENT_LENGTH].
    """

    first: tf.Tensor
    end: tf.Tensor
    receiver: tf.Tensor
    slot: tf.Tensor

    @property
    def pairs(self) -> tf.Tensor:
        """Return the pairs of each segment, i32[R, SEGMENT_LENGTH]; E where there is none."""
        pairs = self.first[:, tf.newaxis] + tf.range(SEGMENT_LENGTH)
        return tf.where(pairs < self.end[:, tf.newaxis], pairs, tf.size(self.slot))


class Chunk(NamedTuple):
    """Consecutive atoms and the pairs that they receive, as scalars i32 from the first to before the end.

    Attributes:
        number: from 0.
        partition: that the chunk is one of.
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
        """Return the chunk's part of whole tensors."""
        return ChunkTensors(
            edges=tf.nest.map_structure(self.of_edges, tensors.edges),
            atoms=tf.nest.map_structure(lambda x: x[self.first_atom : self.end_atom], tensors.atoms),
            senders=tf.nest.map_structure(lambda x: tf.gather(x, self.sender), tensors.senders),
            shared=tensors.shared,
            residuals=tf.nest.map_structure(lambda x: x.read(self.number), tensors.residuals),
        )

    def of_edges(self, x: tf.Tensor) -> tf.Tensor:
        """Return the chunk's part of [E, ...]."""
        return x[self.first_edge : self.end_edge]

    @property
    def n_atoms(self) -> tf.Tensor:
        """Return the number of the chunk's atoms."""
        return self.end_atom - self.first_atom

    @property
    def sender(self) -> tf.Tensor:
        """Return the index, among all atoms, of the sender of each of the chunk's pairs."""
        return self.of_edges(self.partition.source)

    def receiver(self, target: tf.Tensor) -> tf.Tensor:
        """Return the index, among the chunk's atoms, of each pair's receiver, from `target` i32[E] of all pairs."""
        return self.of_edges(target) - self.first_atom

    @property
    def segments(self) -> PaddedSegments:
        """Return the chunk's segments, counted from its first pair and its first atom."""
        every = self.partition.segments
        first, end, receiver = (x[self.first_segment : self.end_segment] for x in every[:3])
        slot = self.of_edges(every.slot) - SEGMENT_LENGTH * self.first_segment
        return PaddedSegments(first - self.first_edge, end - self.first_edge, receiver - self.first_atom, slot)


class Partition(NamedTuple):
    """The bounds i32[B + 1] of the pairs, atoms and segments of B chunks.

    Attributes:
        source: i32[E], the atom that sends each pair.
        segments: of all pairs.
    """

    edges: tf.Tensor
    atoms: tf.Tensor
    segment_bounds: tf.Tensor
    source: tf.Tensor
    segments: PaddedSegments

    @property
    def number(self) -> tf.Tensor:
        """Return B."""
        return tf.size(self.edges) - 1

    def __getitem__(self, k: tf.Tensor) -> Chunk:
        bounds = (self.edges, self.atoms, self.segment_bounds)
        return Chunk(k, *(bound[at] for bound in bounds for at in (k, k + 1)), self)

    def sum_by_sender(self, values: tf.Tensor, n_atoms: tf.Tensor) -> tf.Tensor:
        """Return sums over the pairs that each atom sends, [E, ...] to [N, ...]."""
        half = tf.size(self.source) // 2  # for two cores at once: all chunks wait for this sum
        halves = ((x[:half], x[half:]) for x in (values, self.source))
        return tf.add_n([tf.math.unsorted_segment_sum(*part, n_atoms) for part in zip(*halves, strict=True)])


def partition_edges(n_edges: tf.Tensor, width: int) -> Partition:
    """Return chunks of pairs that are `width` numbers each at their widest, for functions of pairs alone."""
    size = _pairs_per_chunk(width)
    edges = tf.minimum(size * tf.range(_n_chunks(n_edges, size) + 1), n_edges)
    none, empty = tf.zeros_like(edges), tf.zeros([0], tf.int32)
    return Partition(edges, none, none, empty, PaddedSegments(empty, empty, empty, empty))


def partition_at_atoms(source: tf.Tensor, target: tf.Tensor, n_atoms: tf.Tensor, width: int) -> Partition:
    """Return chunks of whole atoms: each pair is in the chunk of the atom that receives it.

    Args:
        source: i32[E], the atom that sends each pair.
        target: i32[E], the atom that receives each pair, ascending.
        n_atoms: N.
        width: numbers of a pair in the widest tensor.

    Raises:
        InvalidArgumentError: the targets do not ascend.
    """
    size = _pairs_per_chunk(width)
    tf.debugging.Assert(tf.reduce_all(target[1:] >= target[:-1]), ["pairs must be sorted by target"])
    inner = size * tf.range(1, _n_chunks(tf.size(target), size))
    atoms = tf.concat([[0], tf.gather(target, inner), [tf.cast(n_atoms, target.dtype)]], axis=0)
    edges, segments = tf.searchsorted(target, atoms, out_type=tf.int32), padded_segments(target)
    return Partition(edges, atoms, tf.searchsorted(segments.first, edges, out_type=tf.int32), source, segments)


def padded_segments(target: tf.Tensor) -> PaddedSegments:
    """Return the segments of pairs whose receivers are `target` i32[E], ascending."""
    pair, n_pairs = tf.range(tf.size(target)), tf.size(target)
    new = tf.concat([tf.ones_like(target[:1], tf.bool), target[1:] > target[:-1]], axis=0)
    begin = tf.gather(tf.boolean_mask(pair, new), tf.cumsum(tf.cast(new, tf.int32)) - 1)
    place = (pair - begin) % SEGMENT_LENGTH
    first = tf.boolean_mask(pair, place == 0)
    slot = (tf.cumsum(tf.cast(place == 0, tf.int32)) - 1) * SEGMENT_LENGTH + place
    return PaddedSegments(first, tf.concat([first, [n_pairs]], axis=0)[1:], tf.gather(target, first), slot)


def _pairs_per_chunk(width: int) -> int:
    return max(1, min(MAX_CHUNK_ELEMENTS // width, MAX_CHUNK_PAIRS))


def _n_chunks(n_edges: tf.Tensor, size: int) -> tf.Tensor:
    """Return the number of chunks: at least one, as atoms without any pair have a state too."""
    return tf.maximum((n_edges + size - 1) // size, 1)


@tf.custom_gradient
def gather_receiver(values: tf.Tensor, receiver: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Return values [A, C] of atoms at the pairs they receive [E, C]; `receiver` i32[E] ascends, which is fast."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return _sorted_sum(upstream, receiver, tf.shape(values)[0]), None

    return tf.gather(values, receiver), gradient


@tf.custom_gradient
def sum_by_receiver(values: tf.Tensor, receiver: tf.Tensor, n_atoms: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Return sums over the pairs that each atom receives, [E, C] to [A, C]; `receiver` i32[E] ascends."""
    return _sorted_sum(values, receiver, n_atoms), lambda upstream: (tf.gather(upstream, receiver), None, None)


def _sorted_sum(values: tf.Tensor, receiver: tf.Tensor, n_atoms: tf.Tensor) -> tf.Tensor:
    sums = tf.math.segment_sum(values, receiver)  # ends at the last atom that receives anything
    sums = tf.pad(sums, [[0, n_atoms - tf.shape(sums)[0]], *[[0, 0]] * (values.shape.rank - 1)])
    return tf.ensure_shape(sums, [None, *values.shape[1:]])


def to_segments(values: tf.Tensor, segments: PaddedSegments) -> tf.Tensor:
    """Return values [E, C] of a chunk's pairs in their segments [R, SEGMENT_LENGTH, C], zero where there is no pair."""

    @tf.custom_gradient
    def padded(values: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.gather(tf.reshape(upstream, [-1, values.shape[1]]), segments.slot)

        return tf.gather(tf.pad(values, [[0, 1], [0, 0]]), segments.pairs), gradient

    return padded(values)
