"""Periodic neighbor lists, and the checks of a glass that they need."""

from __future__ import annotations

import numpy as np
from vesin import NeighborList

from tf_symgnn.data import Glass, InputError, perpendicular_heights, reduced_cell
from tf_symgnn.data.limits import (
    BINS_PER_CUTOFF,
    COINCIDENT,
    MAX_BINS,
    MAX_DENSITY,
    MAX_EXTENT,
    max_bins_in_reach,
    max_neighbors,
)
from tf_symgnn.errors import require_number
from tf_symgnn.graph.glass_graph import GlassGraph
from tf_symgnn.graph.images import wrap


def build_graph(glass: Glass, *, cutoff: float, self_loops: bool) -> GlassGraph:
    """Return the neighbor graph of a glass: every directed pair closer than a cutoff through every periodic image.

    Pairs are sorted by target, then source, then displacement, so that the same glass always gives the same graph.
    Time and memory are linear in the number of atoms.

    Args:
        glass: the glass.
        cutoff: A.
        self_loops: whether each atom is also a neighbor of itself, at zero displacement.

    Raises:
        InputError: the cutoff is not positive, two atoms coincide, or the atoms are further from the origin or denser
            than `tf_symgnn.data.limits` allows.
    """
    require_physical(glass, cutoff)
    target, source, displacement = find_pairs(glass.positions, glass.cell, glass.pbc, cutoff)
    require_apart(glass, source, target, displacement)
    require_few_neighbors(glass, target, cutoff)
    if self_loops:
        loops = np.arange(glass.n_atoms)
        source, target = np.concatenate([source, loops]), np.concatenate([target, loops])
        displacement = np.concatenate([displacement, np.zeros((glass.n_atoms, 3))])
    # Two atoms can be neighbors through several images of a cell narrower than two cutoffs.
    repeated = np.any(glass.pbc & (perpendicular_heights(glass.cell) < 2.0 * cutoff))
    order = (
        np.lexsort((*displacement.T, source, target))
        if repeated
        else np.argsort(target * glass.n_atoms + source, kind="stable")
    )
    return GlassGraph(
        name=glass.name,
        atomic_numbers=glass.atomic_numbers,
        positions=glass.positions.astype(np.float32),
        cell=glass.cell.astype(np.float32),
        pbc=glass.pbc,
        source=source[order].astype(np.int32),
        target=target[order].astype(np.int32),
        displacement=displacement[order].astype(np.float32),
        barrier=None if glass.barrier is None else glass.barrier.astype(np.float32),
    )


def find_pairs(
    positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every directed pair of points closer than a cutoff through every periodic image, in arbitrary order.

    Args:
        positions: f64[N, 3] A.
        cell: f64[3, 3] A, rows are cell vectors.
        pbc: bool[3].
        cutoff: A.

    Returns:
        target i64[E], source i64[E] and displacement f64[E, 3] A, x[source] - x[target] + periodic shift.
    """
    finder = NeighborList(cutoff=cutoff, full_list=True, sorted=False)
    box = reduced_cell(cell, pbc)
    target, source, displacement = finder.compute(points=positions, box=box, periodic=pbc, quantities="ijD", copy=True)
    return target.view(np.int64), source.view(np.int64), displacement


def require_physical(glass: Glass, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Check a cutoff (A), and before neighbors are searched for that atoms are near the origin and not crowded.

    The limits are those of `tf_symgnn.data.limits`.

    Returns:
        Fractional coordinates f64[N, 3] and cell vectors i64[N, 3] that atoms moved by, as `wrap` returns them.

    Raises:
        InputError: a check fails.
    """
    require_number(glass.place, "cutoff", cutoff, above=0)
    fractional, shift = wrap(glass.positions, glass.cell, glass.pbc)
    wrapped = fractional @ glass.cell
    farthest = max(wrapped.max(), -wrapped.min())
    if farthest > MAX_EXTENT:
        raise InputError(glass.place, "positions", f"{farthest:g} A", f"at most {MAX_EXTENT:g} A from the origin")
    density = glass.n_atoms / glass.volume
    if glass.pbc.all() and density > MAX_DENSITY:
        expected = f"at most {MAX_DENSITY:g}; lengths are in A"
        raise InputError(glass.place, "cell", f"{density:.3g} atoms per A^3", expected)
    _require_few_images(glass, fractional, cutoff)
    _require_no_crowd(glass, fractional, cutoff)
    return fractional, shift


def require_apart(glass: Glass, source: np.ndarray, target: np.ndarray, displacement: np.ndarray) -> None:
    """Check that no pair of atoms i[E], self-loops not among them, is closer than `COINCIDENT`.

    Raises:
        InputError: a pair is.
    """
    coincident = np.flatnonzero(np.einsum("ej,ej->e", displacement, displacement) < COINCIDENT**2)
    if coincident.size:
        first, second = sorted((int(target[coincident[0]]), int(source[coincident[0]])))
        raise InputError(
            glass.place, "positions", f"atoms {first} and {second} at one point", f"atoms over {COINCIDENT:g} A apart"
        )


def require_few_neighbors(glass: Glass, target: np.ndarray, cutoff: float) -> None:
    """Check that no atom receives more pairs, i[E] by target, self-loops not among them, than `max_neighbors`.

    Raises:
        InputError: an atom does.
    """
    most = int(np.bincount(target).max(initial=0))
    if most > max_neighbors(cutoff):
        raise _crowded(glass, f"{most} neighbors of an atom", cutoff)


def _require_few_images(glass: Glass, fractional: np.ndarray, cutoff: float) -> None:
    """Check that the cell is not so narrow along one vector that the search covers thousands of images."""
    heights = perpendicular_heights(reduced_cell(glass.cell, glass.pbc))
    width = heights * np.where(glass.pbc, 1.0, np.ptp(fractional, axis=0))
    bins = np.clip(np.floor(width * BINS_PER_CUTOFF / cutoff), 1, MAX_BINS)
    with np.errstate(divide="ignore"):
        reach = np.ceil(cutoff * bins / width)  # infinite where all atoms lie in one plane
    reach = np.where(glass.pbc, reach, np.minimum(reach, bins - 1))
    if np.prod(2 * reach + 1) > max_bins_in_reach(cutoff):
        found = ", ".join(f"{height:.3g}" for height in heights)
        expected = f"wider ones, for a cutoff of {cutoff:g} A; lengths are in A"
        raise InputError(glass.place, "cell", f"heights of {found} A", expected)


def _require_no_crowd(glass: Glass, fractional: np.ndarray, cutoff: float) -> None:
    """Check that no box, whose atoms are all neighbors of each other, holds more of them than an atom may have.

    The check takes little memory where the pairs themselves would take too much.
    """
    lengths = np.linalg.norm(glass.cell, axis=1)
    signs = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])
    diagonal = np.linalg.norm(signs @ (glass.cell / lengths[:, np.newaxis]), axis=1).max()
    edge = cutoff / diagonal / lengths  # of a box whose longest diagonal is the cutoff
    box = np.floor((fractional - fractional.min(axis=0)) / edge).astype(np.int64)
    size = box.max(axis=0) + 1
    box = (box[:, 0] * size[1] + box[:, 1]) * size[2] + box[:, 2]
    # A table of all boxes is faster than sorting, and too large where few of them hold an atom.
    n_atoms = np.bincount(box) if size.prod(dtype=float) < 10 * len(box) else np.unique(box, return_counts=True)[1]
    images = np.prod(np.where(glass.pbc, np.maximum(np.floor(edge), 1), 1))
    if n_atoms.max() * images > max_neighbors(cutoff) + 1:
        raise _crowded(glass, f"{n_atoms.max() * images:.0f} atoms within reach of each other", cutoff)


def _crowded(glass: Glass, found: str, cutoff: float) -> InputError:
    expected = f"at most {max_neighbors(cutoff)} within {cutoff:g} A; lengths are in A"
    return InputError(glass.place, "positions", found, expected)
