"""The layer of `symmetrization` computed in blocks of pairs: same weights, same numbers, faster."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tf_symgnn.nn.chunked.map_chunks import blockwise, blockwise_in_two_passes
from tf_symgnn.nn.chunked.partition import Block, Nest, Rows, cut_edges
from tf_symgnn.nn.normalization import MaskedBatchNormalization, Moments, gaussian
from tf_symgnn.nn.symmetrization import Symmetrization


@tf.keras.utils.register_keras_serializable("tf_symgnn")
class BlockedSymmetrization(Symmetrization):
    """Symmetrization in blocks of pairs; a training step keeps what phi makes of each pair at each transform."""

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
        mask = tf.ones_like(displacement[:, 0]) if mask is None else mask
        blocks = cut_edges(tf.shape(displacement)[0], self.distribution.transforms * max(self.units))
        inward = self._inward(transforms, displacement, mask, training)
        linear, norm = self._encoder.linear_and_norm[1]
        kernel, bias = (tf.cast(x, self.variable_dtype) for x in (linear.kernel, linear.bias))
        passes = _PairEncoding(mask, self.distribution.transforms, norm)
        if training:
            rows = Rows(edges=displacement, shared=(inward, (kernel, bias)))
            made = blockwise_in_two_passes(passes, blocks, rows, {"gamma": norm.gamma, "beta": norm.beta})
            norm.track(made.shared)
        else:
            scale, offset = norm.affine(None, norm.gamma, norm.beta)
            rows = Rows(edges=displacement, shared=(inward, (kernel * scale, bias * scale + offset)))
            made = blockwise(lambda *block: Rows(edges=passes.average(passes.expand(*block))), blocks, rows)
        return made.edges

    def _inward(
        self, transforms: tf.Tensor, displacement: tf.Tensor, mask: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The first block's linear map and normalisation as one, at all transforms side by side: [3, K C] and [K C]."""
        linear, norm = self._encoder.linear_and_norm[0]
        kernel, bias, *given = (
            tf.cast(x, self.variable_dtype) for x in (linear.kernel, linear.bias, displacement, mask)
        )
        at_each = tf.einsum("kij,jc->kic", transforms, kernel)
        moments = None
        if training:
            moments = _linear_moments(*given, at_each, bias)
            norm.track(moments)
        scale, offset = norm.affine(moments, norm.gamma, norm.beta)
        side_by_side = tf.reshape(tf.transpose(scale * at_each, [1, 0, 2]), [3, -1])
        return side_by_side, tf.tile(scale * bias + offset, [self.distribution.transforms])


class _PairEncoding(NamedTuple):
    """What symmetrization does on pairs, in two passes: `blockwise.TwoPasses`.

    Rows of pairs are displacements; shared are two linear maps, a kernel and a bias each.
    """

    mask: tf.Tensor  # [E]
    copies: int  # of a pair, one a transform
    norm: MaskedBatchNormalization  # between the second map and its activation

    def expand(self, block: Block, part: Rows) -> tf.Tensor:
        """What the second map makes of displacements at each transform [E K, C]."""
        inward, outward = tf.nest.map_structure(lambda x: tf.cast(x, part.edges.dtype), part.shared)
        directions = tf.nn.bias_add(part.edges @ inward[0], inward[1])
        directions = tf.nn.relu(tf.reshape(directions, [-1, outward[0].shape[0]]))
        return _or_known(tf.nn.bias_add(directions @ outward[0], outward[1]), part.kept)

    def collect(self, block: Block, part: Rows, wide: tf.Tensor) -> Rows:
        """Moments of what the second map makes."""
        return Rows(shared=Moments.of_rows(wide, tf.repeat(block.of_edges(self.mask), self.copies)))

    def settle(self, shared: Moments, settings: Nest) -> Nest:
        """Batch norm as a scale and an offset."""
        return self.norm.affine(shared, settings["gamma"], settings["beta"])

    def finish(self, block: Block, part: Rows, wide: tf.Tensor, settled: Nest) -> tf.Tensor:
        """Encodings of pairs [E, C]."""
        scale, offset = settled
        # In the statistics' precision: half of it cannot add up the gradient of so many rows.
        normed = tf.nn.bias_add(tf.cast(wide, scale.dtype) * scale, offset)
        return self.average(tf.cast(normed, wide.dtype))

    def average(self, normed: tf.Tensor) -> tf.Tensor:
        """The second activation, averaged over transforms."""
        return tf.reduce_mean(tf.reshape(gaussian(normed), [-1, self.copies, normed.shape[1]]), axis=1)


def _linear_moments(rows: tf.Tensor, mask: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> Moments:
    """Moments of `rows @ kernel[k] + bias` for each k, from those of rows [R, 3] alone; kernel [K, 3, C]."""
    weight = mask[:, tf.newaxis]
    count = tf.reduce_sum(weight)
    mean = tf.math.divide_no_nan(tf.reduce_sum(weight * rows, axis=0), count)
    centred = rows - mean
    scatter = tf.matmul(weight * centred, centred, transpose_a=True)
    deviation = tf.einsum("kic,ij,kjc->kc", kernel, scatter, kernel)
    return Moments(count * tf.ones_like(kernel[:, 0, :1]), tf.einsum("i,kic->kc", mean, kernel) + bias, deviation)


def _or_known(value: tf.Tensor, known: Nest) -> tf.Tensor:
    """A value, or what it is known to be: then nobody computes it, and yet its gradient passes."""
    if not tf.is_tensor(known):
        return value
    return tf.custom_gradient(lambda value: (known, lambda above: above))(value)
