"""The box of a glass: from a file's numbers, with vectors for directions in which a file has none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.cell import Cell
from ase.geometry import minkowski_reduce

from tf_symgnn.errors import InputError

MARGIN = 1.0  # A, round the atoms of a box that is made for them


def to_cell(place: str, field: str, box: np.ndarray) -> np.ndarray:
    """Return cell vectors [3, 3] A, from cell vectors or from the three edge lengths of a cuboid.

    Args:
        place: the file, for errors.
        field: the name of the box in it.
        box: [3, 3] or [3] A. Another shape is returned unchanged, for `Glass` to check.

    Raises:
        InputError: a length is not positive.
    """
    box = np.asarray(box)
    if box.shape != (3,):
        return box
    if box.dtype.kind not in "iuf" or not (box > 0).all():
        raise InputError(place, field, box, "three positive lengths")
    return np.diag(box.astype(np.float64))


def restricted_cell(lengths: Sequence[float], tilts: Sequence[float]) -> np.ndarray:
    """Return cell vectors [3, 3] A of LAMMPS's restricted form, from edges along x, y, z and tilts xy, xz, yz."""
    (x, y, z), (xy, xz, yz) = lengths, tilts
    return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])


def complete_box(
    place: str, cell: np.ndarray, pbc: Sequence[bool] | np.ndarray, positions: np.ndarray, origin: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell [3, 3] and its origin [3], A, with a vector round the atoms for each that is zero.

    Args:
        place: the file, for errors.
        cell: [3, 3] A. Another shape is returned unchanged, for `Glass` to check.
        pbc: [3].
        positions: [N, 3] A.
        origin: [3] A.

    Raises:
        InputError: the box repeats along a vector that is zero.
    """
    cell, origin, positions, pbc = np.array(cell), np.array(origin), np.asarray(positions), np.asarray(pbc)
    shapes = cell.shape == (3, 3) and origin.shape == (3,) and pbc.shape == (3,) and positions.ndim == 2
    numbers = all(array.dtype.kind in "biuf" for array in (cell, origin, positions, pbc))
    if not shapes or not numbers or not len(positions) or cell.any(axis=1).all() or not np.isfinite(positions).all():
        return cell, origin
    missing = ~cell.any(axis=1)
    if (missing & pbc.astype(bool)).any():
        raise InputError(place, "cell", "no vector along which it is periodic", "a box, or --pbc f,f,f for a cluster")
    origin = origin.astype(np.float64)
    completed = Cell(cell.astype(np.float64)).complete().array.copy()
    for k in np.flatnonzero(missing):
        along = positions @ completed[k]  # a unit vector
        origin += (along.min() - MARGIN - origin @ completed[k]) * completed[k]
        completed[k] *= np.ptp(along) + 2 * MARGIN
    return completed, origin


def reduced_cell(cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Return vectors f64[3, 3] A of the same periodic points, as short as they can be.

    A skewed cell has thin heights, so that a search for neighbors would cover many of its images.

    Args:
        cell: f64[3, 3] A, rows are cell vectors.
        pbc: bool[3].
    """
    return minkowski_reduce(cell, pbc)[0]


def perpendicular_heights(cell: np.ndarray) -> np.ndarray:
    """Return f64[3] A, the distance between the two faces of the cell that each cell vector joins.

    Raises:
        InputError: the cell is not three vectors that span a volume.
    """
    cell = np.asarray(cell)
    if cell.shape != (3, 3) or np.linalg.matrix_rank(cell) < 3:
        raise InputError("cell", "cell", f"shape {cell.shape}", "three vectors that span a volume")
    return 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(cell, np.float64)), axis=0)
