"""A glass divided into slabs, whose pairs are found slab by slab so that the list of all pairs is never in memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tf_symgnn.data import Glass, perpendicular_heights
from tf_symgnn.errors import require_integer
from tf_symgnn.graph.images import images_between
from tf_symgnn.graph.neighbors import find_pairs, require_apart, require_few_neighbors, require_physical


class ReceivedPairs(NamedTuple):
    """The directed pairs that the atoms of a slab receive, sorted by target.

    Attributes:
        target: i32[E], the atom of the slab that receives each pair.
        source: i32[E], the sender, by its index in the slabbed glass.
        displacement: f32[E, 3] A, x[source] - x[target] + periodic shift.
    """

    target: np.ndarray
    source: np.ndarray
    displacement: np.ndarray


class SlabbedGlass:
    """A glass in slabs of equal thickness, stacked along the cell vector in whose direction the glass is longest.

    Atoms are ordered slab after slab: those of slab k are `splits[k]` to before `splits[k + 1]`, and atom i is atom
    `order[i]` of the glass.

    Args:
        glass: the glass.
        cutoff: atoms closer than this are neighbors, A.
        self_loops: whether each atom is also a neighbor of itself.
        number: number of slabs, from which those without an atom are removed.
        descriptors: f32[N, D], descriptors of the atoms from a potential, or None without.

    Attributes:
        glass: the glass.
        order: i64[N], the index in the glass of each atom.
        splits: i64[K + 1], the first atom of each slab, and N.
        thickness: of a slab, A.
        atomic_numbers: i32[N], in the order of slabs.
        descriptors: f32[N, D], in the order of slabs, or None.

    Raises:
        InputError: a number is out of range, or the atoms are further from the origin or denser than
            `tf_symgnn.data.limits` allows.
    """

    def __init__(
        self,
        glass: Glass,
        *,
        cutoff: float,
        self_loops: bool,
        number: int,
        descriptors: np.ndarray | None = None,
    ):
        fractional, shift = require_physical(glass, cutoff)
        require_integer(glass.place, "number of slabs", number, least=1)
        self.glass, self._cutoff, self._self_loops = glass, cutoff, self_loops
        self._axis, height = widest_direction(glass, fractional)
        self._margin = cutoff / height  # in fractional coordinates, as are all below
        fractional, shift = fractional[:, self._axis], shift[:, self._axis]
        periodic = glass.pbc[self._axis]
        low, high = (0.0, 1.0) if periodic else (fractional.min(), fractional.max())
        self.thickness = (high - low) / number * height  # A, of a slab
        width = max((high - low) / number, np.finfo(float).tiny)
        place = np.minimum(((fractional - low) / width).astype(np.int64), number - 1)
        self.order = np.argsort(place, kind="stable")
        corners, counts = np.unique(place, return_counts=True)
        self.splits = np.concatenate([[0], np.cumsum(counts)])
        self._lower, self._upper = low + corners * width, low + (corners + 1) * width
        self._fractional = fractional[self.order]
        self._positions = glass.positions[self.order] + shift[self.order, np.newaxis] * glass.cell[self._axis]
        self.atomic_numbers = glass.atomic_numbers[self.order]
        self.descriptors = None if descriptors is None else descriptors[self.order]

    def __len__(self) -> int:
        return len(self.splits) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Return i64[K], the number of atoms of each slab."""
        return np.diff(self.splits)

    def positions(self, begin: int, stop: int) -> np.ndarray:
        """Return the positions f32[M, 3] A of atoms `begin` to before `stop`, not wrapped into the cell."""
        return self.glass.positions[self.order[begin:stop]].astype(np.float32)

    def neighbors(self) -> list[list[int]]:
        """Return for each slab the slabs within the cutoff, itself included. They have all neighbors of its atoms."""
        reach = self._margin + 1e-9
        images = range(-int(np.ceil(reach)) - 1, int(np.ceil(reach)) + 2) if self.glass.pbc[self._axis] else (0,)
        near = np.zeros((len(self), len(self)), bool)
        for image in images:
            above = self._lower[np.newaxis] + image - self._upper[:, np.newaxis]
            below = self._lower[:, np.newaxis] - self._upper[np.newaxis] - image
            near |= np.maximum(above, below) <= reach
        return [np.flatnonzero(row).tolist() for row in near]

    def pairs(self, first: int, end: int) -> list[ReceivedPairs]:
        """Return the pairs that slabs `first` to before `end` receive, from one search.

        Raises:
            InputError: two atoms coincide, or an atom has too many neighbors.
        """
        begin, stop = self.splits[first], self.splits[end]
        atom, points = self._with_ghosts(first, end)
        periodic = self.glass.pbc.copy()
        periodic[self._axis] = False  # ghosts are the images along this vector
        target, source, displacement = find_pairs(points, self.glass.cell, periodic, self._cutoff)
        received = np.flatnonzero(target < stop - begin)
        target, source = target[received].astype(np.int32), atom[source[received]]
        displacement = displacement[received]
        require_apart(self.glass, self.order[source], self.order[target + begin], displacement)
        require_few_neighbors(self.glass, target, self._cutoff)
        displacement = displacement.astype(np.float32)
        if self._self_loops:
            loops = np.arange(stop - begin, dtype=np.int32)
            target, source = np.concatenate([target, loops]), np.concatenate([source, loops + np.int32(begin)])
            displacement = np.concatenate([displacement, np.zeros((len(loops), 3), np.float32)])
        order = np.argsort(target.astype(np.int64) * len(self.order) + source, kind="stable")
        target, source, displacement = target[order], source[order], displacement[order]
        bounds = self.splits[first : end + 1] - begin
        edges = np.searchsorted(target, bounds)
        return [
            ReceivedPairs(target[a:b] - np.int32(start), source[a:b], displacement[a:b])
            for a, b, start in zip(edges, edges[1:], bounds, strict=False)
        ]

    def _with_ghosts(self, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Return indices i32[M] and positions f64[M, 3] A: of atoms of some slabs, then of images within the cutoff."""
        begin, stop = self.splits[first], self.splits[end]
        low, high = self._lower[first] - self._margin - 1e-9, self._upper[end - 1] + self._margin + 1e-9
        periodic = bool(self.glass.pbc[self._axis])
        ghost, shift = images_between(self._fractional, low, high, periodic=periodic)
        other = (shift != 0) | (ghost < begin) | (ghost >= stop)
        ghost, shift = ghost[other], shift[other]
        points = self._positions[ghost] + shift[:, np.newaxis] * self.glass.cell[self._axis]
        atoms = np.concatenate([np.arange(begin, stop), ghost]).astype(np.int32)
        return atoms, np.concatenate([self._positions[begin:stop], points])


def widest_direction(glass: Glass, fractional: np.ndarray) -> tuple[int, float]:
    """Return the cell vector along which the atoms or, where it is periodic, the cell extend furthest.

    Args:
        glass: the glass.
        fractional: f64[N, 3], its fractional coordinates, as `wrap` returns them.

    Returns:
        Its index, and the distance between the two faces of the cell that it joins, A.
    """
    heights = perpendicular_heights(glass.cell)
    axis = int(np.argmax(heights * np.where(glass.pbc, 1.0, np.ptp(fractional, axis=0))))
    return axis, float(heights[axis])
