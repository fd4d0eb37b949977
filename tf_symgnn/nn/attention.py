"""Multi-head graph attention over directed pairs, with TF-GNN's softmax and pooling."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names

LEAKY_RELU_SLOPE = 0.01  # below zero


def weighted_exp(score: tf.Tensor, maximum: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """Return weight * exp(score - maximum).

    Args:
        score: attention scores of pairs, [E, H].
        maximum: the highest score among the pairs of the same receiver whose weight is not zero, [E, H]. A pair of
            weight zero may have a higher score.
        weight: pair weights [E, 1]; None if all are 1.
    """
    if weight is None:
        return tf.exp(score - maximum)
    # The exponent is limited, because zero times an overflow is NaN. float16 overflows earlier than float32.
    limit = min(60.0, math.log(score.dtype.max) - 1)
    return weight * tf.exp(tf.minimum(score - maximum, limit))


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class EdgeAttention(tf.keras.layers.Layer):
    """Multi-head graph attention with edge features (EGAT, Kaminski et al. 2022, in the form that SymGNN uses).

    For an edge from source i to target j, per head:

        f'_ij = LeakyReLU_0.01( W_s h_i + W_t h_j + W_e f_ij + b )
        a_ij  = softmax over incoming edges of j ( v . f'_ij )
        h'_j  = sum_i a_ij W_n h_i

    With pair weights w, the softmax is w exp(.) / sum w exp(.). A pair of weight 0 has no effect. An atom without
    incoming pairs gets zeros.

    Args:
        heads: number of heads H.
        node_units: width F_n of the messages of a head.
        edge_units: width F_e of the edge states of a head.
    """

    def __init__(self, *, heads: int, node_units: int, edge_units: int, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.node_units, self.edge_units = heads, node_units, edge_units

    def build(self, input_shape: tuple[tf.TensorShape, tf.TensorShape]) -> None:
        """Create W_s, W_t [C_n, H F_e], W_n [C_n, H F_n], W_e [C_e, H F_e], b [H F_e] and v [H, F_e]."""
        nodes, edges = (shape[-1] for shape in input_shape)
        hidden, messages = self.heads * self.edge_units, self.heads * self.node_units
        self.source_kernel = self._add_kernel("source_kernel", (nodes, hidden))
        self.target_kernel = self._add_kernel("target_kernel", (nodes, hidden))
        self.message_kernel = self._add_kernel("message_kernel", (nodes, messages))
        self.edge_kernel = self._add_kernel("edge_kernel", (edges, hidden))
        self.bias = self.add_weight(name="bias", shape=(hidden,), initializer="zeros")
        self.score = self._add_kernel("score", (self.heads, self.edge_units))
        super().build(input_shape)

    def _add_kernel(self, name: str, shape: tuple[int, int]) -> tf.Variable:
        return self.add_weight(name=name, shape=shape, initializer="glorot_normal")

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], graph: tfgnn.GraphTensor) -> tuple[tf.Tensor, ...]:
        """Return messages [N, H, F_n], edge states f' [E, H, F_e] and attention [E, H].

        Args:
            inputs: nodes [N, C_n] and edges [E, C_e].
            graph: its adjacency and, optionally, its pair weights.
        """
        nodes, edges = inputs
        of_source = _to_edges(graph, tfgnn.SOURCE, nodes @ self.source_kernel)
        of_target = _to_edges(graph, tfgnn.TARGET, nodes @ self.target_kernel)
        hidden = tf.nn.leaky_relu(of_source + of_target + edges @ self.edge_kernel + self.bias, LEAKY_RELU_SLOPE)
        hidden = tf.reshape(hidden, [-1, self.heads, self.edge_units])
        attention = self._softmax(tf.reduce_sum(hidden * self.score, axis=-1), graph)
        message = _to_edges(graph, tfgnn.SOURCE, nodes @ self.message_kernel)
        message = tf.reshape(message, [-1, self.heads, self.node_units])
        return _to_receivers(graph, "sum", attention[..., tf.newaxis] * message), hidden, attention

    def _softmax(self, score: tf.Tensor, graph: tfgnn.GraphTensor) -> tf.Tensor:
        """Return the attention [E, H] of scores [E, H]."""
        features = graph.edge_sets[names.NEIGHBORS].features
        if names.PAIR_WEIGHT not in features:
            return tfgnn.softmax_edges_per_node(graph, names.NEIGHBORS, tfgnn.TARGET, feature_value=score)
        weight = tf.cast(features[names.PAIR_WEIGHT], score.dtype)[:, tf.newaxis]
        maximum = _to_receivers(graph, "max", tf.stop_gradient(tf.where(weight > 0, score, score.dtype.min)))
        exponential = weighted_exp(score, _to_edges(graph, tfgnn.TARGET, maximum), weight)
        total = _to_edges(graph, tfgnn.TARGET, _to_receivers(graph, "sum", exponential))
        return tf.math.divide_no_nan(exponential, total)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return super().get_config() | {
            "heads": self.heads,
            "node_units": self.node_units,
            "edge_units": self.edge_units,
        }


def _to_edges(graph: tfgnn.GraphTensor, endpoint: int, values: tf.Tensor) -> tf.Tensor:
    """Return values [N, ...] of the source or the target of each pair, [E, ...]."""
    return tfgnn.broadcast_node_to_edges(graph, names.NEIGHBORS, endpoint, feature_value=values)


def _to_receivers(graph: tfgnn.GraphTensor, reduction: str, values: tf.Tensor) -> tf.Tensor:
    """Return the reduction of values [E, ...] over the pairs that each atom receives, [N, ...]."""
    return tfgnn.pool_edges_to_node(graph, names.NEIGHBORS, tfgnn.TARGET, reduction, feature_value=values)
