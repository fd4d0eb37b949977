"""Neighborhoods: the part of a glass that explains a prediction, cut out around a center atom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase.geometry import find_mic

from tf_symgnn.graph import GlassGraph


@dataclass(frozen=True)
class Neighborhood:
    """A center atom and every directed pair whose receiver is within some distance of it.

    If that distance is the model's receptive field, the center has the same prediction as in the whole glass.

    Attributes:
        graph: M atoms and P pairs, sorted by receiver.
        center_index: index of the center among the M atoms.
        atoms: i64[M], ascending, indices of the atoms in the glass.
        pairs: i64[P], ascending, indices of the pairs in the graph of the glass.
        relative_positions: f64[M, 3] A, from the center to the nearest image of each atom.
    """

    graph: GlassGraph
    center_index: int
    atoms: np.ndarray
    pairs: np.ndarray
    relative_positions: np.ndarray

    @property
    def center(self) -> int:
        """Return the index of the center in the glass."""
        return int(self.atoms[self.center_index])

    @property
    def n_pairs(self) -> int:
        """Return the number of pairs P."""
        return self.graph.n_pairs

    @property
    def explained(self) -> np.ndarray:
        """Return bool[P]: False for self-loops, which describe no structure, and True for all other pairs.

        A pair of an atom and its own periodic image is not a self-loop.
        """
        return np.any(self.graph.displacement != 0, axis=1)

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors f64[P, 3] A from the center to the receiver of each pair, and to the sending image."""
        receiver = self.relative_positions[self.graph.target]
        return receiver, receiver + self.graph.displacement

    @property
    def distance(self) -> np.ndarray:
        """Return distances f64[P] A from the center to the midpoint of each pair."""
        receiver, sender = self.ends
        return np.linalg.norm((receiver + sender) / 2, axis=1)


def cut(graph: GlassGraph, center: int, reach: float) -> Neighborhood:
    """Return the neighborhood of an atom.

    Args:
        graph: graph of the glass.
        center: index of the atom.
        reach: largest distance of a pair's receiver from the center, A.
    """
    vectors, distance = find_mic(graph.positions - graph.positions[center], graph.cell, graph.pbc)
    near = np.asarray(distance) <= reach
    near[center] = True
    pairs = np.flatnonzero(near[graph.target])
    atoms = np.unique(np.concatenate([np.flatnonzero(near), graph.source[pairs]]))
    part = replace(graph.take(atoms, pairs), barrier=None)
    return Neighborhood(part, int(np.searchsorted(atoms, center)), atoms, pairs, np.asarray(vectors)[atoms])


def cut_all(graph: GlassGraph, centers: Sequence[int], reach: float) -> list[Neighborhood]:
    """Return the neighborhood of each of several atoms, as `cut` does."""
    return [cut(graph, int(center), reach) for center in centers]
