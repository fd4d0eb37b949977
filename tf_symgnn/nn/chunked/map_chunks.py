"""Functions of pairs that are called on one chunk after another, and once more on each for the gradient.

What a layer computes of a pair is many times wider than the pair's state. For a whole glass at once it is bound by
memory; in chunks it stays in cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from tf_symgnn import runtime
from tf_symgnn.nn.chunked.partition import Chunk, ChunkTensors, Nest, Partition

ChunkFunction = Callable[[Chunk, ChunkTensors], ChunkTensors]


def map_chunks(fn: ChunkFunction, partition: Partition, inputs: ChunkTensors) -> ChunkTensors:
    """Call `fn` on each chunk's part of `inputs` and join what it returns.

    Tensors that `fn` closes over receive no gradient, and there are no second derivatives.

    Args:
        fn: takes a chunk and its part of `inputs`; returns tensors of its pairs, of its atoms, and shared ones.
        partition: of the pairs.
        inputs: floating-point tensors, the whole.

    Returns:
        Tensors of all pairs and all atoms; of `shared` one a chunk, [B, ...].
    """

    @tf.custom_gradient
    def joined(*flat: tf.Tensor) -> tuple:
        whole = tf.nest.pack_sequence_as(inputs, flat)
        outputs = _for_each_chunk(fn, partition, whole)

        def gradient(*flat_upstream: tf.Tensor) -> list[tf.Tensor]:
            upstream = tf.nest.pack_sequence_as(outputs, flat_upstream)
            return tf.nest.flatten(_backward(fn, partition, whole, upstream))

        return outputs, gradient

    return joined(*_tensors(inputs))


class TwoPasses(Protocol):
    """A function of pairs that reads all of them before it finishes one, as batch normalization does.

    The wide features stay in memory from one pass to the next, forwards and then again backwards. Keeping them from
    forwards to backwards, those of all layers at once, was measured to save no time.
    """

    def edge_features(self, chunk: Chunk, part: ChunkTensors) -> tf.Tensor:
        """Return what both passes need of a pair, much wider than the inputs: `part.residuals`, if that is there."""

    def reduce(self, chunk: Chunk, part: ChunkTensors, wide: tf.Tensor) -> ChunkTensors:
        """Return the tensors of atoms and the shared ones of the first pass."""

    def finalize(self, shared: Nest, parameters: Nest) -> Nest:
        """Return what the second pass needs, from the shared tensors [B, ...] of all chunks."""

    def apply(self, chunk: Chunk, part: ChunkTensors, wide: tf.Tensor, final: Nest) -> Nest:
        """Return the tensors of pairs of the second pass."""


def in_one_pass(passes: TwoPasses, chunk: Chunk, part: ChunkTensors, final: Nest) -> ChunkTensors:
    """Return the outputs of both passes, where the result of `finalize` is known before."""
    wide = passes.edge_features(chunk, part)
    return passes.reduce(chunk, part, wide)._replace(edges=passes.apply(chunk, part, wide, final))


def map_chunks_in_two_passes(
    passes: TwoPasses, partition: Partition, inputs: ChunkTensors, parameters: Nest
) -> ChunkTensors:
    """Call a function in two passes on each chunk, as `map_chunks` calls a function in one.

    Two calls of `map_chunks` would return the same, and differentiate the wide features twice.

    Returns:
        Tensors of all pairs from the second pass; of all atoms, and shared ones [B, ...], from the first.
    """

    @tf.custom_gradient
    def joined(*flat: tf.Tensor) -> tuple:
        whole, weights = tf.nest.pack_sequence_as((inputs, parameters), flat)
        outputs, final = _two_passes(passes, partition, whole, weights)

        def gradient(*flat_upstream: tf.Tensor) -> list[tf.Tensor]:
            upstream = tf.nest.pack_sequence_as(outputs, flat_upstream)
            final_gradient, wide = _backward_of_final(passes, partition, whole, final, upstream.edges)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch((outputs.shared, weights))
                again = passes.finalize(outputs.shared, weights)
            shared, weights_gradient = tape.gradient(again, (outputs.shared, weights), final_gradient)
            upstream = upstream._replace(shared=tf.nest.map_structure(tf.add, upstream.shared, shared))

            def both(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
                return in_one_pass(passes, chunk, part, final)

            return tf.nest.flatten(
                (_backward(both, partition, whole._replace(residuals=wide), upstream), weights_gradient)
            )

        return outputs, gradient

    return joined(*_tensors((inputs, parameters)))


def _two_passes(
    passes: TwoPasses, partition: Partition, inputs: ChunkTensors, parameters: Nest
) -> tuple[ChunkTensors, Nest]:
    """Return the outputs of both passes, and what was computed between them."""

    def first(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        wide = passes.edge_features(chunk, part)
        return passes.reduce(chunk, part, wide)._replace(residuals=wide)

    reduced = _for_each_chunk(first, partition, inputs)
    final = passes.finalize(reduced.shared, parameters)

    def second(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        return ChunkTensors(edges=passes.apply(chunk, part, part.residuals, final))

    applied = _for_each_chunk(second, partition, inputs._replace(residuals=reduced.residuals))
    return reduced._replace(edges=applied.edges, residuals=()), final


def _tensors(nest: Nest) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(x) for x in tf.nest.flatten(nest)]  # variables as Keras casts them here and now


def _backward_of_final(
    passes: TwoPasses, partition: Partition, inputs: ChunkTensors, final: Nest, upstream_edges: Nest
) -> tuple[Nest, Nest]:
    """Return the gradient with respect to what is computed between the passes; and the wide features of each chunk."""

    def backward(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        wide = passes.edge_features(chunk, part)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(final)
            again = passes.apply(chunk, part, wide, final)
        upstream = tf.nest.map_structure(chunk.of_edges, upstream_edges)
        return ChunkTensors(shared=tape.gradient(again, final, upstream), residuals=wide)

    gradients = _for_each_chunk(backward, partition, inputs)
    return _sum_of_chunks(gradients.shared), gradients.residuals


def _backward(fn: ChunkFunction, partition: Partition, inputs: ChunkTensors, upstream: ChunkTensors) -> ChunkTensors:
    """Return the gradient of `fn` with respect to `inputs`, from the gradient with respect to what it returned."""

    def backward(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            watched = part._replace(residuals=())
            tape.watch(watched)
            again = fn(chunk, part)
        shared = tf.nest.map_structure(lambda x: x[chunk.number], upstream.shared)
        of_chunk = chunk.take(upstream)._replace(shared=shared)
        return tape.gradient(again, watched, of_chunk, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    gradients = _for_each_chunk(backward, partition, inputs)
    return gradients._replace(shared=_sum_of_chunks(gradients.shared))


def _sum_of_chunks(shared: Nest) -> Nest:
    """Return sums over chunks, taken in no less than single precision."""

    def total(x: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reduce_sum(tf.cast(x, tf.float32) if x.dtype.size < 4 else x, axis=0), x.dtype)

    return tf.nest.map_structure(total, shared)


# Its loop is TensorFlow's own already; AutoGraph would complain of what asks how many cores there are.
@tf.autograph.experimental.do_not_convert
def _for_each_chunk(fn: ChunkFunction, partition: Partition, inputs: ChunkTensors) -> ChunkTensors:
    """Join what `fn` returns for each chunk.

    Tensors of senders are not joined, but summed by the atom that sends; residuals stay one a chunk.
    """

    def at(k: tf.Tensor) -> ChunkTensors:
        return fn(partition[k], partition[k].take(inputs))

    like = at(tf.constant(0))  # for structure, dtypes and shapes: a graph never computes it
    arrays = _output_arrays(like, partition.number)

    def step(k: tf.Tensor, *flat: Nest) -> tuple:
        return k + 1, *(array.write(k, x) for array, x in zip(flat, tf.nest.flatten(at(k)), strict=True))

    start = (0, *tf.nest.flatten(arrays))
    parallel = runtime.parallel_chunks()
    _, *filled = tf.while_loop(lambda k, *_: k < partition.number, step, start, parallel_iterations=parallel)
    arrays = tf.nest.pack_sequence_as(arrays, filled)

    def by_sender(x: tf.TensorArray, whole: tf.Tensor) -> tf.Tensor:
        return partition.sum_by_sender(x.concat(), tf.shape(whole)[0])

    has_senders = bool(tf.nest.flatten(like.senders))
    return ChunkTensors(
        edges=tf.nest.map_structure(lambda x: x.concat(), arrays.edges),
        atoms=tf.nest.map_structure(lambda x: x.concat(), arrays.atoms),
        senders=tf.nest.map_structure(by_sender, arrays.senders, inputs.senders) if has_senders else (),
        shared=tf.nest.map_structure(lambda x: x.stack(), arrays.shared),
        residuals=arrays.residuals,
    )


def _output_arrays(like: ChunkTensors, number: tf.Tensor) -> ChunkTensors:
    """Return TensorArrays for the outputs of a number of chunks whose first ones are `like`."""

    def array(x: tf.Tensor, length: list) -> tf.TensorArray:
        # Without `clear_after_read`, as the first chunk is read twice where nothing is a graph.
        shape = [*length, *x.shape[len(length) :]]
        return tf.TensorArray(x.dtype, number, clear_after_read=False, element_shape=shape, infer_shape=False)

    def of_rows(x: tf.Tensor) -> tf.TensorArray:
        return array(x, [None])

    return ChunkTensors(
        edges=tf.nest.map_structure(of_rows, like.edges),
        atoms=tf.nest.map_structure(of_rows, like.atoms),
        senders=tf.nest.map_structure(of_rows, like.senders),
        shared=tf.nest.map_structure(lambda x: array(x, []), like.shared),
        residuals=tf.nest.map_structure(of_rows, like.residuals),
    )
