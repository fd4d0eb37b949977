"""Energy barriers of a glass: searches from every atom, over processes, until each atom has its events."""

from __future__ import annotations

import multiprocessing
import signal
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path

import ase
import numpy as np
from tqdm import tqdm

from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.simulation.engine import Forces, Potential, program
from tf_symgnn.simulation.events import EVENT, Distinction, Search, distinct_events, moved_atoms
from tf_symgnn.simulation.journal import Journal, fingerprint
from tf_symgnn.simulation.saddles import SearchLost, SearchSettings, find_saddle

EVENTS = "energy_barrier_events"  # how many distinct events an atom's label is the mean of
SPREAD = "energy_barrier_std"  # their standard deviation, eV
LABELLED_BY = "labelled_by"  # in the comment line of a labelled glass: what found its barriers
REST = 1e-3  # eV/A, the largest force of a glass that is taken to be at its minimum


@dataclass(frozen=True)
class Labelling:
    """How the barriers of a glass are found.

    Args:
        events: distinct ones that an atom's label takes at least.
        most_searches: an atom, before it is given up.
        seed: of all searches.
        search: how each is made.
        distinction: which events count as two.
        potential: between the atoms.
    """

    events: int = 4
    most_searches: int = 400
    seed: int = 0
    search: SearchSettings = field(default_factory=SearchSettings)
    distinction: Distinction = field(default_factory=Distinction)
    potential: Potential = field(default_factory=Potential)


class LabellingStopped(RuntimeError):
    """A labelling that cannot go on, though its input is good; what was found is kept."""


def label_glass(
    glass: ase.Atoms, labelling: Labelling, journal: Path, *, processes: int = 1, source: Path | str = "glass"
) -> ase.Atoms:
    """Finds the energy barriers of a glass's atoms: the mean over the distinct events of each.

    The same seed gives the same labels whatever the number of processes, and however often it was interrupted.

    Args:
        glass: at its minimum, periodic.
        labelling: how.
        journal: file of the finished searches; what is in it is not done again.
        processes: that search at the same time.
        source: what messages call the glass.

    Returns:
        The glass with `energy_barrier`, eV, `energy_barrier_std`, eV, and `energy_barrier_events` of each atom, and
        with how they were found in its `info`.

    Raises:
        InputError: LAMMPS cannot be used, the glass is not at a minimum, the journal is of other searches, or an atom
            has too few events after the most searches.
        LabellingStopped: a process died.
    """
    _require_rest(glass, labelling.potential, source)
    header = {"glass": fingerprint(glass), "seed": labelling.seed, "potential": asdict(labelling.potential)}
    with Journal(journal, header | {"search": asdict(labelling.search)}) as kept:
        course = _Course(glass, labelling, kept)
        with tqdm(total=len(glass) * labelling.events, initial=course.found, unit="event") as bar:
            for search in _searched(glass, labelling, course, processes):
                kept.add(search)
                bar.update(course.take(search))
                bar.set_postfix_str(f"{course.share_of_events:.0%} of searches count")
        labelled = _labelled(glass, course.events)
    labelled.info |= {
        "events": labelling.events,
        "push_radius": labelling.search.radius,
        "search_seed": labelling.seed,
        LABELLED_BY: program(),
    }
    return labelled


def _require_rest(glass: ase.Atoms, potential: Potential, source: Path | str) -> None:
    force_field = Forces(glass, potential)
    force = np.linalg.norm(force_field(glass.positions)[1], axis=1).max()
    force_field.close()
    if force > REST:
        raise InputError(
            source, "forces", f"up to {force:.1e} eV/A", f"less than {REST} eV/A: a minimum of {potential.file}"
        )


class _Course:
    """Which atom is searched next: each atom's searches in their order, until it has its events."""

    def __init__(self, glass: ase.Atoms, labelling: Labelling, journal: Journal):
        self._labelling, self._journal = labelling, journal
        self._searches: dict[int, list[Search]] = defaultdict(list)
        for search in journal.searches:
            self._searches[search.atom].append(search)
        self._made = len(journal.searches)
        self._counting = sum(search.outcome == EVENT for search in journal.searches)
        self.events = [self._events(atom) for atom in range(len(glass))]
        self._waiting = deque(atom for atom in range(len(glass)) if self._lacks(atom))

    @property
    def found(self) -> int:
        """Events that count, no more of an atom than its label takes."""
        return sum(min(len(events), self._labelling.events) for events in self.events)

    @property
    def share_of_events(self) -> float:
        """Of searches so far."""
        return self._counting / max(self._made, 1)

    def next(self) -> tuple[int, int] | None:
        """The atom and number of a search to make, or None where all are made or under way.

        Raises:
            InputError: the atom has had its searches.
        """
        if not self._waiting:
            return None
        atom = self._waiting.popleft()
        number = len(self._searches[atom])
        if number >= self._labelling.most_searches:
            found = f"{len(self.events[atom])} events in {number} searches"
            raise InputError(
                self._journal.path, f"atom {atom}", found, f"{self._labelling.events}; allow more searches"
            )
        return atom, number

    def take(self, search: Search) -> int:
        """Takes a finished search in; how many events more count."""
        self._made += 1
        self._counting += search.outcome == EVENT
        before = self.found_of(search.atom)
        self._searches[search.atom].append(search)
        self.events[search.atom] = self._events(search.atom)
        if self._lacks(search.atom):
            self._waiting.appendleft(search.atom)
        return self.found_of(search.atom) - before

    def found_of(self, atom: int) -> int:
        """Events of an atom that count."""
        return min(len(self.events[atom]), self._labelling.events)

    def _events(self, atom: int) -> list[Search]:
        return distinct_events(self._searches[atom], self._labelling.distinction)[: self._labelling.events]

    def _lacks(self, atom: int) -> bool:
        return len(self.events[atom]) < self._labelling.events


def _searched(glass: ase.Atoms, labelling: Labelling, course: _Course, processes: int) -> Iterator[Search]:
    """Searches as they are finished; an atom's next one starts when its last is taken in."""
    # A fresh interpreter a process: LAMMPS and threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_process, (glass, labelling)) as pool:
        running: set[Future] = set()
        try:
            while True:
                # One more than there are processes, so that none waits for this loop.
                while len(running) <= processes and (task := course.next()) is not None:
                    running.add(pool.submit(_search, *task))
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as error:
            raise LabellingStopped("a searching process ended by itself, perhaps for want of memory") from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Process:
    """What a process of the pool searches with; `here` is its own."""

    here: _Process

    def __init__(self, glass: ase.Atoms, labelling: Labelling):
        self.glass, self.labelling = glass, labelling
        self.moving = Forces(glass, labelling.potential, thinned=True)
        self.resting = Forces(glass, labelling.potential)
        self.energy = self.resting(glass.positions)[0]

    def search(self, atom: int, number: int) -> Search:
        """One search, which depends on nothing but its atom, its number and the seed."""
        self.moving.afresh(self.glass.positions)
        rng = np.random.default_rng([self.labelling.seed, atom, number])
        try:
            saddle = find_saddle(self.moving, self.glass, atom, rng, self.labelling.search)
            barrier, forces = self.resting.afresh(saddle.point.positions)
            if np.linalg.norm(forces, axis=1).max() > self.labelling.search.largest_force:
                raise SearchLost("not at rest")
        except SearchLost as lost:
            return Search(atom, number, str(lost))
        return Search(
            atom,
            number,
            EVENT,
            barrier=round(barrier - self.energy, 6),
            energy=round(self.resting.afresh(saddle.final)[0] - self.energy, 6),
            moved=moved_atoms(self.glass.positions, saddle.final),
        )


def _start_process(glass: ase.Atoms, labelling: Labelling) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears of it and ends the pool
    _Process.here = _Process(glass, labelling)


def _search(atom: int, number: int) -> Search:
    return _Process.here.search(atom, number)


def _labelled(glass: ase.Atoms, events: list[list[Search]]) -> ase.Atoms:
    labelled = glass.copy()
    barriers = [[event.barrier for event in found] for found in events]
    labelled.set_array(names.ENERGY_BARRIER, np.array([np.mean(found) for found in barriers]))
    labelled.set_array(SPREAD, np.array([np.std(found, ddof=1) if len(found) > 1 else 0.0 for found in barriers]))
    labelled.set_array(EVENTS, np.array([len(found) for found in barriers]))
    return labelled
