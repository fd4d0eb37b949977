"""A glass cut into slabs whose neighbours are found slab by slab, so that no list of all pairs is ever held."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from vesin import NeighborList

from tf_symgnn.data import Glass, perpendicular_heights
from tf_symgnn.graph.neighbors import refuse_coincident, refuse_unphysical


class ReceivedPairs(NamedTuple):
    """The directed pairs that the atoms of a slab receive, sorted by target.

    Attributes:
        target: i32[E], which of the slab's atoms receives.
        source: i32[E], the sender, as the slabbed glass numbers its atoms.
        displacement: f32[E, 3] A, x[source] - x[target] + periodic shift.
    """

    target: np.ndarray
    source: np.ndarray
    displacement: np.ndarray


class SlabbedGlass:
    """A glass in slabs along the cell vector in whose direction it reaches furthest.

    Atoms are numbered slab after slab: those of slab k are `splits[k]` to `splits[k + 1]`, and atom i was atom
    `order[i]` of the glass.

    Args:
        glass: to cut.
        cutoff: atoms closer than this are neighbours, A.
        self_loops: whether each atom also neighbours itself.
        number: of slabs, at most: slabs without an atom are left out.

    Raises:
        InputError: the atoms are spread or crowded beyond any solid.
    """

    def __init__(self, glass: Glass, *, cutoff: float, self_loops: bool, number: int):
        refuse_unphysical(glass, cutoff)
        self.glass, self._cutoff, self._self_loops = glass, cutoff, self_loops
        self._axis, height = widest_direction(glass)
        self._margin = cutoff / height  # as fractions of the cell vector, as all that follows
        fractional, turns = _fractional(glass, self._axis)
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
        self._positions = glass.positions[self.order] - turns[self.order, np.newaxis] * glass.cell[self._axis]
        self.atomic_numbers = glass.atomic_numbers[self.order]

    def __len__(self) -> int:
        return len(self.splits) - 1

    @property
    def sizes(self) -> np.ndarray:
        """i64[K], the number of atoms of each slab."""
        return np.diff(self.splits)

    def neighbours(self) -> list[list[int]]:
        """For each slab those that hold a neighbour of its atoms or, near the cutoff, might: itself among them."""
        reach = self._margin + 1e-9
        images = range(-int(np.ceil(reach)) - 1, int(np.ceil(reach)) + 2) if self.glass.pbc[self._axis] else (0,)
        near = np.zeros((len(self), len(self)), bool)
        for image in images:
            above = self._lower[np.newaxis] + image - self._upper[:, np.newaxis]
            below = self._lower[:, np.newaxis] - self._upper[np.newaxis] - image
            near |= np.maximum(above, below) <= reach
        return [np.flatnonzero(row).tolist() for row in near]

    def pairs(self, first: int, end: int) -> list[ReceivedPairs]:
        """The pairs that slabs `first` to before `end` receive, in one search of them and their surroundings.

        Raises:
            InputError: two atoms are at one point.
        """
        begin, stop = self.splits[first], self.splits[end]
        atom, points = self._with_ghosts(first, end)
        periodic = self.glass.pbc.copy()
        periodic[self._axis] = False  # ghosts stand for what lies beyond
        finder = NeighborList(cutoff=self._cutoff, full_list=True, sorted=False)
        target, source, displacement = finder.compute(
            points=points, box=self.glass.cell, periodic=periodic, quantities="ijD", copy=False
        )
        received = np.flatnonzero(target < stop - begin)
        target, source = target[received].astype(np.int32), atom[source[received]]
        displacement = displacement[received]
        refuse_coincident(self.glass, self.order[source], self.order[target + begin], displacement)
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
        """Atoms i32[M] and places f64[M, 3] A: those of some slabs, then every other image within the cutoff."""
        begin, stop = self.splits[first], self.splits[end]
        low, high = self._lower[first] - self._margin - 1e-9, self._upper[end - 1] + self._margin + 1e-9
        images = range(int(np.floor(low)), int(np.ceil(high)) + 1) if self.glass.pbc[self._axis] else (0,)
        atoms, points = [np.arange(begin, stop, dtype=np.int32)], [self._positions[begin:stop]]
        for image in images:
            near = (self._fractional >= low - image) & (self._fractional <= high - image)
            if image == 0:
                near[begin:stop] = False
            ghosts = np.flatnonzero(near).astype(np.int32)
            atoms.append(ghosts)
            points.append(self._positions[ghosts] + image * self.glass.cell[self._axis])
        return np.concatenate(atoms), np.concatenate(points)


def widest_direction(glass: Glass) -> tuple[int, float]:
    """The cell vector along whose direction the atoms or, where it is periodic, the cell reach furthest.

    Returns:
        Its index, and the distance between the two faces of the cell that it joins, A.
    """
    heights = perpendicular_heights(glass.cell)
    extent = [h if glass.pbc[k] else h * np.ptp(_fractional(glass, k)[0]) for k, h in enumerate(heights)]
    axis = int(np.argmax(extent))
    return axis, float(heights[axis])


def _fractional(glass: Glass, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Each atom's fractional coordinate f64[N], in [0, 1) where periodic, and how many cells it was moved by for it."""
    fractional = glass.positions @ np.linalg.inv(glass.cell)[:, axis]
    turns = np.floor(fractional) if glass.pbc[axis] else np.zeros_like(fractional)
    return fractional - turns, turns
