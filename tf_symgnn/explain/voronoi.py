"""Voronoi indices."""

from __future__ import annotations

import numpy as np
from scipy.spatial import QhullError, Voronoi

from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.images import with_images

MARGIN = 8.0  # A, of periodic images: more than twice the radius of any atom's cell in a dense glass

# Edges of a face shorter than this, A, are where more than four cells meet in one point, as in fcc, but for rounding.
SHORTEST_EDGE = 0.02

FACES = (3, 4, 5, 6)


def voronoi_indices(graph: GlassGraph) -> np.ndarray:
    """Voronoi indices <n3, n4, n5, n6> i64[N, 4] of all atoms: how many faces of their cells have so many edges.

    Cells that reach out of an open or nearly empty structure have none, and are told by -1.
    """
    images, n_atoms = with_images(graph.positions, graph.cell, graph.pbc, MARGIN), graph.n_atoms
    found = np.zeros((n_atoms, len(FACES)), np.int64)
    try:
        diagram = Voronoi(images.points)
    except (QhullError, ValueError):  # fewer points than a cell needs, or all in one plane
        return found - 1
    for k in np.flatnonzero((diagram.ridge_points < n_atoms).any(axis=1)):
        pair, ridge = diagram.ridge_points[k], diagram.ridge_vertices[k]
        inside = pair[pair < n_atoms]
        if -1 in ridge:
            found[inside] = -(2**31)  # an open cell stays open whatever faces are counted after
            continue
        corners = diagram.vertices[ridge]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
        number = int((edges > SHORTEST_EDGE).sum())
        if number in FACES:
            found[inside, FACES.index(number)] += 1
    found[(found < 0).any(axis=1)] = -1
    return found


def as_text(index: np.ndarray) -> str:
    """An index as the field writes it, or `open`."""
    return "open" if index[0] < 0 else "<" + ", ".join(str(n) for n in index) + ">"
