"""What searches found: events, which of them are distinct, and the label that they make."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

EVENT = "event"  # the outcome of a search that counts
MOVED = 0.01  # A, displacement that an event remembers of an atom


@dataclass(frozen=True)
class Search:
    """One search and what came of it.

    Args:
        atom: index of the atom it started at.
        number: the atom's searches are numbered from 0.
        outcome: `EVENT`, or why the search does not count.
        barrier: saddle point over minimum, eV.
        energy: minimum on the other side over the first, eV.
        moved: displacement, A, of each atom that the minima differ by more than `MOVED` in, by index.
    """

    atom: int
    number: int
    outcome: str
    barrier: float | None = None
    energy: float | None = None
    moved: dict[int, tuple[float, float, float]] | None = None

    def to_json(self) -> str:
        """One line."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def from_json(cls, line: str) -> Search:
        """The search in a line.

        Raises:
            ValueError, TypeError: it is none.
        """
        stored = json.loads(line)
        if "moved" in stored:
            stored["moved"] = {int(atom): tuple(by) for atom, by in stored["moved"].items()}
        return cls(**stored)


@dataclass(frozen=True)
class Distinction:
    """When two events of an atom count as two.

    Args:
        barrier: by how much barriers must differ, eV, or
        distance: by how much an atom's place must in the final states, A.
    """

    barrier: float = 1e-3
    distance: float = 0.1

    def tells_apart(self, a: Search, b: Search) -> bool:
        """Whether two events are distinct."""
        if abs(a.barrier - b.barrier) > self.barrier:
            return True
        still = (0.0, 0.0, 0.0)
        apart = [
            np.subtract(a.moved.get(atom, still), b.moved.get(atom, still)) for atom in a.moved.keys() | b.moved.keys()
        ]
        return bool(apart) and float(np.linalg.norm(apart, axis=1).max()) > self.distance


def moved_atoms(start: np.ndarray, end: np.ndarray) -> dict[int, tuple[float, float, float]]:
    """Displacements, A, of the atoms that moved more than `MOVED` between positions [N, 3], by index."""
    by = end - start
    return {int(atom): tuple(by[atom].round(4).tolist()) for atom in np.flatnonzero(np.linalg.norm(by, axis=1) > MOVED)}


def distinct_events(searches: Iterable[Search], distinction: Distinction) -> list[Search]:
    """The events among one atom's searches, each once, in the order of the searches."""
    events: list[Search] = []
    for search in sorted(searches, key=lambda search: search.number):
        if search.outcome == EVENT and all(distinction.tells_apart(search, known) for known in events):
            events.append(search)
    return events
