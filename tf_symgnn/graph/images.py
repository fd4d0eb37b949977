"""Periodic images of atoms: the atoms in their cell, and their copies in a margin around it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tf_symgnn.data import perpendicular_heights
from tf_symgnn.errors import require_number


class Images(NamedTuple):
    """Atoms in the cell, then their periodic images within a margin around it.

    Attributes:
        points: f64[I, 3] A; the first N are the atoms, each in the cell along periodic directions.
        atom: i64[I], the index of the atom that each point is an image of.
        shift: i64[I, 3], cell vectors from the atom's given position to the image.
    """

    points: np.ndarray
    atom: np.ndarray
    shift: np.ndarray


def wrap(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move atoms into the cell along its periodic vectors.

    Args:
        positions: [N, 3] A.
        cell: [3, 3] A, rows are cell vectors.
        pbc: bool[3].

    Returns:
        Fractional coordinates f64[N, 3], in [0, 1] along periodic vectors, and the cell vectors i64[N, 3] that atoms
        moved by. The upper bound, which rounding reaches, is the lower one of the next image.
    """
    fractional = np.asarray(positions, np.float64) @ np.linalg.inv(np.asarray(cell, np.float64))
    shift = -np.floor(fractional)
    shift[:, ~np.asarray(pbc)] = 0
    fractional += shift
    return fractional, shift.astype(np.int64)


def near_cell(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Return positions f64[N, 3] A in the cell along its periodic vectors, and around its middle along the others.

    A conversion to single precision then has a smaller error than for positions far from the origin.

    Args:
        positions: [N, 3] A.
        cell: [3, 3] A, rows are cell vectors.
        pbc: bool[3].
    """
    fractional, _ = wrap(positions, cell, pbc)
    is_open = ~np.asarray(pbc)
    fractional[:, is_open] += 0.5 - fractional[:, is_open].mean(axis=0)
    return fractional @ np.asarray(cell, np.float64)


def images_between(
    fractional: np.ndarray, lower: float, upper: float, *, periodic: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of points between two planes.

    Args:
        fractional: f64[N], coordinates along one cell vector.
        lower: the coordinate of the lower plane; points in it are between the planes.
        upper: the coordinate of the upper plane; points in it are not.
        periodic: whether the points repeat along the cell vector.

    Returns:
        The points' indices i64[I] and the cell vectors i64[I] that each image is shifted by, in ascending order of the
        shift, then of the index.
    """
    shifts = range(1)
    if periodic:
        shifts = range(int(np.ceil(lower - fractional.max())), int(np.ceil(upper - fractional.min())))
    inside = [np.flatnonzero((fractional + shift >= lower) & (fractional + shift < upper)) for shift in shifts]
    if not inside:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(inside), np.repeat(np.array(shifts, np.int64), [len(index) for index in inside])


def with_images(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, margin: float) -> Images:
    """Return atoms in their cell, and every image at most `margin` (A) outside one of its periodic faces.

    Args:
        positions: [N, 3] A.
        cell: [3, 3] A, rows are cell vectors.
        pbc: bool[3].
        margin: above 0 A.

    Raises:
        InputError: the margin is not positive, or the cell spans no volume.
    """
    require_number("with_images", "margin", margin, above=0)
    cell = np.asarray(cell, np.float64)
    room = margin / perpendicular_heights(cell)
    fractional, moved = wrap(positions, cell, pbc)
    atom, shift = np.arange(len(fractional)), np.zeros((len(fractional), 3), np.int64)
    for axis in np.flatnonzero(pbc):
        image, step = images_between(fractional[atom, axis], -room[axis], 1 + room[axis], periodic=True)
        atom, shift = atom[image], shift[image]
        shift[:, axis] = step
    # The atoms first, then images by their shift.
    order = np.lexsort((atom, *shift.T[::-1], shift.any(axis=1)))
    atom, shift = atom[order], shift[order]
    return Images((fractional[atom] + shift) @ cell, atom, moved[atom] + shift)
