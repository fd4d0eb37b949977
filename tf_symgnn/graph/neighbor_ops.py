"""The periodic neighbor list of `build_graph` in TensorFlow ops, so that a SavedModel takes coordinates.

A SavedModel cannot call vesin, which `build_graph` searches with; a test compares the two. Atoms are sorted into bins
along the cell vectors, and each atom is tested against the atoms of nearby bins and of their periodic images.
Time and memory are linear in the number of atoms. All ops have kernels for every device and are supported by ONNX,
unlike a search in a sorted list.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tf_symgnn.data.limits import (
    BINS_PER_CUTOFF,
    COINCIDENT,
    FLAT_CELL,
    MAX_BINS,
    MAX_DENSITY,
    MAX_EXTENT,
    max_bins_in_reach,
)
from tf_symgnn.errors import require_number
from tf_symgnn.graph.cell_ops import reduced, require, volume_and_faces

# Size of the hash table of bins, per atom. Several bins share a row of it where the grid has more.
TABLE_PER_ATOM = 4


class Pairs(NamedTuple):
    """The directed pairs of a glass, sorted by target, then source.

    Attributes:
        source: i32[E], the neighbor (sender) of each pair.
        target: i32[E], the atom that receives it.
        displacement: f32[E, 3] A, x[source] - x[target] + periodic shift.
    """

    source: tf.Tensor
    target: tf.Tensor
    displacement: tf.Tensor


class _Grid(NamedTuple):
    """Atoms in bins along the cell vectors."""

    wrapped: tf.Tensor  # f64[N, 3] A, positions within the cell along periodic directions
    cell: tf.Tensor  # f64[3, 3] A
    pbc: tf.Tensor  # bool[3]
    size: tf.Tensor  # i64[3], number of bins along each cell vector
    place: tf.Tensor  # i64[N, 3], the bin of each atom
    reach: tf.Tensor  # i64[3], the distance in bins within which neighbors are

    def number(self, place: tf.Tensor) -> tf.Tensor:
        """Return the flat index i64[...] of the bin at `place` i64[..., 3]."""
        return (place[..., 0] * self.size[1] + place[..., 1]) * self.size[2] + place[..., 2]


class _Candidates(NamedTuple):
    """Pairs to test, each for two directed ones."""

    source: tf.Tensor  # i64[C]
    target: tf.Tensor  # i64[C]
    displacement: tf.Tensor  # f64[C, 3] A
    valid: tf.Tensor  # bool[C], False for an atom with itself, repetitions, and atoms of other bins of a table row


def neighbor_pairs(positions: tf.Tensor, cell: tf.Tensor, pbc: tf.Tensor, *, cutoff: float, self_loops: bool) -> Pairs:
    """Return every directed pair closer than a cutoff through every periodic image, as `build_graph` does.

    Distances are computed in double precision.

    Args:
        positions: f32[N, 3] or f64[N, 3] A, in the cell or not.
        cell: [3, 3] A, rows are cell vectors; triclinic cells of either handedness are allowed.
        pbc: bool[3], whether the cell repeats along each cell vector.
        cutoff: A.
        self_loops: whether each atom is also a neighbor of itself, at zero displacement.

    Raises:
        InputError: the cutoff is not positive.
        InvalidArgumentError: there is no atom, a number is not finite, the cell is flat, two atoms coincide, or the
            atoms are further from the origin or denser than `tf_symgnn.data.limits` allows.
    """
    require_number("neighbor_pairs", "cutoff", cutoff, above=0)
    positions, cell = tf.cast(positions, tf.float64), tf.cast(cell, tf.float64)
    positions, cell = _physical(positions, cell)
    grid = _grid(positions, reduced(cell, pbc), pbc, cutoff)
    candidates = _candidates(grid, cutoff)
    squared = tf.reduce_sum(tf.square(candidates.displacement), axis=1)
    near = tf.where((squared < cutoff**2) & candidates.valid)[:, 0]
    closest = tf.reduce_min(tf.concat([tf.gather(squared, near), [cutoff**2]], axis=0))
    expected = f"atoms over {COINCIDENT:g} A apart"
    apart = require(closest >= COINCIDENT**2, "positions", expected, tf.sqrt(closest))
    with tf.control_dependencies([apart]):
        near = tf.identity(near)
    source, target = tf.gather(candidates.source, near), tf.gather(candidates.target, near)
    displacement = tf.cast(tf.gather(candidates.displacement, near), tf.float32)
    n_atoms = tf.shape(positions, tf.int64)[0]
    loops = tf.range(n_atoms if self_loops else tf.constant(0, tf.int64))
    ends = tf.concat([source, target, loops], axis=0), tf.concat([target, source, loops], axis=0)
    displacement = tf.pad(tf.concat([displacement, -displacement], axis=0), [[0, tf.size(loops)], [0, 0]])
    order = tf.argsort(ends[1] * n_atoms + ends[0], stable=True)
    source, target = (tf.cast(tf.gather(end, order), tf.int32) for end in ends)
    return Pairs(source, target, tf.ensure_shape(tf.gather(displacement, order), [None, 3]))


def neighbor_pairs_of_each(
    positions: tf.Tensor, n_atoms: tf.Tensor, cells: tf.Tensor, pbc: tf.Tensor, *, cutoff: float, self_loops: bool
) -> tuple[Pairs, tf.Tensor]:
    """Return the pairs of a batch of glasses, each as `neighbor_pairs` returns them.

    Args:
        positions: f32[N, 3] A, of all atoms, glass after glass.
        n_atoms: i32[B], the number of atoms of each glass.
        cells: [B, 3, 3] A.
        pbc: bool[B, 3].
        cutoff: A.
        self_loops: whether each atom is also a neighbor of itself, at zero displacement.

    Returns:
        Pairs of atoms by their indices in the batch, and the number of pairs of each glass, i32[B].

    Raises:
        InvalidArgumentError: there is no glass, or `neighbor_pairs` raises it for one.
    """
    number, ends = tf.size(n_atoms), tf.cumsum(n_atoms)
    with tf.control_dependencies([require(number > 0, "n_atoms", "at least one glass", number)]):
        number = tf.identity(number)
    arrays = [tf.TensorArray(tf.int32, number, element_shape=[None], infer_shape=False) for _ in range(2)]
    arrays.append(tf.TensorArray(tf.float32, number, element_shape=[None, 3], infer_shape=False))
    arrays.append(tf.TensorArray(tf.int32, number, element_shape=[]))

    def add(k: tf.Tensor, source: tf.TensorArray, target: tf.TensorArray, *others: tf.TensorArray) -> tuple:
        first = ends[k] - n_atoms[k]
        pairs = neighbor_pairs(positions[first : ends[k]], cells[k], pbc[k], cutoff=cutoff, self_loops=self_loops)
        displacement, n_pairs = others
        return (
            k + 1,
            source.write(k, pairs.source + first),
            target.write(k, pairs.target + first),
            displacement.write(k, pairs.displacement),
            n_pairs.write(k, tf.size(pairs.source)),
        )

    _, *lists, n_pairs = tf.while_loop(lambda k, *_: k < number, add, (tf.constant(0), *arrays))
    return Pairs(*(array.concat() for array in lists)), n_pairs.stack()


def _physical(positions: tf.Tensor, cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return positions and cell with assertions that they are within the limits."""
    cuboid = tf.reduce_prod(tf.norm(cell, axis=1))
    volume = tf.abs(volume_and_faces(cell)[0])
    n_atoms = tf.shape(positions)[0]
    not_finite = tf.boolean_mask(positions, ~tf.math.is_finite(positions))
    far = tf.boolean_mask(positions, tf.abs(positions) > MAX_EXTENT)
    checks = [
        require(n_atoms > 0, "positions", "at least one atom", n_atoms),
        require(tf.size(not_finite) == 0, "positions", "finite numbers", not_finite),
        require(tf.reduce_all(tf.math.is_finite(cell)), "cell", "finite numbers", cell),
        require(tf.size(far) == 0, "positions", f"at most {MAX_EXTENT:g} A from the origin", far),
        # A volume that is not a number fails this comparison, too.
        require(volume > FLAT_CELL * cuboid, "cell", "vectors that span a volume", cell),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(positions), tf.identity(cell)


def _grid(positions: tf.Tensor, cell: tf.Tensor, pbc: tf.Tensor, cutoff: float) -> _Grid:
    """Return atoms in bins at least half a cutoff wide, unless the cell itself is narrower."""
    volume, faces = volume_and_faces(cell)
    heights = tf.abs(volume) / tf.norm(faces, axis=1)
    # ONNX Runtime 1.23 cannot load a product with a transposed matrix of doubles.
    fractional = tf.reduce_sum(positions[:, tf.newaxis] * faces, axis=-1) / volume
    image = tf.where(pbc, tf.floor(fractional), tf.zeros_like(fractional))
    fractional -= image
    low = tf.where(pbc, tf.zeros_like(heights), tf.reduce_min(fractional, axis=0))
    span = tf.where(pbc, tf.ones_like(heights), tf.reduce_max(fractional, axis=0) - low)
    size = tf.clip_by_value(tf.floor(span * heights * BINS_PER_CUTOFF / cutoff), 1.0, float(MAX_BINS))
    place = tf.floor(tf.math.divide_no_nan(fractional - low, span) * size)
    reach = tf.math.ceil(cutoff * size / (span * heights))  # infinite where all atoms lie in one plane
    reach = tf.where(pbc, reach, tf.minimum(reach, size - 1.0))
    density = tf.cast(tf.shape(positions)[0], tf.float64) / tf.abs(volume)
    crowded = tf.reduce_all(pbc) & (density > MAX_DENSITY)
    # A cell can be so narrow along one vector that thousands of its images are within the cutoff.
    wide = tf.reduce_prod(2.0 * reach + 1.0) <= max_bins_in_reach(cutoff)
    expected = f"A, and at most {MAX_DENSITY:g} atoms per A^3"
    roomy = require(~crowded & wide, "cell", expected, density)
    with tf.control_dependencies([roomy]):
        size, reach = tf.cast(size, tf.int64), tf.cast(reach, tf.int64)
    # Rounding, and the upper end of an open direction, can give an atom the index after the last bin.
    place = tf.minimum(tf.cast(place, tf.int64), size - 1)
    return _Grid(positions - tf.matmul(image, cell), cell, pbc, size, place, reach)


def _most_candidates(cutoff: float) -> float:
    """Return the largest number of candidates per atom: that at the largest density, in the widest bins.

    Each candidate belongs to one of its two atoms. Below a cutoff of 2.5 A, the number of atoms per bin is small and
    fluctuates, so the result is that for 2.5 A.
    """
    return MAX_DENSITY * (5.0 * max(cutoff, 2.5)) ** 3 / 2.0


def _candidates(grid: _Grid, cutoff: float) -> _Candidates:
    """Return pairs of atoms in nearby bins, each in one direction."""
    n_atoms = tf.shape(grid.place, tf.int64)[0]
    offset = _half_of_offsets(grid.reach)  # [O, 3]
    place = grid.place[:, tf.newaxis] + offset  # [N, O, 3]
    # The dividend must not be negative: ONNX rounds quotients of integers towards zero.
    image = (place + grid.reach * grid.size) // grid.size - grid.reach
    exists = tf.reduce_all(grid.pbc | (image == 0), axis=-1)
    number = grid.number(place - image * grid.size)  # [N, O]

    table = TABLE_PER_ATOM * n_atoms + 1
    own = grid.number(grid.place)
    order = tf.argsort(own % table, stable=True)
    # Number of atoms in each row of the table, in floating point since GPUs have no kernel for integers.
    row_size = tf.cast(tf.math.unsorted_segment_sum(tf.ones_like(own, tf.float64), own % table, table), tf.int64)
    per_offset = tf.where(exists, tf.gather(row_size, number % table), 0)
    total = tf.reduce_sum(per_offset)
    few = tf.cast(total, tf.float64) <= _most_candidates(cutoff) * tf.cast(n_atoms, tf.float64)
    expected = f"A, and at most {MAX_DENSITY:g} atoms per A^3"
    with tf.control_dependencies([require(few, "positions", expected, total // n_atoms)]):
        filled = tf.where(per_offset > 0)  # [Q, 2], an atom and an offset
    atom, which = filled[:, 0], filled[:, 1]
    run, within = _expand(tf.gather_nd(per_offset, filled), total)
    number = tf.gather_nd(number, filled)
    first = tf.gather(tf.cumsum(row_size, exclusive=True), number % table)
    source = tf.cast(tf.gather(order, tf.gather(first, run) + within), tf.int64)
    target = tf.gather(atom, run)
    shift = tf.matmul(tf.cast(tf.gather_nd(image, filled), tf.float64), grid.cell) - tf.gather(grid.wrapped, atom)
    valid = (tf.gather(which, run) > 0) | (source > target)
    valid &= tf.gather(own, source) == tf.gather(number, run)
    return _Candidates(source, target, tf.gather(grid.wrapped, source) + tf.gather(shift, run), valid)


def _half_of_offsets(reach: tf.Tensor) -> tf.Tensor:
    """Return i64[O, 3]: the zero offset, then one of each two opposite offsets within `reach` i64[3]."""
    sides = 2 * reach + 1
    number = tf.range(tf.reduce_prod(sides) // 2, tf.reduce_prod(sides))
    x, rest = number // (sides[1] * sides[2]), number % (sides[1] * sides[2])
    return tf.stack([x, rest // sides[2], rest % sides[2]], axis=1) - reach


def _expand(lengths: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the run of each element, and its place in it, for runs of positive `lengths` i64[Q], `total` in all."""
    begin = tf.cumsum(lengths, exclusive=True)
    begins = tf.scatter_nd(begin[:, tf.newaxis], tf.ones_like(lengths), total[tf.newaxis])
    run = tf.cumsum(begins) - 1
    return run, tf.range(total) - tf.gather(begin, run)
