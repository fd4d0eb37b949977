"""Rings of atoms from persistent homology, and the number of rings through an edge."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass

import gudhi
import numpy as np

from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.images import Images, with_images
from tf_symgnn.progress import progress_bar

# A, width of the layer of periodic images: more than the size of any ring or cavity of a glass.
MARGIN = 8.0

# A; a ring with a shorter life is a rounding error.
MIN_PERSISTENCE = 1e-4


@dataclass(frozen=True)
class Cycles:
    """The 1-cycles of a glass, one of each set of periodic copies.

    Attributes:
        birth: f64[C] A, radius of balls around the atoms at which each ring closes.
        death: f64[C] A, radius at which each ring is filled.
        edges: for each cycle, the keys of its edges from `edge_keys`.
    """

    birth: np.ndarray
    death: np.ndarray
    edges: list[list[tuple[int, ...]]]

    def through(self) -> Counter:
        """Return the number of cycles through each edge, by its key; edges on no cycle are missing."""
        return Counter(edge for cycle in self.edges for edge in set(cycle))


def shortest_cycles(graph: GlassGraph) -> Cycles:
    """Return the shortest cycle of every ring of the alpha filtration.

    Gudhi computes the persistence pairs of dimension one. The cycle of a pair is the edge that closes the ring, joined
    with the shortest path, in A, between its ends along earlier edges of the filtration: the shortest persistent
    1-cycle of Dey, Hou and Mandal (2019). Some of these cycles are not filled together with their ring. Finding the
    shortest cycles that are is NP-hard and is not attempted.

    The filtration of a periodic glass includes the images around the cell, without periodic boundaries. A cycle is
    included if its closing edge starts in the cell. Periodic copies of an edge enter the filtration at the same radius:
    one copy connects components and the others close rings. The number of cycles through a few edges therefore depends
    on the position of the cell (docs/notebook.md).

    Args:
        graph: graph of the glass; only its atoms are used.
    """
    images = with_images(graph.positions, graph.cell, graph.pbc, MARGIN)
    tree = gudhi.AlphaComplex(points=images.points).create_simplex_tree()
    tree.compute_persistence()
    rings = ((birth, death) for birth, death in tree.persistence_pairs() if len(birth) == 2 and death)
    closing = {tuple(sorted(birth)): tree.filtration(death) for birth, death in rings}
    births, deaths, paths = [], [], []
    growing = _GrowingGraph(images.points)
    # Gudhi's order decides between periodic copies with equal filtration values.
    edges = [(tuple(sorted(simplex)), value) for simplex, value in tree.get_filtration() if len(simplex) == 2]
    for edge, value in progress_bar(edges, title="cycles", unit="edge"):
        if edge in closing and edge[0] < graph.n_atoms:
            birth, death = np.sqrt([max(value, 0.0), closing[edge]])
            # The copy of an edge between cell and image also starts in the cell and would be a second cycle.
            if death - birth > MIN_PERSISTENCE and _first_copy(images, edge):
                births.append(birth)
                deaths.append(death)
                paths.append(growing.shortest_path(*edge))
        growing.add(*edge)
    return Cycles(np.array(births), np.array(deaths), [_path_keys(images, path) for path in paths])


class _GrowingGraph:
    """A graph of points that edges are added to, for shortest paths between its points."""

    def __init__(self, points: np.ndarray):
        self._points = points.tolist()
        self._steps: list[list[tuple[int, float]]] = [[] for _ in points]

    def add(self, i: int, j: int) -> None:
        length = self._length(i, j)
        self._steps[i].append((j, length))
        self._steps[j].append((i, length))

    def shortest_path(self, start: int, end: int) -> list[int]:
        """Return the points of the shortest path; the heuristic of the A* search is the straight distance."""
        least, before = {start: 0.0}, {}
        waiting = [(self._length(start, end), start, 0.0)]
        while waiting:
            _, here, so_far = heapq.heappop(waiting)
            if here == end:
                break
            if so_far > least[here]:
                continue
            for there, length in self._steps[here]:
                whole = so_far + length
                if whole < least.get(there, math.inf):
                    least[there], before[there] = whole, here
                    heapq.heappush(waiting, (whole + self._length(there, end), there, whole))
        path = [end]
        while path[-1] != start:
            path.append(before[path[-1]])
        return path

    def _length(self, i: int, j: int) -> float:
        return math.dist(self._points[i], self._points[j])


def _first_copy(images: Images, edge: tuple[int, int]) -> bool:
    """Return whether an edge, whose first end is in the cell, is the copy that `shortest_cycles` includes."""
    i, j = edge
    if (images.shift[j] == images.shift[images.atom[j]]).all():
        return True  # both ends in the cell
    return images.atom[i] < images.atom[j] or (
        images.atom[i] == images.atom[j] and tuple(images.shift[j] - images.shift[i]) > (0, 0, 0)
    )


def _path_keys(images: Images, path: list[int]) -> list[tuple[int, ...]]:
    """Return the keys of the edges of a closed path of points."""
    first, second = np.array(path), np.array(path[1:] + path[:1])
    return edge_keys(images.atom[first], images.atom[second], images.shift[second] - images.shift[first])


def pair_keys(graph: GlassGraph, pairs: np.ndarray) -> list[tuple[int, ...]]:
    """Return a key for each directed pair: two atoms and the cell shift between them. Both directions have one key.

    Args:
        graph: graph of the glass.
        pairs: i64[P], indices of pairs.
    """
    source, target = graph.source[pairs].astype(np.int64), graph.target[pairs].astype(np.int64)
    unshifted = graph.positions[source].astype(np.float64) - graph.positions[target]
    shift = (graph.displacement[pairs] - unshifted) @ np.linalg.inv(graph.cell.astype(np.float64))
    return edge_keys(target, source, np.round(shift).astype(np.int64))


def edge_keys(first: np.ndarray, second: np.ndarray, shift: np.ndarray) -> list[tuple[int, ...]]:
    """Return keys of undirected edges from atoms i64[E] to images of atoms i64[E] shifted by i64[E, 3] cell vectors."""
    keys = zip(first.tolist(), second.tolist(), shift.tolist(), strict=True)
    return [min((i, j, *s), (j, i, *(-x for x in s))) for i, j, s in keys]
