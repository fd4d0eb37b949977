"""Hessians of the energy by the positions of some atoms, all others being fixed."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tf_symgnn.potentials.eam import EamPotential, EamState

# eV/A^2, beside 5 to 30 on the diagonal. A pair is left out of the term of embedding if it adds less than the first to
# the block of an atom with itself, and a block of two atoms if its norm is smaller than the second. This changes the
# logarithms of the response by up to 0.005.
NEGLIGIBLE, NEGLIGIBLE_BLOCK = 2e-5, 1e-3


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


class GlassHessian(NamedTuple):
    """The Hessian of the energy of a glass: 3 x 3 blocks of atoms with themselves and with others, single precision.

    With the density rho_k of atom k, it is a term of pairs at constant F', and the term of embedding
    sum_k F''(rho_k) grad rho_k (grad rho_k)^T. All images of an atom move with it.

    Attributes:
        pairs: of different atoms whose block is not negligible; the receiver has the lower number.
        blocks: [2 P + N + 2, 3, 3] eV/A^2, those of receiver and sender of each pair, of sender and receiver of each
            pair, and of each atom with itself, then the identity and zero.
    """

    pairs: Pairs
    blocks: tf.Tensor

    @classmethod
    def of(cls, potential: EamPotential, state: EamState, pairs: Pairs, free: tf.Tensor) -> GlassHessian:
        """Return the Hessian of a glass.

        Args:
            potential: of the glass.
            state: of its pairs.
            pairs: of the glass.
            free: bool[N], the atoms that may move. Pairs of others are left out.
        """
        n_atoms = tf.size(state.density)
        bond = _pair_blocks(potential, state, pairs)
        by_sender = state.received.first[:, tf.newaxis] * state.direction  # gradient of the receiver's density
        by_itself = -tf.math.unsorted_segment_sum(by_sender, pairs.target, n_atoms)
        own = _own_blocks(state, pairs, bond, by_itself)

        weight = state.embedding.second
        of_free = tf.gather(free, pairs.source)
        is_close = of_free & (tf.abs(tf.gather(weight, pairs.target)) * state.received.first**2 > NEGLIGIBLE)
        gradients = tf.concat([tf.boolean_mask(by_sender, is_close), by_itself], axis=0)
        products = GradientProducts.of(pairs.where(is_close), gradients, weight)
        is_half = of_free & tf.gather(free, pairs.target) & (pairs.source >= pairs.target)
        half, bond = pairs.where(is_half), tf.cast(tf.boolean_mask(bond, is_half), tf.float32)
        # A pair of an atom with its own image is there in both directions.
        bond /= tf.where(half.source == half.target, 2.0, 1.0)[:, tf.newaxis, tf.newaxis]

        key, index = tf.unique(tf.concat([_keys(half.target, half.source, n_atoms), products.key], axis=0))
        of_half, of_products = tf.split(index, [tf.size(half.source), -1])
        block = tf.math.unsorted_segment_sum(bond, of_half, tf.size(key))
        return cls._sorted(own, key, block + products.blocks(of_products, tf.size(key)))

    @property
    def own(self) -> tf.Tensor:
        """Return the blocks of atoms with themselves [N, 3, 3] eV/A^2."""
        return self.blocks[2 * tf.size(self.pairs.source) : -2]

    @classmethod
    def _sorted(cls, own: tf.Tensor, key: tf.Tensor, block: tf.Tensor) -> GlassHessian:
        """Return the Hessian with blocks of atoms with themselves [N, 3, 3] and of pairs with some keys [K, 3, 3]."""
        n_atoms = tf.shape(own, key.dtype)[0]
        receiver, sender = tf.cast(key // n_atoms, tf.int32), tf.cast(key % n_atoms, tf.int32)
        images = tf.where(receiver == sender)[:, 0]
        of_images = tf.gather(block, images)
        of_images += tf.linalg.matrix_transpose(of_images)
        own = tf.tensor_scatter_nd_add(own, tf.gather(receiver, images)[:, tf.newaxis], of_images)
        kept = tf.where((receiver != sender) & (tf.norm(block, axis=[1, 2]) > NEGLIGIBLE_BLOCK))[:, 0]
        kept = tf.gather(kept, tf.argsort(tf.gather(key, kept)))
        receiver, sender, block = (tf.gather(values, kept) for values in (receiver, sender, block))
        constants = tf.stack([tf.eye(3), tf.zeros([3, 3])])
        blocks = tf.concat([block, tf.linalg.matrix_transpose(block), own, constants], axis=0)
        return cls(Pairs.of(sender, receiver, tf.cast(n_atoms, tf.int32)), blocks)

    def of_regions(self, regions: Regions) -> tf.Tensor:
        """Return the lower triangle of the Hessian of each region [B, 3 M, 3 M] eV/A^2, the identity at unused places.

        What is above the diagonal has no meaning; a Cholesky decomposition does not read it.
        """
        n_pairs, n_blocks = tf.size(self.pairs.source), tf.shape(self.blocks)[0]
        n_atoms, n_regions, size = n_blocks - 2 * n_pairs - 2, tf.size(regions.count), regions.size
        # Flat indices of tables are faster than indices of several dimensions.
        member = regions.row * n_atoms + regions.atom  # of a table of regions and atoms [B, N]
        places = tf.tensor_scatter_nd_update(tf.fill([n_regions * n_atoms], -1), member[:, tf.newaxis], regions.place)
        pair, receiver = self.pairs.received_by(regions.atom)
        other = tf.gather(places, tf.gather(regions.row * n_atoms, receiver) + tf.gather(self.pairs.source, pair))
        inside = tf.where(other >= 0)[:, 0]
        pair, receiver, other = (tf.gather(values, inside) for values in (pair, receiver, other))
        place, row = tf.gather(regions.place, receiver), tf.gather(regions.row, receiver)
        unused = tf.cast(tf.where(tf.range(size) < size - regions.count[:, tf.newaxis]), tf.int32)
        # Of a table of regions, lower place and upper place [B, M, M].
        at = [
            (row * size + tf.maximum(place, other)) * size + tf.minimum(place, other),
            (regions.row * size + regions.place) * size + regions.place,
            (unused[:, 0] * size + unused[:, 1]) * size + unused[:, 1],
        ]
        block = [
            tf.where(place > other, pair, n_pairs + pair),
            2 * n_pairs + regions.atom,
            tf.fill(tf.shape(unused)[:1], n_blocks - 2),
        ]
        table = tf.fill([n_regions * size * size], n_blocks - 1)
        table = tf.tensor_scatter_nd_update(table, tf.concat(at, axis=0)[:, tf.newaxis], tf.concat(block, axis=0))
        lines = 3 * tf.reshape(table, [n_regions * size, 1, size]) + tf.range(3)[:, tf.newaxis]
        return tf.reshape(tf.gather(tf.reshape(self.blocks, [-1, 3]), lines), [n_regions, 3 * size, 3 * size])


class GradientProducts(NamedTuple):
    """F''(rho_k) and the gradients of rho_k by the positions of two atoms, for each k and two atoms that it depends on.

    Attributes:
        key: i64[T], of the two atoms.
        weight: f32[T] eV, F''(rho_k).
        left: i32[T], the place in `gradients` of the gradient by the position of the atom with the lower number.
        right: i32[T], that of the other.
        gradients: f32[C + N, 3] 1/A.
    """

    key: tf.Tensor
    weight: tf.Tensor
    left: tf.Tensor
    right: tf.Tensor
    gradients: tf.Tensor

    @classmethod
    def of(cls, close: Pairs, gradients: tf.Tensor, weight: tf.Tensor) -> GradientProducts:
        """Return the products.

        Args:
            close: the pairs of each k, the receiver, with the atoms that its density depends on.
            gradients: f[C + N, 3] 1/A, of rho_k by the position of the sender of each pair, and of each k by its own.
            weight: f[N] eV, F''(rho).
        """
        n_close, n_atoms = tf.size(close.source), tf.size(weight)
        later = tf.ragged.range(tf.range(1, n_close + 1), tf.gather(close.first, close.target + 1))
        one = tf.concat([tf.cast(later.value_rowids(), tf.int32), tf.range(n_close)], axis=0)
        other = tf.concat([later.values, n_close + close.target], axis=0)
        atoms = tf.concat([close.source, tf.range(n_atoms)], axis=0)
        weight = tf.gather(tf.cast(weight, tf.float32), tf.gather(close.target, one))
        first, second = tf.gather(atoms, one), tf.gather(atoms, other)
        left, right = tf.where(first > second, other, one), tf.where(first > second, one, other)
        key = _keys(tf.minimum(first, second), tf.maximum(first, second), n_atoms)
        return cls(key, weight, left, right, tf.cast(gradients, tf.float32))

    def blocks(self, index: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """Return the sums [number, 3, 3] eV/A^2 of products with the same index i32[T]."""
        axes = tf.unstack(self.gradients, axis=1)
        lefts = [self.weight * tf.gather(axis, self.left) for axis in axes]
        rights = [tf.gather(axis, self.right) for axis in axes]
        # One element at a time takes a fifth of the memory.
        sums = [tf.math.unsorted_segment_sum(left * right, index, number) for left in lefts for right in rights]
        return tf.reshape(tf.stack(sums, axis=1), [-1, 3, 3])


def _keys(receiver: tf.Tensor, sender: tf.Tensor, n_atoms: tf.Tensor) -> tf.Tensor:
    """Return a number i64[K] for each pair of atoms, which sorts by receiver and sender."""
    return tf.cast(receiver, tf.int64) * tf.cast(n_atoms, tf.int64) + tf.cast(sender, tf.int64)


def _pair_blocks(potential: EamPotential, state: EamState, pairs: Pairs) -> tf.Tensor:
    """Return the blocks f64[E, 3, 3] eV/A^2 of receivers and senders in the term of pairs."""
    along = _outer(state.direction)
    across = tf.eye(3, dtype=along.dtype) - along
    slope = potential.slopes(state, pairs.source, pairs.target) / state.distance
    curvature = potential.curvatures(state, pairs.source, pairs.target)
    return -(curvature[:, tf.newaxis, tf.newaxis] * along + slope[:, tf.newaxis, tf.newaxis] * across)


def _own_blocks(state: EamState, pairs: Pairs, bond: tf.Tensor, by_itself: tf.Tensor) -> tf.Tensor:
    """Return the blocks f32[N, 3, 3] eV/A^2 of atoms with themselves.

    Args:
        state: of the pairs.
        pairs: of the glass.
        bond: f64[E, 3, 3] eV/A^2, blocks of the term of pairs.
        by_itself: f64[N, 3] 1/A, the gradient of the density at an atom by its own position.
    """
    weight = state.embedding.second
    of_sender = tf.gather(weight, pairs.source) * state.sent.first**2
    of_neighbors = of_sender[:, tf.newaxis, tf.newaxis] * _outer(state.direction) - bond
    own = weight[:, tf.newaxis, tf.newaxis] * _outer(by_itself)
    own += tf.math.unsorted_segment_sum(of_neighbors, pairs.target, tf.size(weight))
    return tf.cast(own, tf.float32)


def _outer(vectors: tf.Tensor) -> tf.Tensor:
    """Return the outer products [X, 3, 3] of vectors [X, 3] with themselves."""
    return vectors[:, :, tf.newaxis] * vectors[:, tf.newaxis, :]
