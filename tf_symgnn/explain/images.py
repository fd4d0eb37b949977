"""A glass with the periodic images round it, so that what is computed of points in open space holds in the glass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tf_symgnn.data import perpendicular_heights
from tf_symgnn.graph import GlassGraph


class Images(NamedTuple):
    """Atoms in the cell, then their images within a margin of it.

    Attributes:
        points: f64[I, 3] A; the first N are the glass's atoms, each in the cell along periodic directions.
        atom: i64[I], which atom each is an image of.
        shift: i64[I, 3], cell vectors from where the graph has the atom to the image.
    """

    points: np.ndarray
    atom: np.ndarray
    shift: np.ndarray


def with_images(graph: GlassGraph, margin: float) -> Images:
    """The atoms of a glass in their cell, and every image at most `margin` A outside one of its periodic faces."""
    cell = graph.cell.astype(np.float64)
    fractional = graph.positions.astype(np.float64) @ np.linalg.inv(cell)
    home = -np.floor(fractional).astype(np.int64) * graph.pbc
    inside = fractional + home
    room = np.where(graph.pbc, margin / perpendicular_heights(cell), 0.0)
    reach = np.ceil(room).astype(int)
    # The identity first, so that atoms come before images.
    steps = sorted(np.ndindex(*(2 * reach + 1)), key=lambda step: tuple(step) != tuple(reach))
    points, atoms, shifts = [], [], []
    for step in np.array(steps).reshape(-1, 3) - reach:
        moved = inside + step
        near = np.all(~graph.pbc | ((moved >= -room) & (moved < 1 + room)), axis=1)
        points.append(moved[near] @ cell)
        atoms.append(np.flatnonzero(near))
        shifts.append((home + step)[near])
    return Images(*(np.concatenate(parts) for parts in (points, atoms, shifts)))


def pair_keys(graph: GlassGraph, pairs: np.ndarray) -> list[tuple[int, ...]]:
    """A name for what each directed pair joins, the same in both directions: two atoms and the cell shift between."""
    source, target = graph.source[pairs].astype(np.int64), graph.target[pairs].astype(np.int64)
    apart = graph.positions[source].astype(np.float64) - graph.positions[target]
    extra = (graph.displacement[pairs] - apart) @ np.linalg.inv(graph.cell.astype(np.float64))
    return edge_keys(target, source, np.round(extra).astype(np.int64))


def edge_keys(first: np.ndarray, second: np.ndarray, shift: np.ndarray) -> list[tuple[int, ...]]:
    """Names of undirected edges from atoms i64[E] to images of atoms i64[E], shifted by i64[E, 3] cell vectors."""
    keys = zip(first.tolist(), second.tolist(), shift.tolist(), strict=True)
    return [min((i, j, *s), (j, i, *(-x for x in s))) for i, j, s in keys]
