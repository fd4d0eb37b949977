"""Rings of atoms by persistent homology, and how many of them an edge lies on."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass

import gudhi
import numpy as np
from tqdm import tqdm

from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.images import Images, with_images

# A, of periodic images: wider than a ring of a glass and the largest hollow that one may close over.
MARGIN = 8.0

# A: rings that are born and filled at radii closer than this are rounding.
LEAST_PERSISTENCE = 1e-4


@dataclass(frozen=True)
class Cycles:
    """The 1-cycles of a glass, each periodic family counted once.

    Attributes:
        birth: f64[C] A, the radius of balls round the atoms at which each ring closes.
        death: f64[C] A, the radius at which it is filled.
        edges: of each cycle, names of its edges as `edge_keys` gives them.
    """

    birth: np.ndarray
    death: np.ndarray
    edges: list[list[tuple[int, ...]]]

    def through(self) -> Counter:
        """On how many cycles each edge lies, by name; edges on none are absent."""
        return Counter(edge for cycle in self.edges for edge in set(cycle))


def shortest_cycles(graph: GlassGraph) -> Cycles:
    """For every ring of the alpha filtration, the shortest cycle that is born with it.

    Persistence pairs of dimension one are gudhi's. Of each, the cycle is the edge that closes the ring together with
    the shortest path, in A, between its ends along edges of the filtration before it: the shortest persistent
    1-cycle of Dey, Hou and Mandal (2019). For a ring that is filled later than it is born, finding the
    shortest among those that are also filled with it is NP-hard, and no attempt at that is made.

    Of a periodic glass the filtration is that of its cell and of the images round it, in open space, and cycles count
    whose closing edge starts in the cell. Copies of an edge come into the filtration at once, and one of them joins
    what the others close rings of, so that a few edges change their count with the place of the cell's faces
    (benchmarks/RESULTS.md).
    """
    images = with_images(graph.positions, graph.cell, graph.pbc, MARGIN)
    tree = gudhi.AlphaComplex(points=images.points).create_simplex_tree()
    tree.compute_persistence()
    rings = ((birth, death) for birth, death in tree.persistence_pairs() if len(birth) == 2 and death)
    closing = {tuple(sorted(birth)): tree.filtration(death) for birth, death in rings}
    found = Cycles([], [], [])
    ways = _Ways(images.points)
    # In gudhi's order, for it breaks the ties of periodic copies.
    edges = [(tuple(sorted(simplex)), value) for simplex, value in tree.get_filtration() if len(simplex) == 2]
    for edge, value in tqdm(edges, desc="cycles", unit="edge", mininterval=1.0):
        if edge in closing and edge[0] < graph.n_atoms:
            birth, death = np.sqrt([max(value, 0.0), closing[edge]])
            # Of a closing edge between cell and image, its periodic copy starts in the cell, too.
            if death - birth > LEAST_PERSISTENCE and _first_copy(images, edge):
                found.birth.append(birth)
                found.death.append(death)
                found.edges.append(ways.shortest(*edge))
        ways.add(*edge)
    named = [_names(images, path) for path in found.edges]
    return Cycles(np.array(found.birth), np.array(found.death), named)


class _Ways:
    """A graph of points that grows edge by edge, and shortest paths in it."""

    def __init__(self, points: np.ndarray):
        self._points = points.tolist()
        self._steps: list[list[tuple[int, float]]] = [[] for _ in points]

    def add(self, i: int, j: int) -> None:
        length = self._apart(i, j)
        self._steps[i].append((j, length))
        self._steps[j].append((i, length))

    def shortest(self, start: int, end: int) -> list[int]:
        """Points from `start` to `end` along the shortest path, by A* with the straight line as its bound."""
        least, before = {start: 0.0}, {}
        waiting = [(self._apart(start, end), start, 0.0)]
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
                    heapq.heappush(waiting, (whole + self._apart(there, end), there, whole))
        path = [end]
        while path[-1] != start:
            path.append(before[path[-1]])
        return path

    def _apart(self, i: int, j: int) -> float:
        return math.dist(self._points[i], self._points[j])


def _first_copy(images: Images, edge: tuple[int, int]) -> bool:
    """Whether an edge with its first end in the cell is the one of its periodic copies that counts."""
    i, j = edge
    if (images.shift[j] == images.shift[images.atom[j]]).all():
        return True  # both ends in the cell
    return images.atom[i] < images.atom[j] or (
        images.atom[i] == images.atom[j] and tuple(images.shift[j] - images.shift[i]) > (0, 0, 0)
    )


def _names(images: Images, path: list[int]) -> list[tuple[int, ...]]:
    first, second = np.array(path), np.array(path[1:] + path[:1])
    return edge_keys(images.atom[first], images.atom[second], images.shift[second] - images.shift[first])


def pair_keys(graph: GlassGraph, pairs: np.ndarray) -> list[tuple[int, ...]]:
    """Return a key for what each directed pair joins: two atoms and the cell shift between them.

    A pair and its reverse have the same key.

    Args:
        graph: of the glass.
        pairs: i64[P].
    """
    source, target = graph.source[pairs].astype(np.int64), graph.target[pairs].astype(np.int64)
    apart = graph.positions[source].astype(np.float64) - graph.positions[target]
    extra = (graph.displacement[pairs] - apart) @ np.linalg.inv(graph.cell.astype(np.float64))
    return edge_keys(target, source, np.round(extra).astype(np.int64))


def edge_keys(first: np.ndarray, second: np.ndarray, shift: np.ndarray) -> list[tuple[int, ...]]:
    """Return keys of undirected edges from atoms i64[E] to images of atoms i64[E] shifted by i64[E, 3] cell vectors."""
    keys = zip(first.tolist(), second.tolist(), shift.tolist(), strict=True)
    return [min((i, j, *s), (j, i, *(-x for x in s))) for i, j, s in keys]
