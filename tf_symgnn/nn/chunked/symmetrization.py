"""Symmetrization in chunks of pairs: the kernel `chunked` of `Symmetrization`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tf_symgnn.nn.chunked.map_chunks import map_chunks, map_chunks_in_two_passes
from tf_symgnn.nn.chunked.partition import Chunk, ChunkTensors, Nest, partition_edges
from tf_symgnn.nn.edge_encoder import EdgeEncoder
from tf_symgnn.nn.normalization import MaskedBatchNormalization, Moments, gaussian


def symmetrize_in_chunks(
    encoder: EdgeEncoder, displacement: tf.Tensor, transforms: tf.Tensor, mask: tf.Tensor | None, training: bool
) -> tf.Tensor:
    """Return encodings [E, C], averaged over transforms.

    A training step stores the second linear map of phi for each pair and each transform.

    Args:
        encoder: phi.
        displacement: [E, 3] A.
        transforms: [K, 3, 3].
        mask: [E], 1 for pairs in batch statistics, 0 for others; None includes all.
        training: whether the batch norm uses and tracks statistics of the batch.
    """
    mask = tf.ones_like(displacement[:, 0]) if mask is None else mask
    n_transforms = transforms.shape[0]
    partition = partition_edges(tf.shape(displacement)[0], n_transforms * max(encoder.units))
    first = _first_map(encoder, displacement, transforms, mask, training)
    linear, norm = encoder.linear_and_norm[1]
    kernel, bias = (tf.cast(x, transforms.dtype) for x in (linear.kernel, linear.bias))
    passes = _PairEncoding(mask, n_transforms, norm)
    if training:
        inputs = ChunkTensors(edges=displacement, shared=(first, (kernel, bias)))
        outputs = map_chunks_in_two_passes(passes, partition, inputs, {"gamma": norm.gamma, "beta": norm.beta})
        norm.track(outputs.shared)
        return outputs.edges
    scale, offset = norm.affine(None, norm.gamma, norm.beta)
    inputs = ChunkTensors(edges=displacement, shared=(first, (kernel * scale, bias * scale + offset)))

    def encode(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        return ChunkTensors(edges=passes.average(passes.edge_features(chunk, part)))

    return map_chunks(encode, partition, inputs).edges


def _first_map(
    encoder: EdgeEncoder, displacement: tf.Tensor, transforms: tf.Tensor, mask: tf.Tensor, training: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the first linear map and its batch norm at all transforms as one kernel [3, K C] and one bias [K C]."""
    linear, norm = encoder.linear_and_norm[0]
    kernel, bias, displacement, mask = (
        tf.cast(x, transforms.dtype) for x in (linear.kernel, linear.bias, displacement, mask)
    )
    kernels = tf.einsum("kij,jc->kic", transforms, kernel)
    moments = None
    if training:
        moments = _linear_moments(displacement, mask, kernels, bias)
        norm.track(moments)
    scale, offset = norm.affine(moments, norm.gamma, norm.beta)
    kernel = tf.reshape(tf.transpose(scale * kernels, [1, 0, 2]), [3, -1])
    return kernel, tf.tile(scale * bias + offset, [transforms.shape[0]])


class _PairEncoding(NamedTuple):
    """The encoding of pairs at all transforms as `map_chunks.TwoPasses`.

    `ChunkTensors.edges` are displacements [E, 3] A. `ChunkTensors.shared` are two linear maps (kernel and bias).
    """

    mask: tf.Tensor  # [E]
    n_transforms: int
    norm: MaskedBatchNormalization  # between the second map and its activation

    def edge_features(self, chunk: Chunk, part: ChunkTensors) -> tf.Tensor:
        """Return the outputs of the second linear map at each transform [E K, C]."""
        first, second = tf.nest.map_structure(lambda x: tf.cast(x, part.edges.dtype), part.shared)
        hidden = tf.nn.bias_add(part.edges @ first[0], first[1])
        hidden = tf.nn.relu(tf.reshape(hidden, [-1, second[0].shape[0]]))
        return _or_stored(tf.nn.bias_add(hidden @ second[0], second[1]), part.residuals)

    def reduce(self, chunk: Chunk, part: ChunkTensors, features: tf.Tensor) -> ChunkTensors:
        """Return the moments of the outputs of the second linear map."""
        mask = tf.repeat(chunk.of_edges(self.mask), self.n_transforms)
        return ChunkTensors(shared=Moments.of_rows(features, mask))

    def finalize(self, shared: Moments, parameters: Nest) -> Nest:
        """Return the batch norm as a scale and an offset [C]."""
        return self.norm.affine(shared, parameters["gamma"], parameters["beta"])

    def apply(self, chunk: Chunk, part: ChunkTensors, features: tf.Tensor, final: Nest) -> tf.Tensor:
        """Return the encodings of pairs [E, C]."""
        scale, offset = final
        # Half precision cannot sum the gradient of so many rows, so this uses the precision of the statistics.
        normalized = tf.nn.bias_add(tf.cast(features, scale.dtype) * scale, offset)
        return self.average(tf.cast(normalized, features.dtype))

    def average(self, normalized: tf.Tensor) -> tf.Tensor:
        """Return the Gaussians of normalized values [E K, C], averaged over transforms [E, C]."""
        return tf.reduce_mean(tf.reshape(gaussian(normalized), [-1, self.n_transforms, normalized.shape[1]]), axis=1)


def _linear_moments(rows: tf.Tensor, mask: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> Moments:
    """Return the moments of `rows @ kernel[k] + bias` for each k, from the moments of rows [R, 3]; kernel [K, 3, C]."""
    weight = mask[:, tf.newaxis]
    count = tf.reduce_sum(weight)
    mean = tf.math.divide_no_nan(tf.reduce_sum(weight * rows, axis=0), count)
    centered = rows - mean
    scatter = tf.matmul(weight * centered, centered, transpose_a=True)
    deviation = tf.einsum("kic,ij,kjc->kc", kernel, scatter, kernel)
    return Moments(count * tf.ones_like(kernel[:, 0, :1]), tf.einsum("i,kic->kc", mean, kernel) + bias, deviation)


def _or_stored(value: tf.Tensor, stored: Nest) -> tf.Tensor:
    """Return a stored copy of a value if there is one, else the value.

    With a stored copy, the value is not computed again, and gradients pass as if it were.
    """
    if not tf.is_tensor(stored):
        return value
    return tf.custom_gradient(lambda value: (stored, lambda upstream: upstream))(value)
