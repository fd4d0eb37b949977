"""Attention message passing over directed neighbor pairs, on TF-GNN's softmax and pooling."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names


def weighted_exp(score: tf.Tensor, highest: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """Return weight * exp(score - highest), without overflow where a pair of weight 0 has a score above the highest.

    Args:
        score: [E, H].
        highest: [E, H], the highest score of the receiver's pairs whose weight is not 0.
        weight: [E, 1] or None, where all are 1.
    """
    if weight is None:
        return tf.exp(score - highest)
    most = min(60.0, math.log(score.dtype.max) - 1)  # half precision holds less; 0 times infinity is no number
    return weight * tf.exp(tf.minimum(score - highest, most))


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EdgeAttention(tf.keras.layers.Layer):
    """Multi-head graph attention with edge features (EGAT; Kaminski et al. 2022, as SymGNN uses it).

    For an edge from source i to target j, per head:

        f'_ij = LeakyReLU_0.01( W_s h_i + W_t h_j + W_e f_ij + b )
        a_ij  = softmax over incoming edges of j ( v . f'_ij )
        h'_j  = sum_i a_ij W_n h_i

    With a pair weight w in the graph the softmax is w exp(.) / sum w exp(.): weight 0 removes the pair. An atom without
    pairs receives zeros.

    Args:
        heads: number of heads H.
        node_units: width F_n of a head's messages.
        edge_units: width F_e of a head's edge states.
    """

    def __init__(self, *, heads: int, node_units: int, edge_units: int, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.node_units, self.edge_units = heads, node_units, edge_units

    def build(self, input_shape: tuple[tf.TensorShape, tf.TensorShape]) -> None:
        """Create W_s, W_t [C_n, H F_e], W_n [C_n, H F_n], W_e [C_e, H F_e], b [H F_e] and v [H, F_e]."""
        nodes, edges = (shape[-1] for shape in input_shape)
        wide, sent = self.heads * self.edge_units, self.heads * self.node_units
        weight = {"initializer": "glorot_normal"}
        self.source_kernel = self.add_weight(name="source_kernel", shape=(nodes, wide), **weight)
        self.target_kernel = self.add_weight(name="target_kernel", shape=(nodes, wide), **weight)
        self.message_kernel = self.add_weight(name="message_kernel", shape=(nodes, sent), **weight)
        self.edge_kernel = self.add_weight(name="edge_kernel", shape=(edges, wide), **weight)
        self.bias = self.add_weight(name="bias", shape=(wide,), initializer="zeros")
        self.score = self.add_weight(name="score", shape=(self.heads, self.edge_units), **weight)
        super().build(input_shape)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, ...]:
        """Return messages [N, H, F_n], edges f' [E, H, F_e] and attention [E, H].

        Args:
            inputs: nodes [N, C_n] and edges [E, C_e].
            graph: with optional pair weights.
        """
        nodes, edges = inputs
        at = {"graph_tensor": graph, "edge_set_name": names.NEIGHBORS}
        sent = tfgnn.broadcast_node_to_edges(node_tag=tfgnn.SOURCE, feature_value=nodes @ self.source_kernel, **at)
        kept = tfgnn.broadcast_node_to_edges(node_tag=tfgnn.TARGET, feature_value=nodes @ self.target_kernel, **at)
        hidden = tf.nn.leaky_relu(sent + kept + edges @ self.edge_kernel + self.bias, 0.01)
        hidden = tf.reshape(hidden, [-1, self.heads, self.edge_units])
        attention = self._softmax(tf.reduce_sum(hidden * self.score, axis=-1), graph)
        sent = tfgnn.broadcast_node_to_edges(node_tag=tfgnn.SOURCE, feature_value=nodes @ self.message_kernel, **at)
        message = tf.reshape(sent, [-1, self.heads, self.node_units])
        received = tfgnn.pool_edges_to_node(
            node_tag=tfgnn.TARGET, reduce_type="sum", feature_value=attention[..., tf.newaxis] * message, **at
        )
        return received, hidden, attention

    def _softmax(self, score: tf.Tensor, graph: tfgnn.GraphTensor) -> tf.Tensor:
        features = graph.edge_sets[names.NEIGHBORS].features
        at = {"graph_tensor": graph, "edge_set_name": names.NEIGHBORS, "node_tag": tfgnn.TARGET}
        if names.PAIR_WEIGHT not in features:
            return tfgnn.softmax_edges_per_node(feature_value=score, **at)
        weight = tf.cast(features[names.PAIR_WEIGHT], score.dtype)[:, tf.newaxis]
        present = tf.stop_gradient(tf.where(weight > 0, score, score.dtype.min))
        highest = tfgnn.pool_edges_to_node(reduce_type="max", feature_value=present, **at)
        share = weighted_exp(score, tfgnn.broadcast_node_to_edges(feature_value=highest, **at), weight)
        total = tfgnn.pool_edges_to_node(reduce_type="sum", feature_value=share, **at)
        return tf.math.divide_no_nan(share, tfgnn.broadcast_node_to_edges(feature_value=total, **at))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        own = {"heads": self.heads, "node_units": self.node_units, "edge_units": self.edge_units}
        return super().get_config() | own
