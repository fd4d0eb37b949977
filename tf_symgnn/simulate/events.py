"""Results of searches: events, which of them are distinct, and how they are stored."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from tf_symgnn.errors import require_number

EVENT = "event"  # the outcome of a search that finds a saddle
MOVED = 0.1  # A, the least displacement at the saddle of an atom that takes part in an event
MOST_STORED = 4  # atoms, those that moved farthest, whose displacements identify a saddle


@dataclass(frozen=True)
class Search:
    """One search and its result.

    Args:
        atom: index of the atom it started at.
        number: an atom's searches are numbered from 0.
        outcome: `EVENT`, or why the search failed.
        calls: of the force field.
        barrier: energy of the saddle over that of the minimum, eV.
        energy: energy of the minimum on the other side over that of the first, eV; None unless connection was required.
        n_moved: number of atoms that are displaced by more than `MOVED` at the saddle.
        moved: displacement at the saddle, A, of the atoms that moved farthest, by index.
    """

    atom: int
    number: int
    outcome: str
    calls: int = 0
    barrier: float | None = None
    energy: float | None = None
    n_moved: int | None = None
    moved: dict[int, tuple[float, float, float]] | None = None

    @property
    def counts(self) -> bool:
        """Whether the search found an event: a saddle below the first minimum belongs to another one."""
        return self.outcome == EVENT and self.barrier > 0.0

    def to_json(self) -> str:
        """Return the search as one line."""
        stored = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(stored, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Search:
        """Return the search in a line.

        Raises:
            ValueError, TypeError: the line holds none.
        """
        stored = json.loads(line)
        if "moved" in stored:
            stored["moved"] = {int(atom): tuple(by) for atom, by in stored["moved"].items()}
        return cls(**stored)


@dataclass(frozen=True)
class Distinction:
    """When two events of an atom are distinct: their saddles differ in energy or in place.

    Args:
        barrier: the least difference of barriers, eV, or
        distance: the least distance between an atom's places at the two saddles, A.

    Raises:
        InputError: a value is invalid.
    """

    barrier: float = 1e-3
    distance: float = 0.1

    def __post_init__(self) -> None:
        for name in ("barrier", "distance"):
            require_number("distinct events", name, getattr(self, name), least=0)

    def are_distinct(self, a: Search, b: Search) -> bool:
        """Whether two events are distinct."""
        if abs(a.barrier - b.barrier) > self.barrier:
            return True
        common = a.moved.keys() & b.moved.keys()
        if not common:
            return True
        apart = [np.subtract(a.moved[atom], b.moved[atom]) for atom in sorted(common)]
        return float(np.linalg.norm(apart, axis=1).max()) > self.distance


def displacements(start: np.ndarray, saddle: np.ndarray) -> tuple[int, dict[int, tuple[float, float, float]]]:
    """Return how many atoms a saddle displaces by more than `MOVED`, and the largest displacements by atom.

    Args:
        start: positions [N, 3] at the minimum, A.
        saddle: positions [N, 3] at the saddle, A.
    """
    by = saddle - start
    by = by - by.mean(axis=0)
    lengths = np.linalg.norm(by, axis=1)
    farthest = np.sort(np.argsort(-lengths, kind="stable")[:MOST_STORED])
    return int((lengths > MOVED).sum()), {int(atom): tuple(by[atom].round(2).tolist()) for atom in farthest}


def events_by_atom(searches: Iterable[Search], distinction: Distinction, most: int) -> dict[int, list[Search]]:
    """Return the events of each atom that has been searched: its first distinct ones.

    Args:
        searches: of all atoms.
        distinction: which events are distinct.
        most: the number of events of an atom.
    """
    of_atoms: dict[int, list[Search]] = {}
    for search in searches:
        of_atoms.setdefault(search.atom, []).append(search)
    return {atom: distinct_events(of_atom, distinction)[:most] for atom, of_atom in of_atoms.items()}


def distinct_events(searches: Iterable[Search], distinction: Distinction) -> list[Search]:
    """Return the events among one atom's searches, each once, in the order of the searches."""
    events: list[Search] = []
    for search in sorted(searches, key=lambda search: search.number):
        if search.counts and all(distinction.are_distinct(search, known) for known in events):
            events.append(search)
    return events
