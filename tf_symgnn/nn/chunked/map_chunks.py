"""Functions of pairs called on one block after another, and once more on each for the gradient.

What a layer makes of a pair is many times wider than the pair's state. Written out for a whole glass it is bound by
memory; in blocks it stays in cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from tf_symgnn import runtime
from tf_symgnn.nn.chunked.partition import Block, Blocks, Nest, Rows

BlockFunction = Callable[[Block, Rows], Rows]


def blockwise(fn: BlockFunction, blocks: Blocks, rows: Rows) -> Rows:
    """Calls `fn` on each block's part of `rows` and joins what it returns.

    What `fn` closes over gets no gradient, and there are no second derivatives.

    Args:
        fn: takes a block and its part of `rows`; returns rows of its pairs, of its atoms, and shared ones.
        blocks: that cut `rows`.
        rows: floating tensors, the whole.

    Returns:
        Rows of all pairs and all atoms; of `shared` one a block, [B, ...].
    """

    @tf.custom_gradient
    def joined(*flat: tf.Tensor) -> tuple:
        given = tf.nest.pack_sequence_as(rows, flat)
        made = _each_block(fn, blocks, given)

        def gradient(*above: tf.Tensor) -> list[tf.Tensor]:
            return tf.nest.flatten(_pull_back(fn, blocks, given, tf.nest.pack_sequence_as(made, above)))

        return made, gradient

    return joined(*_tensors(rows))


class TwoPasses(Protocol):
    """A function of pairs that must have seen all of them before it finishes one, as batch normalisation must.

    What is wide stays in memory from one pass to the next, forwards and then again backwards. To keep it from forwards
    to backwards, that of all layers at once, was measured to save no time.
    """

    def expand(self, block: Block, part: Rows) -> tf.Tensor:
        """What both passes need of a pair, many times wider than what is given: `part.kept`, if that is there."""

    def collect(self, block: Block, part: Rows, wide: tf.Tensor) -> Rows:
        """The first pass: rows of atoms, and shared rows."""

    def settle(self, shared: Nest, settings: Nest) -> Nest:
        """Between the passes: what the second needs to know, from the shared rows [B, ...] of all blocks."""

    def finish(self, block: Block, part: Rows, wide: tf.Tensor, settled: Nest) -> Nest:
        """The second pass: rows of pairs."""


def in_one_pass(passes: TwoPasses, block: Block, part: Rows, settled: Nest) -> Rows:
    """Both passes at once, where what is settled is known before."""
    wide = passes.expand(block, part)
    return passes.collect(block, part, wide)._replace(edges=passes.finish(block, part, wide, settled))


def blockwise_in_two_passes(passes: TwoPasses, blocks: Blocks, rows: Rows, settings: Nest) -> Rows:
    """Like `blockwise`, for a function in two passes.

    Two calls of `blockwise` would give the same, and take the gradient of what is expanded twice.

    Returns:
        Rows of all pairs from the second pass; rows of all atoms, and shared rows [B, ...], from the first.
    """

    def first(block: Block, part: Rows) -> Rows:
        wide = passes.expand(block, part)
        return passes.collect(block, part, wide)._replace(kept=wide)

    @tf.custom_gradient
    def joined(*flat: tf.Tensor) -> tuple:
        given, chosen = tf.nest.pack_sequence_as((rows, settings), flat)
        collected = _each_block(first, blocks, given)
        settled = passes.settle(collected.shared, chosen)

        def second(block: Block, part: Rows) -> Rows:
            return Rows(edges=passes.finish(block, part, part.kept, settled))

        finished = _each_block(second, blocks, given._replace(kept=collected.kept))
        made = collected._replace(edges=finished.edges, kept=())

        def gradient(*flat_above: tf.Tensor) -> list[tf.Tensor]:
            above = tf.nest.pack_sequence_as(made, flat_above)
            above_settled, wide = _pull_back_settled(passes, blocks, given, settled, above.edges)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch((collected.shared, chosen))
                again = passes.settle(collected.shared, chosen)
            above_shared, above_chosen = tape.gradient(again, (collected.shared, chosen), above_settled)
            above = above._replace(shared=tf.nest.map_structure(tf.add, above.shared, above_shared))
            given_wide = given._replace(kept=wide)
            pulled = _pull_back(lambda *block: in_one_pass(passes, *block, settled), blocks, given_wide, above)
            return tf.nest.flatten((pulled, above_chosen))

        return made, gradient

    return joined(*_tensors((rows, settings)))


def _tensors(nest: Nest) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(x) for x in tf.nest.flatten(nest)]  # variables as Keras casts them here and now


def _pull_back_settled(
    passes: TwoPasses, blocks: Blocks, given: Rows, settled: Nest, above_edges: Nest
) -> tuple[Nest, Nest]:
    """The gradient of the second pass with respect to what was settled before it; and what is wide, of each block."""

    def pull(block: Block, part: Rows) -> Rows:
        wide = passes.expand(block, part)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(settled)
            again = passes.finish(block, part, wide, settled)
        above = tf.nest.map_structure(block.of_edges, above_edges)
        return Rows(shared=tape.gradient(again, settled, above), kept=wide)

    pulled = _each_block(pull, blocks, given)
    return _total(pulled.shared), pulled.kept


def _pull_back(fn: BlockFunction, blocks: Blocks, given: Rows, above: Rows) -> Rows:
    """The gradient of `fn` with respect to `given`, from the gradient `above` of what it returned."""

    def pull(block: Block, part: Rows) -> Rows:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            watched = part._replace(kept=())
            tape.watch(watched)
            again = fn(block, part)
        above_part = block.cut(above)._replace(shared=tf.nest.map_structure(lambda x: x[block.number], above.shared))
        return tape.gradient(again, watched, above_part, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    pulled = _each_block(pull, blocks, given)
    return pulled._replace(shared=_total(pulled.shared))


def _total(shared: Nest) -> Nest:
    """Sums over blocks, taken in no less than single precision."""

    def total(x: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reduce_sum(tf.cast(x, tf.float32) if x.dtype.size < 4 else x, axis=0), x.dtype)

    return tf.nest.map_structure(total, shared)


# Its loop is TensorFlow's own already; AutoGraph would complain of what asks how many cores there are.
@tf.autograph.experimental.do_not_convert
def _each_block(fn: BlockFunction, blocks: Blocks, given: Rows) -> Rows:
    """Joins what `fn` returns for each block.

    Rows of senders are not joined, but added up by the atom that sends; what is kept stays as it is, block by block.
    """

    def at(k: tf.Tensor) -> Rows:
        return fn(blocks[k], blocks[k].cut(given))

    def array(x: tf.Tensor, length: list) -> tf.TensorArray:
        # Without `clear_after_read`, as the first block is read twice where nothing is a graph.
        return tf.TensorArray(
            x.dtype,
            blocks.number,
            clear_after_read=False,
            element_shape=[*length, *x.shape[len(length) :]],
            infer_shape=False,
        )

    like = at(tf.constant(0))  # for structure, dtypes and shapes: a graph never computes it
    found = Rows(
        *(tf.nest.map_structure(lambda x: array(x, [None]), rows) for rows in (like.edges, like.atoms, like.senders)),
        tf.nest.map_structure(lambda x: array(x, []), like.shared),
        tf.nest.map_structure(lambda x: array(x, [None]), like.kept),
    )

    def step(k: tf.Tensor, *flat: Nest) -> tuple:
        return k + 1, *(so_far.write(k, x) for so_far, x in zip(flat, tf.nest.flatten(at(k)), strict=True))

    start = (0, *tf.nest.flatten(found))
    parallel = runtime.parallel_chunks()
    _, *filled = tf.while_loop(lambda k, *_: k < blocks.number, step, start, parallel_iterations=parallel)
    found = tf.nest.pack_sequence_as(found, filled)

    def add_up(x: tf.TensorArray, whole: tf.Tensor) -> tf.Tensor:
        return blocks.by_sender(x.concat(), tf.shape(whole)[0])

    return Rows(
        tf.nest.map_structure(lambda x: x.concat(), found.edges),
        tf.nest.map_structure(lambda x: x.concat(), found.atoms),
        tf.nest.map_structure(add_up, found.senders, given.senders) if tf.nest.flatten(like.senders) else (),
        tf.nest.map_structure(lambda x: x.stack(), found.shared),
        found.kept,
    )
