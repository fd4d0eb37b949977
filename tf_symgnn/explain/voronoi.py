"""Voronoi indices of atoms."""

from __future__ import annotations

import numpy as np
from scipy.spatial import QhullError, Voronoi

from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.images import with_images

MARGIN = 8.0  # A, width of the layer of images: more than twice the radius of a Voronoi cell in a dense glass

# A; a shorter edge is a rounding error where more than four cells meet in one point, as in fcc.
SHORTEST_EDGE = 0.02

FACES = (3, 4, 5, 6)


def voronoi_indices(graph: GlassGraph) -> np.ndarray:
    """Return the Voronoi indices <n3, n4, n5, n6> of all atoms: the numbers of faces with 3, 4, 5 and 6 edges.

    Returns:
        i64[N, 4]; -1 for atoms with an open cell, at the surface of a cluster or in a nearly empty structure.
    """
    images, n_atoms = with_images(graph.positions, graph.cell, graph.pbc, MARGIN), graph.n_atoms
    indices = np.zeros((n_atoms, len(FACES)), np.int64)
    try:
        diagram = Voronoi(images.points)
    except (QhullError, ValueError):  # too few points, or all in one plane
        return indices - 1
    for k in np.flatnonzero((diagram.ridge_points < n_atoms).any(axis=1)):
        pair, ridge = diagram.ridge_points[k], diagram.ridge_vertices[k]
        inside = pair[pair < n_atoms]
        if -1 in ridge:
            indices[inside] = -(2**31)  # further faces cannot make it positive again
            continue
        corners = diagram.vertices[ridge]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
        number = int((edges > SHORTEST_EDGE).sum())
        if number in FACES:
            indices[inside, FACES.index(number)] += 1
    indices[(indices < 0).any(axis=1)] = -1
    return indices


def as_text(index: np.ndarray) -> str:
    """Return an index in the usual notation, for example `<0, 0, 12, 0>`, or `open`."""
    return "open" if index[0] < 0 else "<" + ", ".join(str(n) for n in index) + ">"
