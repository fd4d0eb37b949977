"""Energy barriers of a glass: searches from every atom, in several processes, until each atom has its events."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import ase
import numpy as np

from tf_symgnn import names
from tf_symgnn.data import InputError, columns
from tf_symgnn.errors import require_integer
from tf_symgnn.progress import progress_bar
from tf_symgnn.simulate.engine import SEARCH_POINTS, Forces, Potential, program
from tf_symgnn.simulate.events import EVENT, Distinction, Search, displacements, distinct_events
from tf_symgnn.simulate.journal import Journal, fingerprint
from tf_symgnn.simulate.region import ActiveRegion, worth_a_region
from tf_symgnn.simulate.saddles import (
    SEARCH_VERSION,
    Saddle,
    SearchFailed,
    SearchSettings,
    connect,
    converge,
    find_saddle,
)

EVENTS = names.ENERGY_BARRIER + columns.EVENTS  # number of distinct events that an atom's label is the mean of
SPREAD = names.ENERGY_BARRIER + columns.SPREAD  # their standard deviation, eV
LABELLED_BY = "labelled_by"  # in the comment line of a labelled glass: the program that found its barriers
REST = 1e-3  # eV/A, the largest force of a glass at its minimum


@dataclass(frozen=True)
class Labelling:
    """How the barriers of a glass are found.

    Args:
        events: distinct ones that an atom's label is the mean of.
        most_searches: the most searches from an atom. An atom with fewer events then keeps those it has.
        seed: of all searches.
        search: settings of each.
        distinction: which events are distinct.
        potential: between the atoms.

    Raises:
        InputError: a number is invalid.
    """

    events: int = 4
    most_searches: int = 400
    seed: int = 0
    search: SearchSettings = field(default_factory=SearchSettings)
    distinction: Distinction = field(default_factory=Distinction)
    potential: Potential = field(default_factory=Potential)

    def __post_init__(self) -> None:
        require_integer("labelling", "events", self.events, least=1)
        require_integer("labelling", "most_searches", self.most_searches, least=1)
        require_integer("labelling", "seed", self.seed, least=0)


class LabellingStopped(RuntimeError):
    """A labelling that cannot continue, though its input is good; its journal is kept."""


def label_glass(
    glass: ase.Atoms, labelling: Labelling, journal: Path, *, processes: int = 1, source: Path | str = "glass"
) -> ase.Atoms:
    """Label each atom of a glass with the mean barrier of its distinct events.

    The same seed gives the same labels whatever the number of processes, and however often it was interrupted.

    Args:
        glass: at its minimum, periodic.
        labelling: how.
        journal: file of the finished searches, which are not repeated.
        processes: that search at the same time.
        source: the name of the glass in messages.

    Returns:
        The glass with `energy_barrier`, eV, `energy_barrier_std`, eV, and `energy_barrier_events` of each atom. An atom
        without any event has the barrier NaN. `info` holds how the labels were made.

    Raises:
        InputError: LAMMPS cannot be used, the glass is not at a minimum, the journal is of other searches, or another
            process writes it.
        LabellingStopped: a process died.
    """
    _require_rest(glass, labelling.potential, source)
    with Journal(journal, journal_header(glass, labelling)) as stored:
        schedule = _Schedule(len(glass), labelling, stored)
        with progress_bar(total=len(glass) * labelling.events, initial=schedule.n_events, unit="event") as bar:
            for search in _run_searches(glass, labelling, schedule, processes):
                stored.add(search)
                bar.update(schedule.record(search))
                bar.set_postfix_str(f"{schedule.success_rate:.0%} of searches count")
    return _labelled(glass, labelling, schedule.events)


def journal_header(glass: ase.Atoms, labelling: Labelling) -> dict:
    """Return what all searches of a journal have in common; the potential is identified by its content."""
    return {
        "glass": fingerprint(glass),
        "seed": labelling.seed,
        "potential": [labelling.potential.style, labelling.potential.digest()],
        "search": asdict(labelling.search),
        "search_version": SEARCH_VERSION,
    }


def _require_rest(glass: ase.Atoms, potential: Potential, source: Path | str) -> None:
    force_field = Forces(glass, potential)
    force = np.linalg.norm(force_field(glass.positions)[1], axis=1).max()
    force_field.close()
    if force > REST:
        raise InputError(
            source, "forces", f"up to {force:.1e} eV/A", f"less than {REST} eV/A: a minimum of {potential.file}"
        )


class _Schedule:
    """Which atom is searched next: each atom's searches in their order, until it has its events."""

    def __init__(self, n_atoms: int, labelling: Labelling, journal: Journal):
        self._labelling = labelling
        self._searches: dict[int, list[Search]] = defaultdict(list)
        for search in journal.searches:
            self._searches[search.atom].append(search)
        self._n_searches, self._n_counted = len(journal.searches), sum(search.counts for search in journal.searches)
        self.events = [self._distinct(atom) for atom in range(n_atoms)]
        self._queue = deque(atom for atom in range(n_atoms) if self._needs_search(atom))

    @property
    def n_events(self) -> int:
        """Events found so far."""
        return sum(map(len, self.events))

    @property
    def success_rate(self) -> float:
        """Events per search so far."""
        return self._n_counted / max(self._n_searches, 1)

    def next(self) -> tuple[int, int] | None:
        """The atom and number of a search to make, or None if all are made or running."""
        if not self._queue:
            return None
        atom = self._queue.popleft()
        return atom, len(self._searches[atom])

    def record(self, search: Search) -> int:
        """Store a finished search and return how many events it adds."""
        before = len(self.events[search.atom])
        self._n_searches += 1
        self._n_counted += search.counts
        self._searches[search.atom].append(search)
        self.events[search.atom] = self._distinct(search.atom)
        if self._needs_search(search.atom):
            self._queue.appendleft(search.atom)
        return len(self.events[search.atom]) - before

    def _distinct(self, atom: int) -> list[Search]:
        return distinct_events(self._searches[atom], self._labelling.distinction)[: self._labelling.events]

    def _needs_search(self, atom: int) -> bool:
        made = len(self._searches[atom])
        return len(self.events[atom]) < self._labelling.events and made < self._labelling.most_searches


def _run_searches(glass: ase.Atoms, labelling: Labelling, schedule: _Schedule, processes: int) -> Iterator[Search]:
    """Yield searches as they finish; an atom's next one starts when its last is recorded."""
    # Spawned, because LAMMPS and its threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (glass, labelling)) as pool:
        running: set[Future] = set()
        try:
            while True:
                # One more than there are processes, so that none waits for this loop.
                while len(running) <= processes and (task := schedule.next()) is not None:
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


class _Worker:
    """What one process of the pool searches with."""

    current: _Worker

    def __init__(self, glass: ase.Atoms, labelling: Labelling):
        self._glass, self._labelling = glass, labelling
        self._moving = Forces(glass, labelling.potential, table_points=SEARCH_POINTS)
        self._resting = Forces(glass, labelling.potential)
        self._energy = self._resting(glass.positions)[0]
        self._in_regions = worth_a_region(glass)

    def search(self, atom: int, number: int) -> Search:
        """Make one search, which depends on its atom, its number and the seed alone."""
        settings = self._labelling.search
        self._moving.calls = self._region_calls = 0
        rng = np.random.default_rng([self._labelling.seed, atom, number])
        try:
            saddle = self._saddle_from_region(atom, rng) if self._in_regions else self._saddle(atom, rng)
            energy, forces = self._resting.from_scratch(saddle.point.positions)
            if np.linalg.norm(forces, axis=1).max() > settings.largest_force:
                raise SearchFailed("not at rest")
        except SearchFailed as failure:
            return Search(atom, number, str(failure), calls=self._moving.calls + self._region_calls)
        n_moved, moved = displacements(self._glass.positions, saddle.point.positions)
        return Search(
            atom,
            number,
            EVENT,
            calls=self._moving.calls + self._region_calls,
            barrier=round(energy - self._energy, 6),
            energy=None
            if saddle.final is None
            else round(self._resting.from_scratch(saddle.final)[0] - self._energy, 6),
            n_moved=n_moved,
            moved=moved,
        )

    def _saddle(self, atom: int, rng: np.random.Generator) -> Saddle:
        self._moving.from_scratch(self._glass.positions)
        return find_saddle(self._moving, self._glass, atom, rng, self._labelling.search)

    def _saddle_from_region(self, atom: int, rng: np.random.Generator) -> Saddle:
        """Search with the atom's region free, then converge with all atoms free."""
        settings = self._labelling.search
        forces = self._moving.from_scratch(self._glass.positions)[1]
        region = ActiveRegion(self._glass, forces, atom, self._labelling.potential)
        try:
            inside = find_saddle(region, region.minimum, region.atom, rng, replace(settings, require_connected=False))
        finally:
            self._region_calls = region.calls
            region.close()
        mode = np.zeros_like(self._glass.positions)
        mode[region.free] = inside.mode
        saddle = converge(self._moving, self._glass, region.embed(self._glass, inside.point.positions), mode, settings)
        return connect(self._moving, self._glass, saddle, rng) if settings.require_connected else saddle


def _start_worker(glass: ase.Atoms, labelling: Labelling) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends the pool
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Worker.current = _Worker(glass, labelling)


def _end_with_parent() -> None:
    """End this process when its parent has ended: one that was killed could not end its workers."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _search(atom: int, number: int) -> Search:
    return _Worker.current.search(atom, number)


def _labelled(glass: ase.Atoms, labelling: Labelling, events: list[list[Search]]) -> ase.Atoms:
    labelled = glass.copy()
    barriers = [[event.barrier for event in of_atom] for of_atom in events]
    labelled.set_array(names.ENERGY_BARRIER, np.array([np.mean(values) if values else np.nan for values in barriers]))
    labelled.set_array(SPREAD, np.array([np.std(values, ddof=1) if len(values) > 1 else 0.0 for values in barriers]))
    labelled.set_array(EVENTS, np.array([len(values) for values in barriers]))
    labelled.info |= {
        "events": labelling.events,
        "most_searches": labelling.most_searches,
        "barrier_tolerance": labelling.distinction.barrier,
        "distance_tolerance": labelling.distinction.distance,
        "push_radius": labelling.search.radius,
        "largest_force": labelling.search.largest_force,
        "require_connected": labelling.search.require_connected,
        "search_seed": labelling.seed,
        "label_potential": labelling.potential.name,
        LABELLED_BY: program(),
    }
    return labelled
