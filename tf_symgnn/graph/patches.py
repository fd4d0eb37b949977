"""Spatial patches of a glass: core atoms that carry the loss, and a halo of the atoms that their predictions need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tf_symgnn.data import perpendicular_heights
from tf_symgnn.errors import require_number
from tf_symgnn.graph.glass_graph import GlassGraph
from tf_symgnn.graph.images import wrap


@dataclass(frozen=True)
class Patch:
    """A block of a glass, in fractional coordinates of its cell.

    Attributes:
        lower: f64[3], the block's lower corner.
        upper: f64[3], its upper corner.
        core: i64[M], the atoms in the block, ascending.
    """

    lower: np.ndarray
    upper: np.ndarray
    core: np.ndarray


class PatchedGlass:
    """A glass graph divided into blocks, each atom in exactly one core.

    Args:
        graph: of the glass.
        size: the largest width of a block along each cell vector, between opposite faces, A.
        halo: the width of the halo around a block, A.

    Raises:
        InputError: the size is not positive, or the halo is negative.
    """

    def __init__(self, graph: GlassGraph, *, size: float, halo: float):
        require_number(graph.name, "patch size", size, above=0)
        require_number(graph.name, "halo", halo, least=0)
        self.graph = graph
        self._row_splits = graph.row_splits
        self._fractional, _ = wrap(graph.positions, graph.cell, graph.pbc)
        heights = perpendicular_heights(graph.cell)
        self._margin = halo / heights
        self.patches = self._blocks(size / heights)

    def _blocks(self, size: np.ndarray) -> list[Patch]:
        """Return the blocks that hold an atom, each of at most `size` f64[3] in fractional coordinates."""
        low = np.where(self.graph.pbc, 0.0, self._fractional.min(0))
        high = np.where(self.graph.pbc, 1.0, self._fractional.max(0))
        number = np.maximum(1, np.ceil((high - low) / size - 1e-9).astype(np.int64))
        width = np.maximum((high - low) / number, np.finfo(float).tiny)
        # The atom at the upper bound, by rounding where the direction is periodic, belongs to the last block.
        place = np.minimum(((self._fractional - low) / width).astype(np.int64), number - 1)
        corners, block = np.unique(place, axis=0, return_inverse=True)
        order = np.argsort(block.ravel(), kind="stable")
        cores = np.split(order, np.cumsum(np.bincount(block.ravel()))[:-1])
        return [
            Patch(low + corner * width, low + (corner + 1) * width, core)
            for corner, core in zip(corners, cores, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.patches)

    def extract(self, index: int) -> tuple[GlassGraph, np.ndarray, np.ndarray]:
        """Return a patch with its halo.

        The halo has every atom within its width of the block, along the normals of the block's faces and through
        periodic images. It therefore includes every atom within that distance of a core atom.

        Returns:
            The graph of the patch, the indices i64[M] of its atoms in the glass, and bool[M], True for core atoms.
        """
        patch = self.patches[index]
        inside = np.ones(self.graph.n_atoms, bool)
        for axis in range(3):
            below = patch.lower[axis] - self._fractional[:, axis]
            above = self._fractional[:, axis] - patch.upper[axis]
            outside = np.maximum(0.0, np.maximum(below, above))
            if self.graph.pbc[axis]:
                outside = np.minimum(outside, np.maximum(0.0, np.minimum(1.0 + below, 1.0 + above)))
            inside &= outside <= self._margin[axis]
        inside[patch.core] = True  # rounding may leave an atom at the block's face outside
        atoms = np.flatnonzero(inside)
        return self.graph.subgraph(atoms, self._row_splits), atoms, np.isin(atoms, patch.core)
