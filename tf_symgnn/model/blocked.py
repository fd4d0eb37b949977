"""The layers of `attention` and `symmetrization` computed in blocks of pairs: same weights, same numbers, faster."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.model.attention import MessagePassing
from tf_symgnn.model.blocks import Block, Rows, TwoPasses, blockwise, blockwise_twice, cut_at_atoms, cut_edges, to_atoms, to_pairs
from tf_symgnn.model.normalization import Moments
from tf_symgnn.model.symmetrization import Symmetrization


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class BlockedMessagePassing(MessagePassing):
    """Message passing in blocks of whole atoms."""

    def build(self, input_shape: tuple[tf.TensorShape, tf.TensorShape]) -> None:
        """Creates the weights of the layers inside, as their calls would."""
        merged = [None, self.units * (self.heads if self.merge == "concat" else 1)]
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
        pairs = graph.edge_sets[names.NEIGHBORS]
        target = pairs.adjacency.target
        weight = pairs.features.get(names.PAIR_WEIGHT)
        blocks = cut_at_atoms(target, tf.shape(nodes)[0])
        own = self._attention
        sent = tf.gather(nodes, pairs.adjacency.source)
        rows = Rows(
            edges=(() if weight is None else (tf.cast(weight, edges.dtype)[:, tf.newaxis],)) + (sent, edges),
            atoms=(nodes,),
            shared=(
                tf.concat([own.target_kernel, own.source_kernel, own.edge_kernel], axis=0),
                tf.convert_to_tensor(own.bias),
                self._score_kernel(),
            ),
        )

        def expand(block: Block, part: Rows) -> tf.Tensor:
            kept = to_pairs(part.atoms[0], block.receivers(target))
            kernel, bias = part.shared[:2]
            states = tf.concat([kept, *part.edges[-2:]], axis=1)
            return tf.nn.leaky_relu(tf.nn.bias_add(states @ kernel, bias), 0.01)

        def attend(block: Block, part: Rows, hidden: tf.Tensor) -> Rows:
            out = Rows(atoms=(self._gather_messages(block, part, hidden, block.receivers(target)),))
            if training and self.update_edges:
                out = out._replace(
                    shared=Moments.of_rows(self._merge_flat(hidden), masks[1][block.first_edge : block.last_edge])
                )
            return out

        def settle(statistics, settings):
            gamma, beta, kernel, bias = settings
            moments = Moments(*statistics) if training else None
            scale, offset = self._edge_norm.affine(moments, gamma, beta)
            return scale[:, tf.newaxis] * kernel, tf.linalg.matvec(kernel, offset, transpose_a=True) + bias

        def update(block: Block, part: Rows, hidden: tf.Tensor, settled) -> tuple:
            kernel, bias = settled
            return (tf.add_n([part.edges[-1], tf.nn.bias_add(self._merge_flat(hidden) @ kernel, bias)]),)

        if self.update_edges:
            norm, project = self._edge_norm, self._edge_projection
            settings = tuple(tf.convert_to_tensor(x) for x in (norm.gamma, norm.beta, project.kernel, project.bias))
        if not self.update_edges:
            made = blockwise(lambda b, p: attend(b, p, expand(b, p)), blocks, rows)
        elif training:
            made = blockwise_twice(TwoPasses(expand, attend, settle, update), blocks, rows, settings)
            self._edge_norm.track(Moments(*made.shared))
        else:
            def both(block, part):
                hidden = expand(block, part)
                edges = update(block, part, hidden, part.shared[3:])
                return attend(block, part, hidden)._replace(edges=edges)

            made = blockwise(both, blocks, rows._replace(shared=rows.shared + settle((), settings)))
        edges = made.edges[0] if self.update_edges else edges
        new_nodes = self._received(made.atoms[0])
        normed = self._node_norm(self._merge_heads(new_nodes), mask=masks[0], training=training)
        return nodes + self._node_projection(normed), edges

    def _score_kernel(self) -> tf.Tensor:
        """The scores' vectors v as a block diagonal matrix [H F, H]."""
        diagonal = tf.eye(self.heads, dtype=self.compute_dtype)[:, tf.newaxis]
        return tf.reshape(self._attention.score[..., tf.newaxis] * diagonal, [-1, self.heads])

    def _gather_messages(self, block: Block, part: Rows, hidden: tf.Tensor, receiver: tf.Tensor) -> tf.Tensor:
        """Attention-weighted sums [A, H, F] of the states that atoms are sent."""
        n_atoms = block.last_atom - block.first_atom
        score = hidden @ part.shared[2]
        highest = tf.gather(tf.math.segment_max(tf.stop_gradient(score), receiver), receiver)
        share = tf.exp(score - highest)
        if len(part.edges) == 3:
            share *= part.edges[0]
        total = to_atoms(share, receiver, n_atoms)
        share = tf.math.divide_no_nan(share, to_pairs(total, receiver))
        # The outer product by `matmul`: several times faster than by broadcasting, its gradient too.
        return to_atoms(tf.matmul(tf.expand_dims(share, 2), tf.expand_dims(part.edges[-2], 1)), receiver, n_atoms)

    def _received(self, gathered: tf.Tensor) -> tf.Tensor:
        """Messages W_n h of summed states [N, H, F]: the map is linear, so it may wait until after the sum."""
        kernel = tf.reshape(self._attention.message_kernel, [-1, self.heads, self.units])
        return tf.einsum("nhc,chf->nhf", gathered, kernel)

    def _merge_flat(self, hidden: tf.Tensor) -> tf.Tensor:
        if self.merge == "mean":
            return tf.reduce_mean(tf.reshape(hidden, [-1, self.heads, self.units]), axis=1)
        return hidden


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class BlockedSymmetrization(Symmetrization):
    """Symmetrization in blocks of pairs."""

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the weights of the layers inside, as their calls would."""
        with tf.name_scope(self.distribution.name):
            self.distribution.build(None)
        with tf.name_scope(self._encoder.name):
            self._encoder.build(input_shape)
        super().build(input_shape)

    def call(self, displacement: tf.Tensor, mask: tf.Tensor | None = None, training: bool = False) -> tf.Tensor:
        """Encodes displacements [E, 3] A as [E, units[-1]]; `mask` [E] is 1 for edges that count in statistics."""
        transforms = self.distribution(None, training=training)  # [K, 3, 3]
        copies = self.distribution.transforms
        mask = tf.ones_like(displacement[:, 0]) if mask is None else mask
        blocks = cut_edges(tf.shape(displacement)[0])

        def encode(part: Rows) -> tf.Tensor:
            """The last linear map of those given, a kernel and a bias each, at each transform [E K, C]."""
            maps = list(zip(part.shared[::2], part.shared[1::2], strict=True))
            encoded = tf.reshape(part.edges[0] @ maps[0][0] + maps[0][1], [-1, self.units[0]])
            for kernel, bias in maps[1:]:
                encoded = tf.nn.relu(encoded) @ kernel + bias
            return encoded

        def statistics(block: Block, part: Rows) -> Rows:
            real = tf.repeat(mask[block.first_edge : block.last_edge], copies)
            return Rows(shared=Moments.of_rows(encode(part), real))

        def average(_: Block, part: Rows) -> Rows:
            encoded = tf.nn.relu(encode(part))
            return Rows(edges=(tf.reduce_mean(tf.reshape(encoded, [-1, copies, self.units[-1]]), axis=1),))

        maps = ()
        for k, (linear, norm) in enumerate(self._encoder.linear_and_norm):
            kernel, bias = linear.kernel, linear.bias
            moments = None
            if k == 0:
                at_each = tf.einsum("kij,jc->kic", transforms, kernel)
                kernel = tf.reshape(tf.transpose(at_each, [1, 0, 2]), [3, -1])  # all transforms side by side
                if training:
                    moments = _linear_moments(displacement, mask, at_each, bias)
                bias = tf.tile(bias, [copies])
            elif training:
                found = blockwise(statistics, blocks, Rows(edges=(displacement,), shared=(*maps, kernel, bias)))
                moments = Moments(*found.shared)
            if training:
                norm.track(moments)
            scale, offset = norm.affine(moments)
            if k == 0:
                scale, offset = tf.tile(scale, [copies]), tf.tile(offset, [copies])
            maps += (kernel * scale, bias * scale + offset)
        return blockwise(average, blocks, Rows(edges=(displacement,), shared=maps)).edges[0]


def _linear_moments(rows: tf.Tensor, mask: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> Moments:
    """Moments of `rows @ kernel[k] + bias` for each k, from the mean and covariance of rows [R, 3]; kernel [K, 3, C]."""
    weight = mask[:, tf.newaxis]
    count = tf.reduce_sum(weight)
    mean = tf.math.divide_no_nan(tf.reduce_sum(weight * rows, axis=0), count)
    centred = rows - mean
    scatter = tf.matmul(weight * centred, centred, transpose_a=True)
    deviation = tf.einsum("kic,ij,kjc->kc", kernel, scatter, kernel)
    return Moments(count * tf.ones_like(kernel[:, 0, :1]), tf.einsum("i,kic->kc", mean, kernel) + bias, deviation)
