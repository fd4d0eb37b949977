"""Hessians of the energy by the positions of some atoms, all others being fixed."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tf_symgnn.potentials.eam import EamPotential, EamState

# eV/A^2. Pairs whose density contributes less than this to the diagonal of the Hessian, which has 5 to 30 eV/A^2, are
# left out of the term of embedding. This changes the logarithms of the response by up to 0.003.
NEGLIGIBLE = 2e-5


class Pairs(NamedTuple):
    """The directed pairs of a glass within the cutoff of its potential, sorted by receiver.

    Attributes:
        source: i32[E], the sender.
        target: i32[E], the receiver, ascending.
        first: i32[N + 1], the number of the first pair of each atom, and E.
    """

    source: tf.Tensor
    target: tf.Tensor
    first: tf.Tensor

    @classmethod
    def of(cls, source: tf.Tensor, target: tf.Tensor, n_atoms: tf.Tensor | int) -> Pairs:
        """Return the pairs, with the first pair of each atom."""
        return cls(source, target, tf.searchsorted(target, tf.range(n_atoms + 1)))

    def where(self, mask: tf.Tensor) -> Pairs:
        """Return the pairs for which a mask bool[E] is True."""
        before = tf.concat([[0], tf.cumsum(tf.cast(mask, tf.int32))], axis=0)
        return Pairs(
            tf.boolean_mask(self.source, mask), tf.boolean_mask(self.target, mask), tf.gather(before, self.first)
        )

    def received_by(self, atoms: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the pairs i32[P] that atoms i32[A] receive, and the place in `atoms` i32[P] of their receivers."""
        of_atom = tf.ragged.range(tf.gather(self.first, atoms), tf.gather(self.first, atoms + 1))
        return of_atom.values, tf.cast(of_atom.value_rowids(), tf.int32)


class Regions(NamedTuple):
    """Sets of free atoms, B of them with up to M atoms each.

    Attributes:
        row: i32[A], the region of each member, ascending.
        atom: i32[A], the member.
        place: i32[A], its place among the M of the region. The last member is at M - 1; unused places come first.
        distance: f64[A] A, from the center of the region.
        count: i32[B], the members of each region.
    """

    row: tf.Tensor
    atom: tf.Tensor
    place: tf.Tensor
    distance: tf.Tensor
    count: tf.Tensor

    @classmethod
    def around(
        cls, centers: tf.Tensor, pairs: Pairs, distance: tf.Tensor, radius: float, n_atoms: tf.Tensor
    ) -> Regions:
        """Return the atoms within a radius of each center, the farthest first and the center last.

        An atom is one member, even if several of its periodic images are within the radius; in a cell of at least
        `PotentialDescriptors.min_width`, none has several.

        Args:
            centers: i32[B], atoms.
            pairs: of the glass.
            distance: f64[E] A, of the pairs.
            radius: A, at most the cutoff of the pairs.
            n_atoms: number of atoms of the glass.
        """
        pair, row = pairs.received_by(centers)
        near = tf.where(tf.gather(distance, pair) < radius)[:, 0]
        pair, row = tf.gather(pair, near), tf.gather(row, near)
        row = tf.concat([tf.range(tf.size(centers)), row], axis=0)
        atom = tf.concat([centers, tf.gather(pairs.source, pair)], axis=0)
        away = tf.concat([tf.zeros(tf.shape(centers), tf.float64), tf.gather(distance, pair)], axis=0)
        order = tf.argsort(tf.cast(row, tf.float64) * 2 * radius + away, stable=True)
        row, atom, away = tf.gather(row, order), tf.gather(atom, order), tf.gather(away, order)
        n_atoms = tf.cast(n_atoms, tf.int64)
        key, index = tf.unique(tf.cast(row, tf.int64) * n_atoms + tf.cast(atom, tf.int64))
        row, atom = tf.cast(key // n_atoms, tf.int32), tf.cast(key % n_atoms, tf.int32)
        count = tf.math.bincount(row, minlength=tf.size(centers))
        rank = tf.range(tf.size(row)) - tf.gather(tf.cumsum(count, exclusive=True), row)
        away = tf.math.unsorted_segment_min(away, index, tf.size(key))
        return cls(row, atom, tf.reduce_max(count) - 1 - rank, away, count)

    @property
    def size(self) -> tf.Tensor:
        """Return M, the largest number of members."""
        return tf.reduce_max(self.count)


class HessianTerms(NamedTuple):
    """What the Hessian of a glass is made of, single precision.

    With the density rho_k of atom k, the Hessian is a term of pairs at constant F', and the term of embedding
    sum_k F''(rho_k) grad rho_k (grad rho_k)^T.

    Attributes:
        own: [N, 3, 3] eV/A^2, the block of an atom with itself, of both terms.
        own_pair: [N, 3, 3] eV/A^2, the same of the term of pairs.
        half: one of the two directions of each pair; a pair of an atom with its own image is there in both.
        pair: [H, 3, 3] eV/A^2, for `half` the block of receiver and sender in the term of pairs, half of it for an
            atom with its own image.
        close: pairs whose contribution to the term of embedding is not negligible.
        gradient: [C, 3] 1/A, for `close` that of the density at the sender by the position of the receiver.
        own_gradient: [N, 3] 1/A, of the density at an atom by its own position.
        weight: [N] eV, F''(rho).
    """

    own: tf.Tensor
    own_pair: tf.Tensor
    half: Pairs
    pair: tf.Tensor
    close: Pairs
    gradient: tf.Tensor
    own_gradient: tf.Tensor
    weight: tf.Tensor

    @classmethod
    def of(cls, potential: EamPotential, state: EamState, pairs: Pairs) -> HessianTerms:
        """Return the terms of a glass whose pairs have this state."""
        n_atoms, weight = tf.size(state.density), state.embedding.second
        along = _outer(state.direction)
        across = tf.eye(3, dtype=along.dtype) - along
        slope = potential.slopes(state, pairs.source, pairs.target) / state.distance
        curvature = potential.curvatures(state, pairs.source, pairs.target)
        pair = -(curvature[:, tf.newaxis, tf.newaxis] * along + slope[:, tf.newaxis, tf.newaxis] * across)
        own_pair = -tf.math.unsorted_segment_sum(pair, pairs.target, n_atoms)
        gradient = -state.sent.first[:, tf.newaxis] * state.direction
        own_gradient = tf.math.unsorted_segment_sum(
            -state.received.first[:, tf.newaxis] * state.direction, pairs.target, n_atoms
        )
        of_others = tf.gather(weight, pairs.source)[:, tf.newaxis, tf.newaxis] * _outer(gradient)
        of_itself = weight[:, tf.newaxis, tf.newaxis] * _outer(own_gradient)
        own = own_pair + of_itself + tf.math.unsorted_segment_sum(of_others, pairs.target, n_atoms)
        image = tf.cast(pairs.source == pairs.target, pair.dtype)[:, tf.newaxis, tf.newaxis]
        is_half = pairs.source <= pairs.target
        is_close = tf.abs(tf.gather(weight, pairs.source)) * state.sent.first**2 > NEGLIGIBLE
        single = tf.float32
        return cls(
            tf.cast(own, single),
            tf.cast(own_pair, single),
            pairs.where(is_half),
            tf.cast(tf.boolean_mask(pair * (1 - image / 2), is_half), single),
            pairs.where(is_close),
            tf.cast(tf.boolean_mask(gradient, is_close), single),
            tf.cast(own_gradient, single),
            tf.cast(weight, single),
        )

    def hessians(self, regions: Regions) -> tf.Tensor:
        """Return the Hessian of each region [B, 3 M, 3 M] eV/A^2, the identity at unused places."""
        return self._pair_term(regions) + self._embedding_term(regions)

    def _pair_term(self, regions: Regions) -> tf.Tensor:
        """Return the term of pairs of each region [B, 3 M, 3 M], the identity at unused places."""
        n_atoms, n_regions, size = tf.shape(self.weight)[0], tf.size(regions.count), regions.size
        # Flat indices of tables are faster than indices of several dimensions.
        member = regions.row * n_atoms + regions.atom  # of a table of regions and atoms [B, N]
        place = regions.row * size + regions.place  # of a table of regions and places [B, M]
        places = tf.tensor_scatter_nd_update(tf.fill([n_regions * n_atoms], -1), member[:, tf.newaxis], regions.place)
        pair, receiver = self.half.received_by(regions.atom)
        other = tf.gather(places, tf.gather(regions.row * n_atoms, receiver) + tf.gather(self.half.source, pair))
        free = tf.where(other >= 0)[:, 0]
        unused = tf.where(tf.reshape(tf.range(size) < size - regions.count[:, tf.newaxis], [-1]))[:, 0]
        unused = tf.cast(unused, tf.int32)
        at = [
            tf.gather(tf.gather(place, receiver) * size + other, free),
            place * size + regions.place,
            unused * size + unused % size,
        ]
        # Half of the matrix, to which its transpose is added.
        blocks = [
            tf.gather(self.pair, tf.gather(pair, free)),
            tf.gather(self.own_pair, regions.atom) / 2,
            tf.eye(3, batch_shape=tf.shape(unused)) / 2,
        ]
        half = tf.math.unsorted_segment_sum(tf.concat(blocks, 0), tf.concat(at, 0), n_regions * size**2)
        half = tf.transpose(tf.reshape(half, [n_regions, size, size, 3, 3]), [0, 1, 3, 2, 4])
        half = tf.reshape(half, [n_regions, 3 * size, 3 * size])
        return half + tf.linalg.matrix_transpose(half)

    def _embedding_term(self, regions: Regions) -> tf.Tensor:
        """Return the term of embedding of each region [B, 3 M, 3 M]."""
        n_atoms, n_regions, size = tf.shape(self.weight)[0], tf.size(regions.count), regions.size
        pair, receiver = self.close.received_by(regions.atom)
        gradient = tf.concat([tf.gather(self.gradient, pair), tf.gather(self.own_gradient, regions.atom)], axis=0)
        sender = tf.gather(regions.row * n_atoms, receiver) + tf.gather(self.close.source, pair)
        place = tf.concat([tf.gather(regions.place, receiver), regions.place], axis=0)
        # The atoms whose densities matter to a region, numbered.
        cell = tf.concat([sender, regions.row * n_atoms + regions.atom], axis=0)  # of a table [B, N], flat
        used = tf.scatter_nd(cell[:, tf.newaxis], tf.ones_like(cell), [n_regions * n_atoms]) > 0
        number = tf.cumsum(tf.cast(tf.reshape(used, [n_regions, n_atoms]), tf.int32), axis=1) - 1
        most = tf.reduce_max(number) + 1
        row = number + most * tf.range(n_regions)[:, tf.newaxis]  # of a table of regions and numbers, flat
        row = tf.reshape(row, [-1])
        at = tf.gather(row, cell) * size + place
        gradients = tf.math.unsorted_segment_sum(gradient, at, n_regions * most * size)
        gradients = tf.reshape(gradients, [n_regions, most, 3 * size])
        users = tf.cast(tf.where(used)[:, 0], tf.int32)
        weight = tf.tensor_scatter_nd_update(
            tf.zeros([n_regions * most]), tf.gather(row, users)[:, tf.newaxis], tf.gather(self.weight, users % n_atoms)
        )
        return tf.matmul(gradients * tf.reshape(weight, [n_regions, most, 1]), gradients, transpose_a=True)


def _outer(vectors: tf.Tensor) -> tf.Tensor:
    """Return the outer products [X, 3, 3] of vectors [X, 3] with themselves."""
    return vectors[:, :, tf.newaxis] * vectors[:, tf.newaxis, :]
