"""What a prediction is made of: the atoms round a target and the directed pairs that reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase.geometry import find_mic

from tf_symgnn.graph import GlassGraph


@dataclass(frozen=True)
class Neighbourhood:
    """A target atom and every directed pair that is received within some distance of it.

    Cut at the model's receptive field, it gives the target the prediction that the whole glass does.

    Attributes:
        graph: M atoms and P pairs, sorted by target.
        centre: the target among the M atoms.
        atoms: i64[M], ascending, the atoms' indices in the glass.
        pairs: i64[P], ascending, the pairs' indices in the glass's graph.
        place: f64[M, 3] A, from the target to each atom's nearest image.
    """

    graph: GlassGraph
    centre: int
    atoms: np.ndarray
    pairs: np.ndarray
    place: np.ndarray

    @property
    def target(self) -> int:
        """The target's index in the glass."""
        return int(self.atoms[self.centre])

    @property
    def n_pairs(self) -> int:
        """P."""
        return self.graph.n_edges

    @property
    def explained(self) -> np.ndarray:
        """bool[P]: pairs of two atoms, or of an atom and an image of it; not self-loops, which are no structure."""
        return np.any(self.graph.displacement != 0, axis=1)

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """f64[P, 3] A twice: from the target to each pair's receiving atom, and to the image that sends to it."""
        receiver = self.place[self.graph.target]
        return receiver, receiver + self.graph.displacement

    @property
    def distance(self) -> np.ndarray:
        """f64[P] A: from the target to the middle of each pair."""
        receiver, sender = self.ends
        return np.linalg.norm((receiver + sender) / 2, axis=1)


def cut(graph: GlassGraph, target: int, reach: float) -> Neighbourhood:
    """The pairs received by atoms at most `reach` A from a target, and the atoms they join."""
    place, distance = find_mic(graph.positions - graph.positions[target], graph.cell, graph.pbc)
    near = np.asarray(distance) <= reach
    near[target] = True
    pairs = np.flatnonzero(near[graph.target])
    atoms = np.unique(np.concatenate([np.flatnonzero(near), graph.source[pairs]]))
    part = replace(graph.take(atoms, pairs), barrier=None)
    return Neighbourhood(part, int(np.searchsorted(atoms, target)), atoms, pairs, np.asarray(place)[atoms])


def cut_all(graph: GlassGraph, targets: Sequence[int], reach: float) -> list[Neighbourhood]:
    """The neighbourhood of each target."""
    return [cut(graph, int(target), reach) for target in targets]
