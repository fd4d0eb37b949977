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
    """Return encodings [E, C], averaged over transforms; a training step stores phi of each pair at each transform.

    Args:
        encoder: phi.
        displacement: [E, 3] A.
        transforms: [K, 3, 3].
        mask: [E], 1 for pairs that count in batch statistics; None where all do.
        training: whether the batch norm uses and tracks statistics of the batch.
    """
    mask = tf.ones_like(displacement[:, 0]) if mask is None else mask
    copies = transforms.shape[0]
    partition = partition_edges(tf.shape(displacement)[0], copies * max(encoder.units))
    inward = _inward(encoder, displacement, transforms, mask, training)
    linear, norm = encoder.linear_and_norm[1]
    kernel, bias = (tf.cast(x, transforms.dtype) for x in (linear.kernel, linear.bias))
    passes = _PairEncoding(mask, copies, norm)
    if training:
        inputs = ChunkTensors(edges=displacement, shared=(inward, (kernel, bias)))
        outputs = map_chunks_in_two_passes(passes, partition, inputs, {"gamma": norm.gamma, "beta": norm.beta})
        norm.track(outputs.shared)
        return outputs.edges
    scale, offset = norm.affine(None, norm.gamma, norm.beta)
    inputs = ChunkTensors(edges=displacement, shared=(inward, (kernel * scale, bias * scale + offset)))

    def encode(chunk: Chunk, part: ChunkTensors) -> ChunkTensors:
        return ChunkTensors(edges=passes.average(passes.edge_features(chunk, part)))

    return map_chunks(encode, partition, inputs).edges


def _inward(
    encoder: EdgeEncoder, displacement: tf.Tensor, transforms: tf.Tensor, mask: tf.Tensor, training: bool
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the first block's linear map and batch norm as one map, of all transforms: [3, K C] and [K C]."""
    linear, norm = encoder.linear_and_norm[0]
    kernel, bias, displacement, mask = (
        tf.cast(x, transforms.dtype) for x in (linear.kernel, linear.bias, displacement, mask)
    )
    of_transforms = tf.einsum("kij,jc->kic", transforms, kernel)
    moments = None
    if training:
        moments = _linear_moments(displacement, mask, of_transforms, bias)
        norm.track(moments)
    scale, offset = norm.affine(moments, norm.gamma, norm.beta)
    side_by_side = tf.reshape(tf.transpose(scale * of_transforms, [1, 0, 2]), [3, -1])
    return side_by_side, tf.tile(scale * bias + offset, [transforms.shape[0]])


class _PairEncoding(NamedTuple):
    """The encoding of pairs at all transforms, in two passes: `map_chunks.TwoPasses`.

    Tensors of pairs are displacements; shared are two linear maps, a kernel and a bias each.
    """

    mask: tf.Tensor  # [E]
    copies: int  # of a pair, one a transform
    norm: MaskedBatchNormalization  # between the second map and its activation

    def edge_features(self, chunk: Chunk, part: ChunkTensors) -> tf.Tensor:
        """Return the outputs of the second map, of displacements at each transform [E K, C]."""
        inward, outward = tf.nest.map_structure(lambda x: tf.cast(x, part.edges.dtype), part.shared)
        directions = tf.nn.bias_add(part.edges @ inward[0], inward[1])
        directions = tf.nn.relu(tf.reshape(directions, [-1, outward[0].shape[0]]))
        return _or_stored(tf.nn.bias_add(directions @ outward[0], outward[1]), part.residuals)

    def reduce(self, chunk: Chunk, part: ChunkTensors, wide: tf.Tensor) -> ChunkTensors:
        """Return the moments of the second map's outputs."""
        mask = tf.repeat(chunk.of_edges(self.mask), self.copies)
        return ChunkTensors(shared=Moments.of_rows(wide, mask))

    def finalize(self, shared: Moments, parameters: Nest) -> Nest:
        """Return batch norm as a scale and an offset."""
        return self.norm.affine(shared, parameters["gamma"], parameters["beta"])

    def apply(self, chunk: Chunk, part: ChunkTensors, wide: tf.Tensor, final: Nest) -> tf.Tensor:
        """Return the encodings of pairs [E, C]."""
        scale, offset = final
        # In the statistics' precision: half of it cannot add up the gradient of so many rows.
        normed = tf.nn.bias_add(tf.cast(wide, scale.dtype) * scale, offset)
        return self.average(tf.cast(normed, wide.dtype))

    def average(self, normed: tf.Tensor) -> tf.Tensor:
        """Return the second activation, averaged over transforms."""
        return tf.reduce_mean(tf.reshape(gaussian(normed), [-1, self.copies, normed.shape[1]]), axis=1)


def _linear_moments(rows: tf.Tensor, mask: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> Moments:
    """Return the moments of `rows @ kernel[k] + bias` for each k, from those of rows [R, 3]; kernel [K, 3, C]."""
    weight = mask[:, tf.newaxis]
    count = tf.reduce_sum(weight)
    mean = tf.math.divide_no_nan(tf.reduce_sum(weight * rows, axis=0), count)
    centered = rows - mean
    scatter = tf.matmul(weight * centered, centered, transpose_a=True)
    deviation = tf.einsum("kic,ij,kjc->kc", kernel, scatter, kernel)
    return Moments(count * tf.ones_like(kernel[:, 0, :1]), tf.einsum("i,kic->kc", mean, kernel) + bias, deviation)


def _or_stored(value: tf.Tensor, stored: Nest) -> tf.Tensor:
    """Return a value, or its stored copy: then the value is not computed, and its gradient still passes."""
    if not tf.is_tensor(stored):
        return value
    return tf.custom_gradient(lambda value: (stored, lambda upstream: upstream))(value)
