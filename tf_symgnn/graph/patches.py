"""Spatial patches of a glass: core atoms that carry the loss, and a halo so that the core sees all it should."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from tf_symgnn.graph.neighbors import GlassGraph, perpendicular_heights


@dataclass(frozen=True)
class Patch:
    """A block of a glass, in fractional coordinates of its cell.

    Attributes:
        lower: f64[3], the block's lower corner.
        upper: f64[3], its upper corner; the core is the atoms in [lower, upper).
    """

    lower: np.ndarray
    upper: np.ndarray


class PatchedGlass:
    """A glass graph divided into blocks of at most `size` (A) along each cell vector, each atom in exactly one core."""

    def __init__(self, graph: GlassGraph, *, size: float, halo: float):
        self.graph = graph
        self._row_splits = graph.row_splits
        self._fractional = np.linalg.solve(graph.cell.T.astype(np.float64), graph.positions.T.astype(np.float64)).T
        self._fractional[:, graph.pbc] %= 1.0
        heights = perpendicular_heights(graph.cell)
        self._margin = halo / heights
        low = np.where(graph.pbc, 0.0, self._fractional.min(0))
        high = np.where(graph.pbc, 1.0, self._fractional.max(0))
        blocks = np.maximum(1, np.ceil((high - low) * heights / size - 1e-9).astype(int))
        edges = [np.linspace(a, b, n + 1) for a, b, n in zip(low, high, blocks, strict=True)]
        for edge in edges:  # the atom at the upper bound (by rounding, where the direction is periodic) belongs too
            edge[-1] = np.nextafter(edge[-1], np.inf)
        corners = product(*(range(n) for n in blocks))
        patches = (
            Patch(
                np.array([edges[a][k] for a, k in enumerate(corner)]),
                np.array([edges[a][k + 1] for a, k in enumerate(corner)]),
            )
            for corner in corners
        )
        self.patches = [patch for patch in patches if self._core(patch).any()]

    def __len__(self) -> int:
        return len(self.patches)

    def extract(self, index: int) -> tuple[GlassGraph, np.ndarray, np.ndarray]:
        """A patch with its halo: its graph, its M atoms' indices i64[M] in the glass, and which are core, bool[M].

        The halo is every atom within `halo` A of the block, measured along the normals of its faces through
        periodic images, so it holds every atom within that distance of a core atom.
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
        atoms = np.flatnonzero(inside)
        return self.graph.subgraph(atoms, self._row_splits), atoms, self._core(patch)[atoms]

    def _core(self, patch: Patch) -> np.ndarray:
        return np.all((self._fractional >= patch.lower) & (self._fractional < patch.upper), axis=1)
