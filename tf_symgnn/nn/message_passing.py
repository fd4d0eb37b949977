"""One layer of attention message passing."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.nn.attention import EdgeAttention
from tf_symgnn.nn.chunked import uses_chunks
from tf_symgnn.nn.chunked.attention import EdgeUpdate, attend_in_chunks
from tf_symgnn.nn.normalization import MaskedBatchNormalization


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class MessagePassing(tf.keras.layers.Layer):
    """One update of node and edge states: attention, merged heads, batch norm, projection and residual.

    The equations of attention are those of `EdgeAttention` (Li et al. 2024, arXiv:2401.08627).

    Args:
        heads: number of attention heads.
        units: width of a head and of the states.
        merge: `concat` or `mean` of the heads.
        update_edges: whether to update edge states. The last layer need not, since no layer reads them afterwards.
        kernel: `reference`, plain TF-GNN operations; `chunked`, chunks of pairs that fit into a CPU cache, which
            requires pairs sorted by target; or `auto`, `chunked` if TensorFlow has no GPU.

    Raises:
        ValueError: `merge` or `kernel` is unknown.
    """

    def __init__(
        self,
        *,
        heads: int,
        units: int,
        merge: str = "concat",
        update_edges: bool = True,
        kernel: str = "auto",
        **kwargs,
    ):
        super().__init__(**kwargs)
        uses_chunks(kernel)  # raises ValueError for an unknown kernel
        if merge not in ("concat", "mean"):
            raise ValueError(f"merge: found {merge}, expected concat or mean")
        self.heads, self.units, self.merge, self.update_edges, self.kernel = heads, units, merge, update_edges, kernel
        dtype = self.dtype_policy
        self.edge_attention = EdgeAttention(
            heads=heads, node_units=units, edge_units=units, name="attention", dtype=dtype
        )
        self.node_norm = MaskedBatchNormalization(name="node_norm", dtype=dtype)
        self.node_projection = tf.keras.layers.Dense(units, name="node_projection", dtype=dtype)
        if update_edges:
            self.edge_norm = MaskedBatchNormalization(name="edge_norm", dtype=dtype)
            self.edge_projection = tf.keras.layers.Dense(units, name="edge_projection", dtype=dtype)

    def build(self, input_shape: tuple[tf.TensorShape, tf.TensorShape]) -> None:
        """Create the weights of all sublayers. They do not depend on the kernel."""
        merged = tf.TensorShape([None, self.units * (self.heads if self.merge == "concat" else 1)])
        sublayers = {self.edge_attention: input_shape, self.node_norm: merged, self.node_projection: merged}
        if self.update_edges:
            sublayers |= {self.edge_norm: merged, self.edge_projection: merged}
        for layer, shape in sublayers.items():
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
        """Return updated nodes [N, F] and edges [E, F].

        Args:
            inputs: nodes [N, F] and edges [E, F].
            graph: its adjacency and, optionally, its pair weights.
            masks: [N] and [E], 1 for real atoms and pairs, 0 for padding.
            training: whether batch norm uses and tracks the statistics of the batch.
        """
        nodes, _ = inputs
        attend = self._attend_in_chunks if uses_chunks(self.kernel) else self._attend
        messages, edges = attend(inputs, graph, masks[1], training)
        normalized = self.node_norm(self._merge_heads(messages), mask=masks[0], training=training)
        return nodes + self.node_projection(normalized), edges

    def attention(self, inputs: tuple[tf.Tensor, tf.Tensor], graph: tfgnn.GraphTensor) -> tf.Tensor:
        """Return the attention a_ij [E, H], from nodes [N, F] and edges [E, F]."""
        return self.edge_attention(inputs, graph=graph)[2]

    def _attend(
        self, inputs: tuple[tf.Tensor, tf.Tensor], graph: tfgnn.GraphTensor, edge_mask: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return messages [N, H, F] and updated edges [E, F], by the kernel `reference`."""
        messages, hidden, _ = self.edge_attention(inputs, graph=graph)
        _, edges = inputs
        if self.update_edges:
            normalized = self.edge_norm(self._merge_heads(hidden), mask=edge_mask, training=training)
            edges += self.edge_projection(normalized)
        return messages, edges

    def _attend_in_chunks(
        self, inputs: tuple[tf.Tensor, tf.Tensor], graph: tfgnn.GraphTensor, edge_mask: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return messages [N, H, F] and updated edges [E, F], by the kernel `chunked`."""
        return attend_in_chunks(
            self.edge_attention,
            inputs,
            graph,
            update=EdgeUpdate(self.edge_norm, self.edge_projection) if self.update_edges else None,
            mean_of_heads=self.merge == "mean",
            edge_mask=edge_mask,
            training=training,
        )

    def _merge_heads(self, states: tf.Tensor) -> tf.Tensor:
        """Return states [., H, F] as [., H F] or, with `mean`, [., F]."""
        if self.merge == "mean":
            return tf.reduce_mean(states, axis=1)
        return tf.reshape(states, [-1, self.heads * self.units])

    def bytes_per_pair(self) -> int:
        """Return the peak memory of a pair in bytes: its updated state, per chunk and concatenated."""
        return 8 * self.units

    def bytes_per_atom(self) -> int:
        """Return the peak memory of an atom in bytes: two tensors as wide as all heads and three states."""
        return 8 * self.heads * self.units + 12 * self.units

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {
            "heads": self.heads,
            "units": self.units,
            "merge": self.merge,
            "update_edges": self.update_edges,
            "kernel": self.kernel,
        }
