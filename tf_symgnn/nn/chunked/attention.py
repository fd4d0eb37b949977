"""Attention message passing in chunks of pairs: the kernel `chunked` of `MessagePassing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.nn.attention import LEAKY_RELU_SLOPE, EdgeAttention, weighted_exp
from tf_symgnn.nn.chunked.map_chunks import apply_passes, map_chunks, map_chunks_in_two_passes
from tf_symgnn.nn.chunked.partition import (
    Chunk,
    ChunkTensors,
    Nest,
    Partition,
    gather_receiver,
    partition_at_atoms,
    sum_by_receiver,
    to_segments,
)
from tf_symgnn.nn.normalization import MaskedBatchNormalization, Moments


class EdgeUpdate(NamedTuple):
    """The layers that update edge states: batch norm of the merged heads, then a projection."""

    norm: MaskedBatchNormalization
    projection: tf.keras.layers.Dense


def attend_in_chunks(
    attention: EdgeAttention,
    states: tuple[tf.Tensor, tf.Tensor],
    graph: tfgnn.GraphTensor,
    *,
    update: EdgeUpdate | None,
    mean_of_heads: bool,
    edge_mask: tf.Tensor,
    training: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return messages [N, H, F] and updated states of pairs [E, F].

    Args:
        attention: with its weights.
        states: of nodes [N, F] and pairs [E, F].
        graph: its pairs are sorted by target.
        update: of pair states; None to leave them unchanged.
        mean_of_heads: whether heads are averaged, not concatenated, before the update.
        edge_mask: [E], 1 for pairs in batch statistics, 0 for others.
        training: whether the batch norm uses and tracks statistics of the batch.
    """
    nodes, edges = states
    pairs = graph.edge_sets[names.NEIGHBORS]
    inputs = _inputs(attention, nodes, edges, pairs)
    adjacency, width = pairs.adjacency, attention.heads * attention.edge_units
    partition = partition_at_atoms(adjacency.source, adjacency.target, tf.shape(nodes)[0], width)
    norm = update.norm if update and training else None
    passes = _PairUpdate(adjacency.target, edge_mask, attention.edge_units, mean_of_heads, norm)
    outputs = _map_passes(passes, partition, inputs, update)
    if norm:
        norm.track(outputs.shared)
    return _messages(attention, outputs.atoms), outputs.edges if update else edges


class _PairUpdate(NamedTuple):
    """Message passing on pairs as `map_chunks.TwoPasses`.

    `ChunkTensors.edges` has the `state` and, optionally, the `weight` of pairs; `atoms` and `senders` are node states.
    """

    target: tf.Tensor  # i32[E]
    mask: tf.Tensor  # [E]
    units: int
    mean_of_heads: bool
    norm: MaskedBatchNormalization | None  # of edge states; None outside training and without an update

    def edge_features(self, chunk: Chunk, part: ChunkTensors) -> tf.Tensor:
        """Return the hidden states f' of pairs [E, H F]."""
        # The product with the target's state is computed once per atom. `apply` explains why sums are `add_n`.
        of_target = tf.nn.bias_add(part.atoms @ part.shared["target_kernel"], part.shared["bias"])
        states = tf.concat([part.senders, part.edges["state"]], axis=1)
        of_target = gather_receiver(of_target, chunk.receiver(self.target))
        return _leaky_relu(tf.add_n([states @ part.shared["kernel"], of_target]), part.residuals)

    def reduce(self, chunk: Chunk, part: ChunkTensors, features: tf.Tensor) -> ChunkTensors:
        """Return attention-weighted sums [N, H C] of the states of senders and, in training, the moments of f'."""
        segments = chunk.segments
        attention = self._softmax(chunk, part, features)
        sums = tf.matmul(to_segments(attention, segments), to_segments(part.senders, segments), transpose_a=True)
        sums = tf.reshape(sums, [-1, attention.shape[1] * part.senders.shape[1]])
        moments = Moments.of_rows(self._merge_heads(features), chunk.of_edges(self.mask)) if self.norm else ()
        return ChunkTensors(atoms=sum_by_receiver(sums, segments.receiver, chunk.n_atoms), shared=moments)

    def _softmax(self, chunk: Chunk, part: ChunkTensors, features: tf.Tensor) -> tf.Tensor:
        """Return the attention of pairs [E, H]."""
        receiver, weight = chunk.receiver(self.target), part.edges.get("weight")
        score = tf.matmul(features, part.shared["score"], transpose_b=True)
        nonzero = tf.stop_gradient(score)
        if weight is not None:
            nonzero = tf.where(weight > 0, nonzero, nonzero.dtype.min)
        maximum = tf.gather(tf.math.segment_max(nonzero, receiver), receiver)
        exponential = weighted_exp(score, maximum, weight)
        total = gather_receiver(sum_by_receiver(exponential, receiver, chunk.n_atoms), receiver)
        return tf.math.divide_no_nan(exponential, total)

    def finalize(self, shared: Moments, parameters: Nest) -> Nest:
        """Return the batch norm and the projection that follows it as one linear map."""
        return _fold_norm(*self.norm.affine(shared, parameters["gamma"], parameters["beta"]), parameters)

    def apply(self, chunk: Chunk, part: ChunkTensors, features: tf.Tensor, final: Nest) -> tf.Tensor:
        """Return the updated states of pairs [E, F]."""
        kernel, bias = final
        # A kernel with the smaller axis first, as here and in `score`, has a gradient that computes twice as fast.
        projected = tf.nn.bias_add(tf.matmul(self._merge_heads(features), kernel, transpose_b=True), bias)
        # The gradient of `add_n` needs no shapes, so a backward pass does not compute the product again.
        return tf.add_n([part.edges["state"], projected])

    def _merge_heads(self, features: tf.Tensor) -> tf.Tensor:
        """Return features [E, H F] as they are or, as the mean of heads, [E, F]."""
        if not self.mean_of_heads:
            return features
        return tf.reduce_mean(tf.reshape(features, [-1, features.shape[1] // self.units, self.units]), axis=1)


def _map_passes(
    passes: _PairUpdate, partition: Partition, inputs: ChunkTensors, update: EdgeUpdate | None
) -> ChunkTensors:
    """Return the outputs of all chunks; only an update with the statistics of the batch needs two passes."""
    if not update:

        def reduce(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
            return passes.reduce(chunk, part, passes.edge_features(chunk, part))

        return map_chunks(reduce, partition, inputs)

    parameters = _parameters(update)
    if passes.norm:
        return map_chunks_in_two_passes(passes, partition, inputs, parameters)

    def reduce_and_apply(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        return apply_passes(passes, chunk, part, part.shared["final"])

    final = _fold_norm(*update.norm.affine(None, parameters["gamma"], parameters["beta"]), parameters)
    return map_chunks(reduce_and_apply, partition, inputs._replace(shared=inputs.shared | {"final": final}))


def _leaky_relu(hidden: tf.Tensor, stored: Nest) -> tf.Tensor:
    """Return the LeakyReLU of features, or its stored copy if there is one.

    Its gradient needs its output only, so with a stored copy the input is not computed again.
    """

    @tf.custom_gradient
    def activated(hidden: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        value = stored if tf.is_tensor(stored) else tf.nn.leaky_relu(hidden, LEAKY_RELU_SLOPE)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.LeakyReluGrad(gradients=upstream, features=value, alpha=LEAKY_RELU_SLOPE)

        return value, gradient

    return activated(hidden)


def _fold_norm(scale: tf.Tensor, offset: tf.Tensor, projection: Nest) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a scale and an offset [C] and the projection that follows them as one kernel [F, C] and one bias [F]."""
    kernel, bias = (tf.cast(x, scale.dtype) for x in (projection["kernel"], projection["bias"]))
    folded = scale * tf.transpose(kernel), tf.linalg.matvec(kernel, offset, transpose_a=True) + bias
    return tuple(tf.cast(x, projection["kernel"].dtype) for x in folded)


def _inputs(attention: EdgeAttention, nodes: tf.Tensor, edges: tf.Tensor, pairs: tfgnn.EdgeSet) -> ChunkTensors:
    """Return the inputs of `_PairUpdate`."""
    pair_tensors = {"state": edges}
    if names.PAIR_WEIGHT in pairs.features:
        pair_tensors["weight"] = tf.cast(pairs.features[names.PAIR_WEIGHT], edges.dtype)[:, tf.newaxis]
    shared = {
        "kernel": tf.concat([attention.source_kernel, attention.edge_kernel], axis=0),
        "target_kernel": attention.target_kernel,
        "bias": attention.bias,
        "score": _block_diagonal(attention.score[:, tf.newaxis]),
    }
    return ChunkTensors(edges=pair_tensors, atoms=nodes, senders=nodes, shared=shared)


def _parameters(update: EdgeUpdate) -> Nest:
    """Return the weights that `_PairUpdate.finalize` needs."""
    norm, projection = update
    return {"gamma": norm.gamma, "beta": norm.beta, "kernel": projection.kernel, "bias": projection.bias}


def _messages(attention: EdgeAttention, sums: tf.Tensor) -> tf.Tensor:
    """Return messages [N, H, F] from sums of states [N, H C]: the map W_n is linear, so it applies to the sum."""
    kernel = tf.reshape(attention.message_kernel, [-1, attention.heads, attention.node_units])
    # One block-diagonal product is faster than a product per head, which would need transposed tensors of atoms.
    messages = sums @ _block_diagonal(tf.transpose(kernel, [1, 0, 2]))
    return tf.reshape(messages, [-1, attention.heads, attention.node_units])


def _block_diagonal(blocks: tf.Tensor) -> tf.Tensor:
    """Return the block-diagonal matrix [H A, H B] of blocks [H, A, B]."""
    heads, rows, columns = blocks.shape
    diagonal = tf.eye(heads, dtype=blocks.dtype)[:, tf.newaxis, :, tf.newaxis]
    return tf.reshape(blocks[:, :, tf.newaxis] * diagonal, [heads * rows, heads * columns])
