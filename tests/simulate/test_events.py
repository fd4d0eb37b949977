"""Which events are distinct, and the journal that keeps searches through an interruption."""

import errno
import json
import os

import ase
import numpy as np
import pytest

from tf_symgnn.data import InputError
from tf_symgnn.simulate.barriers import Labelling
from tf_symgnn.simulate.events import EVENT, Distinction, Search, displacements, distinct_events
from tf_symgnn.simulate.journal import Journal, fingerprint
from tf_symgnn.simulate.saddles import SearchSettings

HEADER = {"glass": "abc", "seed": 0}


def event(number: int, barrier: float, moved: dict | None = None, atom: int = 0) -> Search:
    return Search(atom, number, EVENT, barrier=barrier, energy=0.1, moved=moved or {3: (1.0, 0.0, 0.0)})


@pytest.mark.parametrize(
    ("other", "distinct"),
    [
        (event(1, 1.0), False),
        (event(1, 1.0009), False),
        (event(1, 1.0011), True),
        (event(1, 1.0, {3: (1.0, 0.09, 0.0)}), False),
        (event(1, 1.0, {3: (1.0, 0.11, 0.0)}), True),
        (event(1, 1.0, {3: (1.0, 0.0, 0.0), 5: (0.0, 0.0, 0.2)}), False),
        (event(1, 1.0, {4: (1.0, 0.0, 0.0)}), True),
    ],
    ids=[
        "same",
        "barrier within",
        "barrier beyond",
        "place within",
        "place beyond",
        "another fourth atom",
        "other atoms",
    ],
)
def test_events_differ_by_their_barriers_or_their_saddles(other, distinct):
    found = distinct_events([event(0, 1.0), other], Distinction())
    assert len(found) == 1 + distinct


def test_lost_searches_are_no_events_and_order_is_that_of_the_searches():
    searches = [event(3, 2.0), Search(0, 1, "fell back"), event(0, 1.0), event(2, 1.0)]
    assert [found.number for found in distinct_events(searches, Distinction())] == [0, 3]


def test_a_saddle_below_the_minimum_is_no_event():
    """It belongs to another minimum, to which the search went over a ridge that it did not see."""
    searches = [event(0, -0.026), event(1, 0.0), event(2, 1.0)]
    assert [found.number for found in distinct_events(searches, Distinction())] == [2]


def test_displacements_are_those_of_the_atoms_that_moved_farthest():
    start, saddle = np.zeros((8, 3)), np.zeros((8, 3))
    saddle[1] = [0.5, 0.0, -0.25]
    saddle[2] = [0.3, 0.0, 0.0]
    saddle[3] = [-0.3, 0.0, 0.0]
    saddle[4] = [-0.5, 0.0, 0.25]
    saddle[5], saddle[6] = [0.0, 0.05, 0.0], [0.0, -0.05, 0.0]
    moved = {1: (0.5, 0.0, -0.25), 2: (0.3, 0.0, 0.0), 3: (-0.3, 0.0, 0.0), 4: (-0.5, 0.0, 0.25)}
    assert displacements(start, saddle) == (4, moved)
    assert displacements(start, saddle + 0.7) == (4, moved)  # a drift of the whole glass is no displacement


def test_a_search_goes_through_its_line():
    for search in (event(7, 1.25, {0: (0.1, -0.2, 0.3), 11: (1.0, 2.0, 3.0)}, atom=4), Search(2, 0, "too high")):
        assert Search.from_json(search.to_json()) == search


def test_a_journal_goes_on_where_it_was_cut(tmp_path):
    path = tmp_path / "new folder" / "a.searches.jsonl"
    with Journal(path, HEADER) as journal:
        journal.add(event(0, 1.0))
        journal.add(Search(0, 1, "fell back"))
    whole = path.read_text()
    path.write_text(whole + '{"atom": 0, "num')  # killed while it wrote
    with Journal(path, HEADER) as journal:
        assert journal.searches == [event(0, 1.0), Search(0, 1, "fell back")]
        journal.add(event(2, 2.0))
    assert path.read_text().startswith(whole)
    with Journal(path, HEADER) as journal:
        assert [search.number for search in journal.searches] == [0, 1, 2]


def test_a_journal_of_other_searches_or_a_damaged_one_is_refused(tmp_path):
    path = tmp_path / "a.searches.jsonl"
    with Journal(path, HEADER) as journal:
        journal.add(event(0, 1.0))
    with pytest.raises(InputError, match="seed"), Journal(path, HEADER | {"seed": 1}):
        pass
    for damage in ("not JSON", '{"atom": 0}', "[]", json.dumps({"atom": 0, "number": 1, "outcome": EVENT, "x": 1})):
        path.write_text(json.dumps(HEADER) + "\n" + damage + "\n")
        with pytest.raises(InputError, match="line 2"), Journal(path, HEADER):
            pass
        assert damage in path.read_text()


def test_two_processes_do_not_write_one_journal(tmp_path):
    """They would overwrite each other's searches. A lock is of an open file, so that one process can show it."""
    path = tmp_path / "a.searches.jsonl"
    with Journal(path, HEADER) as journal:
        with pytest.raises(InputError, match="journal: found another process that writes it"), Journal(path, HEADER):
            pass
        journal.add(event(0, 1.0))
    with Journal(path, HEADER) as journal:
        assert journal.searches == [event(0, 1.0)]


def test_a_journal_that_was_cut_in_its_first_line_starts_again(tmp_path):
    path = tmp_path / "a.searches.jsonl"
    for text in ("", json.dumps(HEADER)[:9]):
        path.write_text(text)
        with Journal(path, HEADER) as journal:
            journal.add(event(0, 1.0))
        with Journal(path, HEADER) as journal:
            assert journal.searches == [event(0, 1.0)]
    path.write_text("mine")
    with pytest.raises(InputError, match="line 1: found mine"), Journal(path, HEADER):
        pass
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Labelling, {"events": 0}),
        (Labelling, {"most_searches": 0}),
        (Labelling, {"seed": -1}),
        (SearchSettings, {"radius": -1.0}),
        (SearchSettings, {"largest_force": 0.0}),
        (SearchSettings, {"require_connected": "no"}),
        (Distinction, {"barrier": -1e-3}),
        (Distinction, {"distance": float("nan")}),
    ],
)
def test_settings_that_would_find_nothing_are_refused(kind, values):
    with pytest.raises(InputError, match=f"{next(iter(values))}: found"):
        kind(**values)


def test_a_full_disk_names_the_journal_and_loses_no_earlier_search(tmp_path, monkeypatch):
    path = tmp_path / "a.searches.jsonl"
    with Journal(path, HEADER) as journal:
        journal.add(event(0, 1.0))
    with monkeypatch.context() as patch, Journal(path, HEADER) as journal:
        patch.setattr(os, "fsync", _no_space)
        with pytest.raises(OSError, match=r"No space left on device.*a\.searches\.jsonl"):
            journal.add(event(1, 2.0))
    with Journal(path, HEADER) as journal:
        assert journal.searches[0] == event(0, 1.0)


def _no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_fingerprints_tell_glasses_apart():
    atoms = ase.Atoms("CuZr", positions=[[0, 0, 0], [1.0, 1.0, 1.0]], cell=[5.0] * 3, pbc=True)
    moved, other = atoms.copy(), atoms.copy()
    moved.positions[1, 2] += 1e-8
    other.symbols[0] = "Zr"
    assert len({fingerprint(atoms), fingerprint(moved), fingerprint(other)}) == 3
    assert fingerprint(atoms.copy()) == fingerprint(atoms)
