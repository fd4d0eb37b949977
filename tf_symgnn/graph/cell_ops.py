"""Cells of glasses in TensorFlow ops, for a SavedModel that takes coordinates."""

from __future__ import annotations

import tensorflow as tf

MAX_REPEATED = 200_000  # atoms of the copies of a glass in a narrow cell
# Of the reduction of a cell: the share by which a step shortens the square of a vector, and the number of steps. A step
# halves a long vector or does more.
LEAST_GAIN, MOST_STEPS = 1e-9, 200


def require(condition: tf.Tensor, field: str, expected: str, *found: tf.Tensor) -> tf.Operation:
    """Return an assertion whose message is `field: expected EXPECTED, found FOUND`."""
    return tf.debugging.Assert(condition, [f"{field}: expected {expected}, found", *found], summarize=10)


def reduced(cell: tf.Tensor, pbc: tf.Tensor) -> tf.Tensor:
    """Return cell vectors [3, 3] A of the same periodic points, none shorter by adding multiples of a periodic one.

    A skewed cell has thin heights, so that the search would cover many of its images.
    """
    others = tf.constant(1.0, cell.dtype) - tf.eye(3, dtype=cell.dtype)

    def step(cell: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Subtract from one vector the multiple of another that shortens it most; return the cell and that share."""
        # ONNX Runtime 1.23 cannot load a product with a transposed matrix of doubles.
        products = tf.reduce_sum(cell[:, tf.newaxis] * cell, axis=-1)
        squared = tf.linalg.diag_part(products)
        times = tf.round(products / squared) * others * tf.cast(pbc, cell.dtype)
        gain = (2 * times * products - times**2 * squared) / squared[:, tf.newaxis]
        best = tf.argmax(tf.reshape(gain, [9]))
        # ONNX has no one_hot of these types.
        chosen = tf.cast(tf.reshape(tf.range(9, dtype=tf.int64) == best, [3, 3]), cell.dtype)
        largest = tf.reduce_max(gain)
        return tf.where(largest > LEAST_GAIN, cell - tf.matmul(chosen * times, cell), cell), largest

    start = cell, tf.constant(1.0, cell.dtype)
    return tf.while_loop(lambda _, gain: gain > LEAST_GAIN, step, start, maximum_iterations=MOST_STEPS)[0]


def volume_and_faces(cell: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the signed volume, A^3, and the area vectors [3, 3] A^2, as rows, of the faces that each vector joins."""
    after, before = tf.gather(cell, [1, 2, 0]), tf.gather(cell, [2, 0, 1])
    y, z = [1, 2, 0], [2, 0, 1]
    faces = tf.gather(after, y, axis=1) * tf.gather(before, z, axis=1)
    faces -= tf.gather(after, z, axis=1) * tf.gather(before, y, axis=1)
    return tf.reduce_sum(cell[0] * faces[0]), faces


def repeated(positions: tf.Tensor, cell: tf.Tensor, pbc: tf.Tensor, *, width: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Return copies of a glass, itself first, that fill a cell of at least a width along periodic cell vectors.

    Args:
        positions: f32[N, 3] A.
        cell: f32[3, 3] A, rows are cell vectors.
        pbc: bool[3], whether the cell repeats along each cell vector.
        width: A.

    Returns:
        Positions f32[C N, 3] A of C copies, and their cell f32[3, 3] A.

    Raises:
        InvalidArgumentError: there would be over `MAX_REPEATED` atoms.
    """
    heights = 1 / tf.norm(tf.linalg.inv(cell), axis=0)
    times = tf.where(pbc, tf.maximum(tf.math.ceil(width / heights), 1), 1)
    number = tf.reduce_prod(times) * tf.cast(tf.shape(positions)[0], tf.float32)
    fits = require(number <= MAX_REPEATED, "cell", f"at most {MAX_REPEATED} atoms in copies {width:g} A wide", number)
    with tf.control_dependencies([fits]):
        counts = tf.cast(times, tf.int32)
    grid = tf.meshgrid(*[tf.range(counts[axis]) for axis in range(3)], indexing="ij")
    shifts = tf.cast(tf.reshape(tf.stack(grid, axis=-1), [-1, 3]), tf.float32)
    copies = positions[tf.newaxis] + tf.matmul(shifts, cell)[:, tf.newaxis]
    return tf.reshape(copies, [-1, 3]), cell * times[:, tf.newaxis]
