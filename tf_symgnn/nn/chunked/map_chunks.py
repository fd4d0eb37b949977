"""Apply a function to chunks of pairs, and again to each chunk for its gradient.

The intermediate tensors of a layer are many times wider than the states of pairs. For a whole glass, memory bandwidth
limits their computation; in chunks, they stay in cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from tf_symgnn import runtime
from tf_symgnn.nn.chunked.partition import Chunk, ChunkTensors, Nest, Partition
from tf_symgnn.nn.normalization import at_least_single

ChunkFunction = Callable[[Chunk, ChunkTensors], ChunkTensors]


def map_chunks(fn: ChunkFunction, partition: Partition, inputs: ChunkTensors) -> ChunkTensors:
    """Apply a function to each chunk and return its concatenated outputs.

    Gradients flow to `inputs` only, not to other tensors that `fn` uses. There are no second derivatives.

    Args:
        fn: takes a chunk and its part of `inputs`; returns outputs for its pairs, its atoms and the chunk (`shared`).
        partition: of the pairs.
        inputs: floating-point tensors of all pairs and atoms.

    Returns:
        Outputs for all pairs and all atoms; `shared` outputs are stacked by chunk, [B, ...].
    """

    @tf.custom_gradient
    def concatenated(*flat: tf.Tensor) -> tuple:
        whole = tf.nest.pack_sequence_as(inputs, flat)
        outputs = _for_each_chunk(fn, partition, whole)

        def gradient(*flat_upstream: tf.Tensor) -> list[tf.Tensor]:
            upstream = tf.nest.pack_sequence_as(outputs, flat_upstream)
            return tf.nest.flatten(_backward(fn, partition, whole, upstream))

        return outputs, gradient

    return concatenated(*_tensors(inputs))


class TwoPasses(Protocol):
    """A function of pairs that needs sums over all pairs before it can return its outputs, as batch norm does.

    Features stay in memory between the two passes of the forward step. The backward step computes them again: storing
    those of all layers saved no time.
    """

    def edge_features(self, chunk: Chunk, part: ChunkTensors) -> tf.Tensor:
        """Return the features of pairs that both passes need: `part.residuals`, if stored."""

    def reduce(self, chunk: Chunk, part: ChunkTensors, features: tf.Tensor) -> ChunkTensors:
        """Return the outputs of the first pass, for atoms and for the chunk (`shared`)."""

    def finalize(self, shared: Nest, parameters: Nest) -> Nest:
        """Return what the second pass needs, from the `shared` outputs [B, ...] of all chunks."""

    def apply(self, chunk: Chunk, part: ChunkTensors, features: tf.Tensor, final: Nest) -> Nest:
        """Return the outputs of the second pass, for pairs."""


def apply_passes(passes: TwoPasses, chunk: Chunk, part: ChunkTensors, final: Nest) -> ChunkTensors:
    """Return the outputs of both passes on a chunk, given the result of `finalize`."""
    features = passes.edge_features(chunk, part)
    return passes.reduce(chunk, part, features)._replace(edges=passes.apply(chunk, part, features, final))


def map_chunks_in_two_passes(
    passes: TwoPasses, partition: Partition, inputs: ChunkTensors, parameters: Nest
) -> ChunkTensors:
    """Apply a function of two passes to each chunk, as `map_chunks` applies a function of one pass.

    Two calls of `map_chunks` would have the same results, but would differentiate the features twice.

    Args:
        passes: the function.
        partition: of the pairs.
        inputs: floating-point tensors of all pairs and atoms.
        parameters: of `finalize`.

    Returns:
        Outputs for all pairs, from the second pass; for all atoms and, `shared` [B, ...], for chunks, from the first.
    """

    @tf.custom_gradient
    def concatenated(*flat: tf.Tensor) -> tuple:
        whole, weights = tf.nest.pack_sequence_as((inputs, parameters), flat)
        outputs, final = _two_passes(passes, partition, whole, weights)

        def gradient(*flat_upstream: tf.Tensor) -> list[tf.Tensor]:
            upstream = tf.nest.pack_sequence_as(outputs, flat_upstream)
            final_gradient, features = _backward_of_final(passes, partition, whole, final, upstream.edges)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch((outputs.shared, weights))
                recomputed = passes.finalize(outputs.shared, weights)
            shared, weights_gradient = tape.gradient(recomputed, (outputs.shared, weights), final_gradient)
            upstream = upstream._replace(shared=tf.nest.map_structure(tf.add, upstream.shared, shared))

            def apply_both(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
                return apply_passes(passes, chunk, part, final)

            return tf.nest.flatten(
                (_backward(apply_both, partition, whole._replace(residuals=features), upstream), weights_gradient)
            )

        return outputs, gradient

    return concatenated(*_tensors((inputs, parameters)))


def _two_passes(
    passes: TwoPasses, partition: Partition, inputs: ChunkTensors, parameters: Nest
) -> tuple[ChunkTensors, Nest]:
    """Return the outputs of both passes, and the result of `finalize` between them."""

    def first(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        features = passes.edge_features(chunk, part)
        return passes.reduce(chunk, part, features)._replace(residuals=features)

    reduced = _for_each_chunk(first, partition, inputs)
    final = passes.finalize(reduced.shared, parameters)

    def second(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        return ChunkTensors(edges=passes.apply(chunk, part, part.residuals, final))

    applied = _for_each_chunk(second, partition, inputs._replace(residuals=reduced.residuals))
    return reduced._replace(edges=applied.edges, residuals=()), final


def _tensors(nest: Nest) -> list[tf.Tensor]:
    """Return the tensors of a nest; variables take the precision that Keras casts them to in the present layer."""
    return [tf.convert_to_tensor(x) for x in tf.nest.flatten(nest)]


def _backward_of_final(
    passes: TwoPasses, partition: Partition, inputs: ChunkTensors, final: Nest, upstream_edges: Nest
) -> tuple[Nest, Nest]:
    """Return the gradient with respect to the result of `finalize`, and the features of each chunk."""

    def backward(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        features = passes.edge_features(chunk, part)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(final)
            recomputed = passes.apply(chunk, part, features, final)
        upstream = tf.nest.map_structure(chunk.of_edges, upstream_edges)
        return ChunkTensors(shared=tape.gradient(recomputed, final, upstream), residuals=features)

    gradients = _for_each_chunk(backward, partition, inputs)
    return _sum_of_chunks(gradients.shared), gradients.residuals


def _backward(fn: ChunkFunction, partition: Partition, inputs: ChunkTensors, upstream: ChunkTensors) -> ChunkTensors:
    """Return the gradient with respect to the inputs of `fn`, from the gradient with respect to its outputs."""

    def backward(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            watched = part._replace(residuals=())
            tape.watch(watched)
            recomputed = fn(chunk, part)
        shared = tf.nest.map_structure(lambda x: x[chunk.number], upstream.shared)
        of_chunk = chunk.take(upstream)._replace(shared=shared)
        return tape.gradient(recomputed, watched, of_chunk, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    gradients = _for_each_chunk(backward, partition, inputs)
    return gradients._replace(shared=_sum_of_chunks(gradients.shared))


def _sum_of_chunks(shared: Nest) -> Nest:
    """Return sums over chunks, computed in single precision or better."""

    def total(x: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reduce_sum(at_least_single(x), axis=0), x.dtype)

    return tf.nest.map_structure(total, shared)


# AutoGraph has nothing to convert here, and would warn about the query of the number of cores.
@tf.autograph.experimental.do_not_convert
def _for_each_chunk(fn: ChunkFunction, partition: Partition, inputs: ChunkTensors) -> ChunkTensors:
    """Return the concatenated outputs of `fn` on all chunks.

    Outputs for senders are summed by sender. Residuals remain TensorArrays with one element per chunk.
    """

    def outputs_of(k: tf.Tensor) -> ChunkTensors:
        return fn(partition[k], partition[k].take(inputs))

    # Only the structure, dtypes and shapes are used, so that a compiled function does not compute it.
    template = outputs_of(tf.constant(0))
    arrays = _output_arrays(template, partition.number)

    def step(k: tf.Tensor, *flat: Nest) -> tuple:
        return k + 1, *(array.write(k, x) for array, x in zip(flat, tf.nest.flatten(outputs_of(k)), strict=True))

    start = (0, *tf.nest.flatten(arrays))
    parallel = runtime.parallel_chunks()
    _, *filled = tf.while_loop(lambda k, *_: k < partition.number, step, start, parallel_iterations=parallel)
    arrays = tf.nest.pack_sequence_as(arrays, filled)

    def by_sender(x: tf.TensorArray, whole: tf.Tensor) -> tf.Tensor:
        return partition.sum_by_sender(x.concat(), tf.shape(whole)[0])

    has_senders = bool(tf.nest.flatten(template.senders))
    return ChunkTensors(
        edges=tf.nest.map_structure(lambda x: x.concat(), arrays.edges),
        atoms=tf.nest.map_structure(lambda x: x.concat(), arrays.atoms),
        senders=tf.nest.map_structure(by_sender, arrays.senders, inputs.senders) if has_senders else (),
        shared=tf.nest.map_structure(lambda x: x.stack(), arrays.shared),
        residuals=arrays.residuals,
    )


def _output_arrays(template: ChunkTensors, number: tf.Tensor) -> ChunkTensors:
    """Return TensorArrays for the outputs of a number of chunks; `template` are those of one chunk."""

    def array(x: tf.Tensor, length: list) -> tf.TensorArray:
        # Eager execution reads the first chunk twice, so elements are not cleared after they are read.
        shape = [*length, *x.shape[len(length) :]]
        return tf.TensorArray(x.dtype, number, clear_after_read=False, element_shape=shape, infer_shape=False)

    def of_rows(x: tf.Tensor) -> tf.TensorArray:
        return array(x, [None])

    return ChunkTensors(
        edges=tf.nest.map_structure(of_rows, template.edges),
        atoms=tf.nest.map_structure(of_rows, template.atoms),
        senders=tf.nest.map_structure(of_rows, template.senders),
        shared=tf.nest.map_structure(lambda x: array(x, []), template.shared),
        residuals=tf.nest.map_structure(of_rows, template.residuals),
    )
