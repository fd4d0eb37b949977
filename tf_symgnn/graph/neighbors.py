"""Periodic neighbour lists, and a glass as arrays of atoms and directed pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from vesin import NeighborList

from tf_symgnn.data import Glass, InputError, perpendicular_heights
from tf_symgnn.data.limits import COINCIDENT, MAX_EXTENT, MAX_NEIGHBORS

_VECTORS = ("positions", "cell", "displacement")


@dataclass(frozen=True)
class GlassGraph:
    """One glass, or a part of one, as arrays: its atoms and their directed pairs sorted by target.

    Attributes:
        name: what messages call it.
        atomic_numbers: i32[N].
        positions: f32[N, 3] A.
        cell: f32[3, 3] A, rows are cell vectors.
        pbc: bool[3].
        source: i32[E], the neighbour (sender) of each pair.
        target: i32[E], the atom that receives, ascending.
        displacement: f32[E, 3] A, x[source] - x[target] + periodic shift.
        barrier: f32[N] eV, or None when unlabelled.
    """

    name: str
    atomic_numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    source: np.ndarray
    target: np.ndarray
    displacement: np.ndarray
    barrier: np.ndarray | None

    @property
    def n_atoms(self) -> int:
        """Number of atoms N."""
        return len(self.atomic_numbers)

    @property
    def n_edges(self) -> int:
        """Number of directed pairs E, self-loops included."""
        return len(self.source)

    @property
    def row_splits(self) -> np.ndarray:
        """i64[N + 1]: the pairs that atom j receives are row_splits[j] to row_splits[j + 1]."""
        return np.searchsorted(self.target, np.arange(self.n_atoms + 1))

    def transformed(self, element: np.ndarray) -> GlassGraph:
        """The graph of the glass turned by an element of O(3) [3, 3], vectors being rows."""
        turned = {name: (getattr(self, name) @ element).astype(np.float32) for name in _VECTORS}
        return replace(self, **turned)

    def subgraph(self, atoms: np.ndarray, row_splits: np.ndarray) -> GlassGraph:
        """The induced subgraph on ascending atom indices i64[M]: their attributes and every pair among them.

        `row_splits` is the graph's own, which a caller taking many subgraphs computes once; the cost is then
        proportional to the pairs of the subgraph, not of the graph.
        """
        starts, ends = row_splits[atoms], row_splits[atoms + 1]
        degree = ends - starts
        edges = np.arange(degree.sum()) + np.repeat(starts - (np.cumsum(degree) - degree), degree)
        target = np.repeat(np.arange(len(atoms), dtype=np.int32), degree)
        source = np.searchsorted(atoms, self.source[edges])
        inside = atoms[np.minimum(source, len(atoms) - 1)] == self.source[edges]
        return replace(
            self,
            atomic_numbers=self.atomic_numbers[atoms],
            positions=self.positions[atoms],
            source=source[inside].astype(np.int32),
            target=target[inside],
            displacement=self.displacement[edges[inside]],
            barrier=None if self.barrier is None else self.barrier[atoms],
        )


def build_graph(glass: Glass, *, cutoff: float, self_loops: bool) -> GlassGraph:
    """The neighbour graph of a glass: every directed pair closer than `cutoff` (A) through every periodic image.

    Time and memory are linear in the number of atoms. With `self_loops` each atom also neighbours itself at zero
    displacement. Pairs are sorted by target, then source, so the same glass always gives the same graph.

    Raises:
        InputError: two atoms are at one point, or the atoms are spread or crowded beyond any solid.
    """
    refuse_unphysical(glass, cutoff)
    finder = NeighborList(cutoff=cutoff, full_list=True, sorted=True)
    target, source, displacement = finder.compute(
        points=glass.positions, box=glass.cell, periodic=glass.pbc, quantities="ijD", copy=True
    )
    target, source = target.astype(np.int64), source.astype(np.int64)
    refuse_coincident(glass, source, target, displacement)
    if self_loops:
        loops = np.arange(glass.n_atoms)
        source, target = np.concatenate([source, loops]), np.concatenate([target, loops])
        displacement = np.concatenate([displacement, np.zeros((glass.n_atoms, 3))])
    order = (
        np.lexsort((*displacement.T, source, target))
        if _has_repeated_pairs(glass, cutoff)
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


def refuse_unphysical(glass: Glass, cutoff: float) -> None:
    """Raises InputError where atoms are spread or crowded beyond any solid.

    The neighbour list takes memory by the extent of open directions and by the density of atoms.
    """
    extent = np.ptp(glass.positions, axis=0).max()
    if not glass.pbc.all() and extent > MAX_EXTENT:
        raise InputError(glass.place, "positions", f"atoms {extent:g} A apart", f"at most {MAX_EXTENT:g} A")
    # Along open directions, where the cell may be anything, by the room that atoms take: a cutoff at least.
    fractional = glass.positions @ np.linalg.inv(glass.cell)
    taken = np.where(glass.pbc, 1.0, np.maximum(np.ptp(fractional, axis=0), cutoff / perpendicular_heights(glass.cell)))
    neighbours = glass.n_atoms / (glass.volume * taken.prod()) * 4 / 3 * np.pi * cutoff**3
    if neighbours > MAX_NEIGHBORS:
        found = f"room for {neighbours:.3g} neighbours an atom within {cutoff:g} A"
        raise InputError(glass.place, "cell", found, f"at most {MAX_NEIGHBORS}, lengths being in A")


def refuse_coincident(glass: Glass, source: np.ndarray, target: np.ndarray, displacement: np.ndarray) -> None:
    """Raises InputError where a pair of atoms, self-loops not among them, is at one point."""
    coincident = np.flatnonzero(np.einsum("ej,ej->e", displacement, displacement) < COINCIDENT**2)
    if coincident.size:
        first, second = sorted((int(target[coincident[0]]), int(source[coincident[0]])))
        raise InputError(
            glass.place, "positions", f"atoms {first} and {second} at one point", f"atoms over {COINCIDENT:g} A apart"
        )


def _has_repeated_pairs(glass: Glass, cutoff: float) -> bool:
    """Whether two atoms can be neighbours through more than one image, so that pairs alone do not fix an order."""
    return bool(np.any(glass.pbc & (perpendicular_heights(glass.cell) < 2.0 * cutoff)))
