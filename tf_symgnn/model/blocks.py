"""Functions of directed pairs computed in blocks that stay in cache, and computed again for the gradient.

What a layer makes of a pair is many times wider than the pair's state. Writing it out for a whole glass is bound by
memory, so a function is called on one block of pairs after another, and its gradient calls it again on each block:
only its inputs and outputs are ever kept whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

# Pairs a block: few enough for the widest state (256 numbers a pair) to stay in cache, enough to keep cores busy.
BLOCK_SIZE = 8192


Tensors = tuple[tf.Tensor, ...]


class Rows(NamedTuple):
    """Tensors by what their rows stand for: E pairs, N atoms, or nothing that is cut into blocks."""

    edges: tuple[tf.Tensor, ...] = ()  # [E, ...]
    atoms: tuple[tf.Tensor, ...] = ()  # [N, ...]
    shared: tuple[tf.Tensor, ...] = ()  # given to a function: [...]; returned: [...] of each block, joined as [B, ...]


class Block(NamedTuple):
    """A run of atoms and of the pairs that they receive, each from the first to before the last."""

    first_edge: tf.Tensor
    last_edge: tf.Tensor
    first_atom: tf.Tensor
    last_atom: tf.Tensor

    def cut(self, rows: Rows) -> Rows:
        """The block's part of whole tensors."""
        return Rows(
            tuple(x[self.first_edge : self.last_edge] for x in rows.edges),
            tuple(x[self.first_atom : self.last_atom] for x in rows.atoms),
            rows.shared,
        )

    def receivers(self, target: tf.Tensor) -> tf.Tensor:
        """Which of the block's atoms receives each of the block's pairs, by `target` i32[E] of all pairs."""
        return target[self.first_edge : self.last_edge] - self.first_atom


class Blocks(NamedTuple):
    """Where blocks begin and end: B blocks, and the bounds i32[B + 1] of their pairs and of their atoms."""

    edges: tf.Tensor
    atoms: tf.Tensor

    @property
    def number(self) -> tf.Tensor:
        """B."""
        return tf.size(self.edges) - 1

    def __getitem__(self, k: tf.Tensor) -> Block:
        return Block(self.edges[k], self.edges[k + 1], self.atoms[k], self.atoms[k + 1])


def cut_edges(n_edges: tf.Tensor, size: int | None = None) -> Blocks:
    """Blocks of `size` pairs, for functions that know of no atoms."""
    size = size or BLOCK_SIZE
    edges = tf.minimum(size * tf.range(_number(n_edges, size) + 1), n_edges)
    return Blocks(edges, tf.zeros_like(edges))


def cut_at_atoms(target: tf.Tensor, n_atoms: tf.Tensor, size: int | None = None) -> Blocks:
    """Blocks of whole atoms that receive about `size` pairs, so that each pair is in its atom's block.

    Args:
        target: i32[E], the atom that receives each pair, ascending.
        n_atoms: N.
        size: pairs a block.

    Raises:
        InvalidArgumentError: the targets do not ascend.
    """
    size = size or BLOCK_SIZE
    tf.debugging.Assert(tf.reduce_all(target[1:] >= target[:-1]), ["pairs must be sorted by target"])
    inner = size * tf.range(1, _number(tf.size(target), size))
    atoms = tf.concat([[0], tf.gather(target, inner), [tf.cast(n_atoms, target.dtype)]], axis=0)
    return Blocks(tf.searchsorted(target, atoms, out_type=tf.int32), atoms)


def _number(n_edges: tf.Tensor, size: int) -> tf.Tensor:
    """How many blocks there are: at least one, as atoms without any pair have a state too."""
    return tf.maximum((n_edges + size - 1) // size, 1)


def blockwise(fn: Callable[[Block, Rows], Rows], blocks: Blocks, rows: Rows) -> Rows:
    """Calls `fn` on each block's part of `rows` and joins what it returns; the gradient calls it once more.

    What `fn` closes over gets no gradient. Second derivatives are not to be had.

    Args:
        fn: takes a block and its part of `rows`; returns rows of its pairs, of its atoms, and shared ones.
        blocks: that cut `rows`.
        rows: floating tensors, the whole.

    Returns:
        Rows of all pairs and all atoms; of `shared` one a block, [B, ...].
    """
    like = _on_no_pairs(fn, rows)

    @tf.custom_gradient
    def joined(*flat: tf.Tensor) -> tuple:
        given = tf.nest.pack_sequence_as(rows, flat)
        made = _each_block(lambda k: fn(blocks[k], blocks[k].cut(given)), blocks, like)

        def gradient(*flat_above: tf.Tensor) -> list[tf.Tensor]:
            above = tf.nest.pack_sequence_as(made, flat_above)
            return tf.nest.flatten(_pull_back(fn, blocks, given, above))

        return tf.nest.flatten(made), gradient

    return tf.nest.pack_sequence_as(like, joined(*tf.nest.flatten(rows)))


class TwoPasses(NamedTuple):
    """A function of pairs that must have seen all of them before it can finish one, as batch normalisation must."""

    expand: Callable[[Block, Rows], tf.Tensor]  # what both passes need of a pair, too wide to keep
    collect: Callable[[Block, Rows, tf.Tensor], Rows]  # first pass: rows of atoms, and shared rows
    settle: Callable[[Tensors, Tensors], Tensors]  # between: from shared rows [B, ...] and `settings`
    finish: Callable[[Block, Rows, tf.Tensor, Tensors], Tensors]  # second pass: rows of pairs, from what is settled


def blockwise_twice(passes: TwoPasses, blocks: Blocks, rows: Rows, settings: Tensors) -> Rows:
    """Like `blockwise`, for a function in two passes.

    Two calls of `blockwise` would give the same, and compute the gradient of what is expanded twice.

    Returns:
        Rows of all pairs (second pass) and all atoms, and shared rows [B, ...] (first pass).
    """

    def both(block: Block, part: Rows, settled: Tensors) -> Rows:
        wide = passes.expand(block, part)
        return passes.collect(block, part, wide)._replace(edges=passes.finish(block, part, wide, settled))

    def first(block: Block, part: Rows) -> Rows:
        return passes.collect(block, part, passes.expand(block, part))

    like_first = _on_no_pairs(first, rows)
    like = like_first._replace(edges=rows.edges[-1:])

    @tf.custom_gradient
    def joined(*flat: tf.Tensor) -> tuple:
        given, settings_ = tf.nest.pack_sequence_as((rows, settings), flat)
        collected = _each_block(lambda k: first(blocks[k], blocks[k].cut(given)), blocks, like_first)
        settled = passes.settle(collected.shared, settings_)

        def second(block: Block, part: Rows, settled: Tensors) -> Rows:
            return Rows(edges=passes.finish(block, part, passes.expand(block, part), settled))

        finished = _each_block(
            lambda k: second(blocks[k], blocks[k].cut(given), settled), blocks, Rows(edges=like.edges)
        )
        made = collected._replace(edges=finished.edges)

        def gradient(*flat_above: tf.Tensor) -> list[tf.Tensor]:
            above = tf.nest.pack_sequence_as(made, flat_above)

            def pull_settled(k: tf.Tensor) -> Rows:
                part = blocks[k].cut(given)
                wide = passes.expand(blocks[k], part)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(settled)
                    again = passes.finish(blocks[k], part, wide, settled)
                return Rows(shared=tape.gradient(again, settled, blocks[k].cut(above).edges))

            above_settled = _total(_each_block(pull_settled, blocks, Rows(shared=settled))).shared
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch((collected.shared, settings_))
                again = passes.settle(collected.shared, settings_)
            above_shared, above_settings = tape.gradient(again, (collected.shared, settings_), above_settled)
            above = above._replace(shared=tuple(x + y for x, y in zip(above.shared, above_shared, strict=True)))
            pulled = _pull_back(lambda block, part: both(block, part, settled), blocks, given, above)
            return tf.nest.flatten((pulled, above_settings))

        return tf.nest.flatten(made), gradient

    return tf.nest.pack_sequence_as(like, joined(*tf.nest.flatten((rows, settings))))


def _pull_back(fn: Callable[[Block, Rows], Rows], blocks: Blocks, given: Rows, above: Rows) -> Rows:
    """The gradient of `fn` with respect to `given`, from the gradient `above` of what it returned."""

    def pull(k: tf.Tensor) -> Rows:
        part = blocks[k].cut(given)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(part)
            again = fn(blocks[k], part)
        above_part = blocks[k].cut(above)._replace(shared=tuple(x[k] for x in above.shared))
        return tape.gradient(again, part, above_part, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return _total(_each_block(pull, blocks, like=given))


def _total(rows: Rows) -> Rows:
    return rows._replace(shared=tuple(tf.reduce_sum(x, axis=0) for x in rows.shared))


def _on_no_pairs(fn: Callable[[Block, Rows], Rows], rows: Rows) -> Rows:
    """What `fn` returns, in structure, dtypes and shapes but for the first axis."""
    empty = Block(*(tf.zeros((), tf.int32) for _ in Block._fields))
    return fn(empty, empty.cut(tf.nest.map_structure(tf.stop_gradient, rows)))


def _each_block(fn: Callable[[tf.Tensor], Rows], blocks: Blocks, like: Rows) -> Rows:
    """Rows of `fn` at each block's number, joined; `like` has their structure, dtypes and shapes but for the first."""

    def array(x: tf.Tensor, shape: tf.TensorShape) -> tf.TensorArray:
        return tf.TensorArray(x.dtype, blocks.number, element_shape=shape, infer_shape=False)

    cut = Rows(*([array(x, [None, *x.shape[1:]]) for x in rows] for rows in like[:2]), [])
    cut = cut._replace(shared=[array(x, x.shape) for x in like.shared])

    def step(k: tf.Tensor, *arrays: tf.TensorArray) -> tuple:
        return k + 1, *(array.write(k, x) for array, x in zip(arrays, tf.nest.flatten(fn(k)), strict=True))

    _, *arrays = tf.while_loop(lambda k, *_: k < blocks.number, step, (0, *tf.nest.flatten(cut)), parallel_iterations=1)
    found = tf.nest.pack_sequence_as(cut, arrays)
    return Rows(
        tuple(array.concat() for array in found.edges),
        tuple(array.concat() for array in found.atoms),
        tuple(array.stack() for array in found.shared),
    )


@tf.custom_gradient
def to_pairs(values: tf.Tensor, receiver: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Values [A, C] of atoms at the pairs they receive [E, C]; `receiver` i32[E] ascends, which makes both ways fast."""
    return tf.gather(values, receiver), lambda above: (_sum(above, receiver, tf.shape(values)[0]), None)


@tf.custom_gradient
def to_atoms(values: tf.Tensor, receiver: tf.Tensor, n_atoms: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Sums over the pairs that each atom receives, [E, C] to [A, C]; `receiver` i32[E] ascends."""
    return _sum(values, receiver, n_atoms), lambda above: (tf.gather(above, receiver), None, None)


def _sum(values: tf.Tensor, receiver: tf.Tensor, n_atoms: tf.Tensor) -> tf.Tensor:
    found = tf.math.segment_sum(values, receiver)  # ends at the last atom that receives anything
    found = tf.pad(found, [[0, n_atoms - tf.shape(found)[0]], *[[0, 0]] * (values.shape.rank - 1)])
    return tf.ensure_shape(found, [None, *values.shape[1:]])
