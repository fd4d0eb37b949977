"""The box of a glass: from a file's numbers, with vectors for directions in which a file has none, and its checks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from ase.cell import Cell
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce

from tf_symgnn.data.glass import Glass
from tf_symgnn.data.notices import notice
from tf_symgnn.errors import InputError

MARGIN = 1.0  # A, round the atoms of a box that is made for them
_WIDE_GAP = 3.0  # A; in a glass of hundreds of atoms gaps between their coordinates are below 1 A

# Distance of nearest neighbors over the sum of their covalent radii: 0.9 to 1.1 in metals.
_PLAUSIBLE = (0.43, 1.5)
_SHORTEST = 1.15  # A; bonds of metals are longer than 2 A, and those of Lennard-Jones units about 1
_UNITS = {"nm": (0.07, 0.14), "lj": (0.25, 0.6), "bohr": (1.5, 2.4), "pm": (70.0, 140.0)}
_FEWEST_ATOMS = 8  # of fewer, the nearest neighbors are no sample
_SAMPLED = 64


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
    place: str, cell: np.ndarray, pbc: Sequence[bool], positions: np.ndarray, origin: Sequence[float]
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


def note_empty_faces(glass: Glass) -> None:
    """Issue a notice where atoms leave a face of the box empty. For boxes that are periodic by default."""
    fractional = (glass.positions - glass.origin) @ np.linalg.inv(glass.cell)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(glass.cell), axis=0)
    for k, height in enumerate(heights):
        ordered = np.sort(fractional[:, k] % 1.0)
        gap = height * np.diff(ordered, append=ordered[0] + 1.0).max()
        if gap > max(_WIDE_GAP, 10 * height / glass.n_atoms):
            found = f"{gap:.1f} A without atoms along cell vector {'abc'[k]}"
            notice(glass.place, "pbc", found, "taken as periodic; --pbc states another periodicity, as in p,p,f")


def require_angstrom(glass: Glass) -> None:
    """Check that nearest neighbors are as far apart as atoms are, in A.

    Raises:
        InputError: they are not; the error names the unit that would suit.
    """
    if glass.n_atoms < _FEWEST_ATOMS:
        return
    with np.errstate(all="ignore"):
        ratio, distance = _nearest(glass)
    plausible = _PLAUSIBLE[0] <= ratio <= _PLAUSIBLE[1] and distance >= _SHORTEST
    if plausible or not distance > 0:
        return  # atoms at one point are refused where neighbors are searched for
    unit = next((name for name, (low, high) in _UNITS.items() if low <= ratio <= high), None)
    likely = {None: "", "lj": ", as in reduced units (lj)"}.get(unit, f", as in {unit}")
    usual = distance / ratio
    raise InputError(
        glass.place, "units", f"nearest neighbors {distance:.3g} apart{likely}", f"about {usual:.2g}, lengths in A"
    )


def _nearest(glass: Glass) -> tuple[float, float]:
    """Return medians over a sample of atoms: the distance of the nearest neighbor over the radii's sum, and in A."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cell, _ = minkowski_reduce(glass.cell, glass.pbc)
    inverse, radii = np.linalg.inv(cell), covalent_radii[glass.atomic_numbers]
    sample = np.linspace(0, glass.n_atoms - 1, _SAMPLED if glass.n_atoms < 100_000 else _SAMPLED // 4).astype(int)
    ratios, distances = [], []
    for atom in np.unique(sample):
        fractional = (glass.positions - glass.positions[atom]) @ inverse
        fractional -= np.round(fractional) * glass.pbc
        squares = np.einsum("ij,ij->i", fractional @ cell, fractional @ cell)
        squares[atom] = np.inf
        nearest = int(squares.argmin())
        distances.append(np.sqrt(squares[nearest]))
        ratios.append(distances[-1] / (radii[atom] + radii[nearest]))
    return float(np.median(ratios)), float(np.median(distances))
