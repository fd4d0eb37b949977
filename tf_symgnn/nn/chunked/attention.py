"""The layer of `attention` computed in blocks of pairs: same weights, same numbers, faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.nn.attention import MessagePassing, weighted_exp
from tf_symgnn.nn.chunked.map_chunks import blockwise, blockwise_in_two_passes, in_one_pass
from tf_symgnn.nn.chunked.partition import Block, Blocks, Nest, Rows, cut_at_atoms, to_atoms, to_pairs, to_runs
from tf_symgnn.nn.normalization import MaskedBatchNormalization, Moments

SLOPE = 0.01  # of LeakyReLU below zero


class _PairUpdate(NamedTuple):
    """What message passing does on pairs, in two passes: `blockwise.TwoPasses`.

    Rows of pairs are the `state` and, optionally, the pair's `weight`; those of atoms and of senders, their states.
    """

    target: tf.Tensor  # i32[E]
    mask: tf.Tensor  # [E]
    units: int
    mean_of_heads: bool
    norm: MaskedBatchNormalization | None  # of edge states; None outside training, and where they are not updated

    def expand(self, block: Block, part: Rows) -> tf.Tensor:
        """Hidden states f' of pairs [E, H F]."""
        # A third of the product once an atom rather than once a pair. By add_n: see `finish`.
        kept = tf.nn.bias_add(part.atoms @ part.shared["target_kernel"], part.shared["bias"])
        states = tf.concat([part.senders, part.edges["state"]], axis=1)
        hidden = tf.add_n([states @ part.shared["kernel"], to_pairs(kept, block.receiver(self.target))])
        return _leaky_relu(hidden, part.kept)

    def collect(self, block: Block, part: Rows, wide: tf.Tensor) -> Rows:
        """Attention-weighted sums [N, H C] of the states that atoms are sent, and moments of f' in training."""
        receiver, n_atoms = block.receiver(self.target), block.end_atom - block.first_atom
        score = tf.matmul(wide, part.shared["score"], transpose_b=True)
        weight, present = part.edges.get("weight"), tf.stop_gradient(score)
        if weight is not None:
            present = tf.where(weight > 0, present, present.dtype.min)
        share = weighted_exp(score, tf.gather(tf.math.segment_max(present, receiver), receiver), weight)
        share = tf.math.divide_no_nan(share, to_pairs(to_atoms(share, receiver, n_atoms), receiver))
        runs = block.runs
        sums = tf.matmul(to_runs(share, runs), to_runs(part.senders, runs), transpose_a=True)  # [R, H, C]
        sums = tf.reshape(sums, [-1, share.shape[1] * part.senders.shape[1]])
        moments = Moments.of_rows(self._merged(wide), block.of_edges(self.mask)) if self.norm else ()
        return Rows(atoms=to_atoms(sums, runs.receiver, n_atoms), shared=moments)

    def settle(self, shared: Moments, settings: Nest) -> Nest:
        """Batch norm and the projection after it as one linear map."""
        return _folded(*self.norm.affine(shared, settings["gamma"], settings["beta"]), settings)

    def finish(self, block: Block, part: Rows, wide: tf.Tensor, settled: Nest) -> tf.Tensor:
        """New states of pairs [E, F]."""
        kernel, bias = settled
        # Kernels with the few channels first, as here and in `score`, have gradients that multiply twice as fast.
        projected = tf.nn.bias_add(tf.matmul(self._merged(wide), kernel, transpose_b=True), bias)
        # Sums by add_n, whose gradient needs no shapes: it leaves the product out when only gradients are wanted.
        return tf.add_n([part.edges["state"], projected])

    def _merged(self, wide: tf.Tensor) -> tf.Tensor:
        if not self.mean_of_heads:
            return wide
        return tf.reduce_mean(tf.reshape(wide, [-1, wide.shape[1] // self.units, self.units]), axis=1)


def _leaky_relu(hidden: tf.Tensor, known: Nest) -> tf.Tensor:
    """LeakyReLU whose gradient needs its value alone: where that is known, nobody computes what it was made of."""

    @tf.custom_gradient
    def activated(hidden: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        value = known if tf.is_tensor(known) else tf.nn.leaky_relu(hidden, SLOPE)
        return value, lambda above: tf.raw_ops.LeakyReluGrad(gradients=above, features=value, alpha=SLOPE)

    return activated(hidden)


def _folded(scale: tf.Tensor, offset: tf.Tensor, projection: Nest) -> tuple[tf.Tensor, tf.Tensor]:
    kernel, bias = (tf.cast(x, scale.dtype) for x in (projection["kernel"], projection["bias"]))
    folded = scale * tf.transpose(kernel), tf.linalg.matvec(kernel, offset, transpose_a=True) + bias
    return tuple(tf.cast(x, projection["kernel"].dtype) for x in folded)


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class BlockedMessagePassing(MessagePassing):
    """Message passing in blocks of whole atoms; pairs must be sorted by target."""

    def build(self, input_shape: tuple[tf.TensorShape, tf.TensorShape]) -> None:
        """Creates the weights of the layers inside, as their calls would."""
        merged = tf.TensorShape([None, self.units * (self.heads if self.merge == "concat" else 1)])
        inside = {self._attention: input_shape, self._node_norm: merged, self._node_projection: merged}
        if self.update_edges:
            inside |= {self._edge_norm: merged, self._edge_projection: merged}
        for layer, shape in inside.items():
            with tf.name_scope(layer.name):
                layer.build(shape)
        super().build(input_shape)

    def call(
        self,
        inputs: tuple[tf.Tensor, tf.Tensor],
        graph: tfgnn.GraphTensor,
        masks: tuple[tf.Tensor, tf.Tensor],
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Updates nodes [N, F] and edges [E, F]; `masks` [N] and [E] are 1 for what is real."""
        nodes, edges = inputs
        rows = self._rows(nodes, edges, graph)
        pairs = graph.edge_sets[names.NEIGHBORS].adjacency
        blocks = cut_at_atoms(pairs.source, pairs.target, tf.shape(nodes)[0], self.heads * self.units)
        norm = self._edge_norm if training and self.update_edges else None
        passes = _PairUpdate(pairs.target, masks[1], self.units, self.merge == "mean", norm)
        if not self.update_edges:
            made = blockwise(lambda *block: passes.collect(*block, passes.expand(*block)), blocks, rows)
        elif training:
            made = blockwise_in_two_passes(passes, blocks, rows, self._settings())
            self._edge_norm.track(made.shared)
        else:
            made = self._infer(passes, blocks, rows)
        received = self._merge_heads(self._messages(made.atoms))
        nodes += self._node_projection(self._node_norm(received, mask=masks[0], training=training))
        return nodes, made.edges if self.update_edges else edges

    def _rows(self, nodes: tf.Tensor, edges: tf.Tensor, graph: tfgnn.GraphTensor) -> Rows:
        pairs, own = graph.edge_sets[names.NEIGHBORS], self._attention
        of_pairs = {"state": edges}
        if names.PAIR_WEIGHT in pairs.features:
            of_pairs["weight"] = tf.cast(pairs.features[names.PAIR_WEIGHT], edges.dtype)[:, tf.newaxis]
        shared = {
            "kernel": tf.concat([own.source_kernel, own.edge_kernel], axis=0),
            "target_kernel": own.target_kernel,
            "bias": own.bias,
            "score": self._block_diagonal(own.score[:, tf.newaxis]),
        }
        return Rows(of_pairs, nodes, nodes, shared)

    def _settings(self) -> Nest:
        norm, projection = self._edge_norm, self._edge_projection
        return {"gamma": norm.gamma, "beta": norm.beta, "kernel": projection.kernel, "bias": projection.bias}

    def _infer(self, passes: _PairUpdate, blocks: Blocks, rows: Rows) -> Rows:
        settings = self._settings()
        settled = _folded(*self._edge_norm.affine(None, settings["gamma"], settings["beta"]), settings)
        rows = rows._replace(shared=rows.shared | {"settled": settled})
        return blockwise(lambda block, part: in_one_pass(passes, block, part, part.shared["settled"]), blocks, rows)

    def _messages(self, sums: tf.Tensor) -> tf.Tensor:
        """Messages W_n h [N, H, F] of summed states [N, H C]: a linear map may wait until after the sum."""
        kernel = tf.reshape(self._attention.message_kernel, [-1, self.heads, self.units])
        # More products than head by head, but large ones, and no tensor of atoms is transposed.
        messages = sums @ self._block_diagonal(tf.transpose(kernel, [1, 0, 2]))
        return tf.reshape(messages, [-1, self.heads, self.units])

    def _block_diagonal(self, of_heads: tf.Tensor) -> tf.Tensor:
        """One matrix [H A, H B] of those of the heads [H, A, B]."""
        heads, inputs, outputs = of_heads.shape
        diagonal = tf.eye(heads, dtype=self.compute_dtype)[:, tf.newaxis, :, tf.newaxis]
        return tf.reshape(of_heads[:, :, tf.newaxis] * diagonal, [heads * inputs, heads * outputs])
