"""Attention message passing in chunks of pairs: the kernel `chunked` of `MessagePassing`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.nn.attention import EdgeAttention, weighted_exp
from tf_symgnn.nn.chunked.map_chunks import in_one_pass, map_chunks, map_chunks_in_two_passes
from tf_symgnn.nn.chunked.partition import (
    Chunk,
    ChunkTensors,
    Nest,
    gather_receiver,
    partition_at_atoms,
    sum_by_receiver,
    to_segments,
)
from tf_symgnn.nn.normalization import MaskedBatchNormalization, Moments

SLOPE = 0.01  # of LeakyReLU below zero


class EdgeUpdate(NamedTuple):
    """The layers by which edge states are updated: batch norm of merged heads, then a projection."""

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
    """Return messages [N, H, F] that atoms receive, and new states of pairs [E, F].

    Args:
        attention: with its weights.
        states: of nodes [N, F] and pairs [E, F].
        graph: whose pairs are sorted by target.
        update: of pair states; None leaves them as they are.
        mean_of_heads: whether heads are averaged, not concatenated, before the update.
        edge_mask: [E], 1 for pairs that count in batch statistics.
        training: whether the batch norm uses and tracks statistics of the batch.
    """
    nodes, edges = states
    pairs = graph.edge_sets[names.NEIGHBORS]
    inputs = _inputs(attention, nodes, edges, pairs)
    adjacency, width = pairs.adjacency, attention.heads * attention.edge_units
    partition = partition_at_atoms(adjacency.source, adjacency.target, tf.shape(nodes)[0], width)
    norm = update.norm if update and training else None
    passes = _PairUpdate(adjacency.target, edge_mask, attention.edge_units, mean_of_heads, norm)
    if not update:
        outputs = map_chunks(
            lambda chunk, part: passes.reduce(chunk, part, passes.edge_features(chunk, part)), partition, inputs
        )
    elif training:
        outputs = map_chunks_in_two_passes(passes, partition, inputs, _parameters(update))
        update.norm.track(outputs.shared)
    else:
        parameters = _parameters(update)
        final = _fold(*update.norm.affine(None, parameters["gamma"], parameters["beta"]), parameters)
        inputs = inputs._replace(shared=inputs.shared | {"final": final})
        outputs = map_chunks(
            lambda chunk, part: in_one_pass(passes, chunk, part, part.shared["final"]), partition, inputs
        )
    return _messages(attention, outputs.atoms), outputs.edges if update else edges


class _PairUpdate(NamedTuple):
    """Message passing on pairs, in two passes: `map_chunks.TwoPasses`.

    Tensors of pairs are the `state` and, optionally, the pair's `weight`; those of atoms and of senders, their states.
    """

    target: tf.Tensor  # i32[E]
    mask: tf.Tensor  # [E]
    units: int
    mean_of_heads: bool
    norm: MaskedBatchNormalization | None  # of edge states; None outside training, and where they are not updated

    def edge_features(self, chunk: Chunk, part: ChunkTensors) -> tf.Tensor:
        """Return the hidden states f' of pairs [E, H F]."""
        # A third of the product once an atom rather than once a pair. By add_n: see `apply`.
        of_target = tf.nn.bias_add(part.atoms @ part.shared["target_kernel"], part.shared["bias"])
        states = tf.concat([part.senders, part.edges["state"]], axis=1)
        of_target = gather_receiver(of_target, chunk.receiver(self.target))
        return _leaky_relu(tf.add_n([states @ part.shared["kernel"], of_target]), part.residuals)

    def reduce(self, chunk: Chunk, part: ChunkTensors, wide: tf.Tensor) -> ChunkTensors:
        """Return attention-weighted sums [N, H C] of the senders' states, and moments of f' in training."""
        segments = chunk.segments
        attention = self._softmax(chunk, part, wide)
        sums = tf.matmul(to_segments(attention, segments), to_segments(part.senders, segments), transpose_a=True)
        sums = tf.reshape(sums, [-1, attention.shape[1] * part.senders.shape[1]])
        moments = Moments.of_rows(self._merged(wide), chunk.of_edges(self.mask)) if self.norm else ()
        return ChunkTensors(atoms=sum_by_receiver(sums, segments.receiver, chunk.n_atoms), shared=moments)

    def _softmax(self, chunk: Chunk, part: ChunkTensors, wide: tf.Tensor) -> tf.Tensor:
        """Return the attention of pairs [E, H]."""
        receiver, weight = chunk.receiver(self.target), part.edges.get("weight")
        score = tf.matmul(wide, part.shared["score"], transpose_b=True)
        present = tf.stop_gradient(score)
        if weight is not None:
            present = tf.where(weight > 0, present, present.dtype.min)
        highest = tf.gather(tf.math.segment_max(present, receiver), receiver)
        exponential = weighted_exp(score, highest, weight)
        total = gather_receiver(sum_by_receiver(exponential, receiver, chunk.n_atoms), receiver)
        return tf.math.divide_no_nan(exponential, total)

    def finalize(self, shared: Moments, parameters: Nest) -> Nest:
        """Return batch norm and the projection after it as one linear map."""
        return _fold(*self.norm.affine(shared, parameters["gamma"], parameters["beta"]), parameters)

    def apply(self, chunk: Chunk, part: ChunkTensors, wide: tf.Tensor, final: Nest) -> tf.Tensor:
        """Return the new states of pairs [E, F]."""
        kernel, bias = final
        # Kernels with the few channels first, as here and in `score`, have gradients that multiply twice as fast.
        projected = tf.nn.bias_add(tf.matmul(self._merged(wide), kernel, transpose_b=True), bias)
        # Sums by add_n, whose gradient needs no shapes: it leaves the product out when only gradients are wanted.
        return tf.add_n([part.edges["state"], projected])

    def _merged(self, wide: tf.Tensor) -> tf.Tensor:
        if not self.mean_of_heads:
            return wide
        return tf.reduce_mean(tf.reshape(wide, [-1, wide.shape[1] // self.units, self.units]), axis=1)


def _leaky_relu(hidden: tf.Tensor, stored: Nest) -> tf.Tensor:
    """Return LeakyReLU, whose gradient needs its value alone: where that is stored, its input is not computed."""

    @tf.custom_gradient
    def activated(hidden: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        value = stored if tf.is_tensor(stored) else tf.nn.leaky_relu(hidden, SLOPE)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            return tf.raw_ops.LeakyReluGrad(gradients=upstream, features=value, alpha=SLOPE)

        return value, gradient

    return activated(hidden)


def _fold(scale: tf.Tensor, offset: tf.Tensor, projection: Nest) -> tuple[tf.Tensor, tf.Tensor]:
    """Return a scale and an offset [C], and the projection after them, as one kernel [F, C] and one bias [F]."""
    kernel, bias = (tf.cast(x, scale.dtype) for x in (projection["kernel"], projection["bias"]))
    folded = scale * tf.transpose(kernel), tf.linalg.matvec(kernel, offset, transpose_a=True) + bias
    return tuple(tf.cast(x, projection["kernel"].dtype) for x in folded)


def _inputs(attention: EdgeAttention, nodes: tf.Tensor, edges: tf.Tensor, pairs: tfgnn.EdgeSet) -> ChunkTensors:
    of_pairs = {"state": edges}
    if names.PAIR_WEIGHT in pairs.features:
        of_pairs["weight"] = tf.cast(pairs.features[names.PAIR_WEIGHT], edges.dtype)[:, tf.newaxis]
    shared = {
        "kernel": tf.concat([attention.source_kernel, attention.edge_kernel], axis=0),
        "target_kernel": attention.target_kernel,
        "bias": attention.bias,
        "score": _block_diagonal(attention.score[:, tf.newaxis]),
    }
    return ChunkTensors(edges=of_pairs, atoms=nodes, senders=nodes, shared=shared)


def _parameters(update: EdgeUpdate) -> Nest:
    norm, projection = update
    return {"gamma": norm.gamma, "beta": norm.beta, "kernel": projection.kernel, "bias": projection.bias}


def _messages(attention: EdgeAttention, sums: tf.Tensor) -> tf.Tensor:
    """Return messages W_n h [N, H, F] of summed states [N, H C]: a linear map may wait until after the sum."""
    kernel = tf.reshape(attention.message_kernel, [-1, attention.heads, attention.node_units])
    # More products than head by head, but large ones, and no tensor of atoms is transposed.
    messages = sums @ _block_diagonal(tf.transpose(kernel, [1, 0, 2]))
    return tf.reshape(messages, [-1, attention.heads, attention.node_units])


def _block_diagonal(of_heads: tf.Tensor) -> tf.Tensor:
    """Return one matrix [H A, H B] of those of the heads [H, A, B]."""
    heads, rows, columns = of_heads.shape
    diagonal = tf.eye(heads, dtype=of_heads.dtype)[:, tf.newaxis, :, tf.newaxis]
    return tf.reshape(of_heads[:, :, tf.newaxis] * diagonal, [heads * rows, heads * columns])
