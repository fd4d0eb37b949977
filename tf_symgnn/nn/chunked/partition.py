"""Blocks of directed pairs that stay in cache, each with whole atoms so that no sum over an atom's pairs is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

# Numbers a block at most, at its widest: few enough to stay in cache (4 MB in single precision), and so many that what
# an operation costs besides its work does not count.
MOST_NUMBERS = 4096 * 256
# Pairs a block at most, of however few numbers each: there are to be blocks for many cores.
MOST_PAIRS = 8192
# Pairs of one atom that are summed at once: an atom of a metallic glass receives 33 on average within 5 A.
RUN_LENGTH = 48

Nest = Any  # tensors in tuples or dicts


class Rows(NamedTuple):
    """Tensors by what their rows stand for: E pairs, N atoms, or nothing that is cut into blocks."""

    edges: Nest = ()  # [E, ...]
    atoms: Nest = ()  # [N, ...]
    # Given: [N, ...] of atoms, of which a block gets the rows of its pairs' sources [E, ...]; what a function returns
    # of those [E, ...] is added up by source [N, ...], once all blocks are done: a sum carried from block to block
    # would have each wait for the one before.
    senders: Nest = ()
    shared: Nest = ()  # given to a function: [...]; returned by it: [...] a block, joined as [B, ...]
    kept: Nest = ()  # [., ...] of a block as one pass over the blocks left it for the next; TensorArrays of all blocks


class Runs(NamedTuple):
    """Pairs in rows of fixed length, each of one atom, so that sums over an atom's pairs are products of matrices.

    An atom that receives more pairs than fit has several, so that no atom, however many it receives, widens all.
    """

    first: tf.Tensor  # i32[R], the first pair of each run
    end: tf.Tensor  # i32[R], the pair after its last
    receiver: tf.Tensor  # i32[R], ascending
    slot: tf.Tensor  # i32[E], where in the runs laid end to end, each of RUN_LENGTH, a pair is

    @property
    def pairs(self) -> tf.Tensor:
        """i32[R, RUN_LENGTH], which pairs a run has; E where it has none."""
        pairs = self.first[:, tf.newaxis] + tf.range(RUN_LENGTH)
        return tf.where(pairs < self.end[:, tf.newaxis], pairs, tf.size(self.slot))


class Block(NamedTuple):
    """A stretch of atoms and of the pairs that they receive, each from the first to before the end; scalars i32."""

    number: tf.Tensor  # from 0
    first_edge: tf.Tensor
    end_edge: tf.Tensor
    first_atom: tf.Tensor
    end_atom: tf.Tensor
    first_run: tf.Tensor
    end_run: tf.Tensor
    blocks: Blocks  # that it is one of

    def cut(self, rows: Rows) -> Rows:
        """The block's part of whole tensors."""
        return Rows(
            tf.nest.map_structure(self.of_edges, rows.edges),
            tf.nest.map_structure(lambda x: x[self.first_atom : self.end_atom], rows.atoms),
            tf.nest.map_structure(lambda x: tf.gather(x, self.sender), rows.senders),
            rows.shared,
            tf.nest.map_structure(lambda x: x.read(self.number), rows.kept),
        )

    def of_edges(self, x: tf.Tensor) -> tf.Tensor:
        """The block's part of [E, ...]."""
        return x[self.first_edge : self.end_edge]

    @property
    def sender(self) -> tf.Tensor:
        """Which of all atoms sends each of the block's pairs."""
        return self.of_edges(self.blocks.source)

    def receiver(self, target: tf.Tensor) -> tf.Tensor:
        """Which of the block's atoms receives each of the block's pairs, by `target` i32[E] of all pairs."""
        return self.of_edges(target) - self.first_atom

    @property
    def runs(self) -> Runs:
        """The block's own, counted from its first pair and its first atom."""
        first, end, receiver = (x[self.first_run : self.end_run] for x in self.blocks.all_runs[:3])
        slot = self.of_edges(self.blocks.all_runs.slot) - RUN_LENGTH * self.first_run
        return Runs(first - self.first_edge, end - self.first_edge, receiver - self.first_atom, slot)


class Blocks(NamedTuple):
    """Where B blocks begin and end: the bounds i32[B + 1] of their pairs, atoms and runs."""

    edges: tf.Tensor
    atoms: tf.Tensor
    runs: tf.Tensor
    source: tf.Tensor  # i32[E], the atom that sends each pair
    all_runs: Runs

    @property
    def number(self) -> tf.Tensor:
        """B."""
        return tf.size(self.edges) - 1

    def __getitem__(self, k: tf.Tensor) -> Block:
        return Block(k, *(x[at] for x in (self.edges, self.atoms, self.runs) for at in (k, k + 1)), self)

    def by_sender(self, values: tf.Tensor, n_atoms: tf.Tensor) -> tf.Tensor:
        """Sums over the pairs that each atom sends, [E, ...] to [N, ...]."""
        half = tf.size(self.source) // 2  # for two cores at once: all blocks wait for this sum
        halves = ((x[:half], x[half:]) for x in (values, self.source))
        return tf.add_n([tf.math.unsorted_segment_sum(*given, n_atoms) for given in zip(*halves, strict=True)])


def cut_edges(n_edges: tf.Tensor, width: int) -> Blocks:
    """Blocks of pairs that are `width` numbers each at their widest, for functions that know of no atoms."""
    size = _pairs_a_block(width)
    edges = tf.minimum(size * tf.range(_number(n_edges, size) + 1), n_edges)
    none, nobody = tf.zeros_like(edges), tf.zeros([0], tf.int32)
    return Blocks(edges, none, none, nobody, Runs(nobody, nobody, nobody, nobody))


def cut_at_atoms(source: tf.Tensor, target: tf.Tensor, n_atoms: tf.Tensor, width: int) -> Blocks:
    """Blocks of whole atoms that receive about as many pairs as a block may have: each pair is in its atom's block.

    Args:
        source: i32[E], the atom that sends each pair.
        target: i32[E], the atom that receives each pair, ascending.
        n_atoms: N.
        width: numbers that a pair is at its widest.

    Raises:
        InvalidArgumentError: the targets do not ascend.
    """
    size = _pairs_a_block(width)
    tf.debugging.Assert(tf.reduce_all(target[1:] >= target[:-1]), ["pairs must be sorted by target"])
    inner = size * tf.range(1, _number(tf.size(target), size))
    atoms = tf.concat([[0], tf.gather(target, inner), [tf.cast(n_atoms, target.dtype)]], axis=0)
    edges, runs = tf.searchsorted(target, atoms, out_type=tf.int32), cut_into_runs(target)
    return Blocks(edges, atoms, tf.searchsorted(runs.first, edges, out_type=tf.int32), source, runs)


def cut_into_runs(target: tf.Tensor) -> Runs:
    """Runs of pairs by `target` i32[E], the atom that receives each, ascending."""
    pair, n_pairs = tf.range(tf.size(target)), tf.size(target)
    new = tf.concat([tf.ones_like(target[:1], tf.bool), target[1:] > target[:-1]], axis=0)
    begin = tf.gather(tf.boolean_mask(pair, new), tf.cumsum(tf.cast(new, tf.int32)) - 1)
    place = (pair - begin) % RUN_LENGTH
    first = tf.boolean_mask(pair, place == 0)
    slot = (tf.cumsum(tf.cast(place == 0, tf.int32)) - 1) * RUN_LENGTH + place
    return Runs(first, tf.concat([first, [n_pairs]], axis=0)[1:], tf.gather(target, first), slot)


def _pairs_a_block(width: int) -> int:
    return max(1, min(MOST_NUMBERS // width, MOST_PAIRS))


def _number(n_edges: tf.Tensor, size: int) -> tf.Tensor:
    """How many blocks there are: at least one, as atoms without any pair have a state too."""
    return tf.maximum((n_edges + size - 1) // size, 1)


@tf.custom_gradient
def to_pairs(values: tf.Tensor, receiver: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Values [A, C] of atoms at the pairs they receive [E, C]; `receiver` i32[E] ascends, which makes it fast."""
    return tf.gather(values, receiver), lambda above: (_sum(above, receiver, tf.shape(values)[0]), None)


@tf.custom_gradient
def to_atoms(values: tf.Tensor, receiver: tf.Tensor, n_atoms: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Sums over the pairs that each atom receives, [E, C] to [A, C]; `receiver` i32[E] ascends."""
    return _sum(values, receiver, n_atoms), lambda above: (tf.gather(above, receiver), None, None)


def _sum(values: tf.Tensor, receiver: tf.Tensor, n_atoms: tf.Tensor) -> tf.Tensor:
    found = tf.math.segment_sum(values, receiver)  # ends at the last atom that receives anything
    found = tf.pad(found, [[0, n_atoms - tf.shape(found)[0]], *[[0, 0]] * (values.shape.rank - 1)])
    return tf.ensure_shape(found, [None, *values.shape[1:]])


def to_runs(values: tf.Tensor, runs: Runs) -> tf.Tensor:
    """Values [E, C] of a block's pairs in their runs [R, RUN_LENGTH, C], zero where there is no pair."""

    @tf.custom_gradient
    def moved(values: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(above: tf.Tensor) -> tf.Tensor:
            return tf.gather(tf.reshape(above, [-1, values.shape[1]]), runs.slot)

        return tf.gather(tf.pad(values, [[0, 1], [0, 0]]), runs.pairs), gradient

    return moved(values)
