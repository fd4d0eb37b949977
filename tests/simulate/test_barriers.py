"""Labels: the mean of distinct events, the same whatever the number of processes and however often it was killed."""

import json
import os
import signal
import subprocess
import sys
import time

import ase.io
import numpy as np
import pytest

from tf_symgnn.cli import main
from tf_symgnn.data import InputError, read_glass
from tf_symgnn.simulate import barriers
from tf_symgnn.simulate.barriers import EVENTS, SPREAD, Labelling, LabellingStopped, label_glass
from tf_symgnn.simulate.engine import Potential
from tf_symgnn.simulate.events import EVENT, Search
from tf_symgnn.simulate.files import write_glass
from tf_symgnn.simulate.saddles import SearchSettings


def events_of(path) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for line in path.read_text().splitlines()[1:]:
        search = Search.from_json(line)
        if search.outcome == EVENT:
            found.setdefault(search.atom, []).append(search.barrier)
    return found


def test_a_worker_ends_when_its_parent_is_killed():
    program = (
        "import multiprocessing; from tf_symgnn.simulate.barriers import _end_with_parent;"
        "multiprocessing.get_context('spawn').Process(target=_end_with_parent).start(); print('started', flush=True);"
        "import time; time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"started\n"
    parent.kill()
    parent.wait()
    assert parent.stdout.read() == b""  # the worker has the other end of the pipe, until it ends


@pytest.mark.slow
def test_labels_are_means_of_events_and_do_not_depend_on_processes_or_kills(small_glass, tmp_path):
    glass = tmp_path / "a.xyz"
    write_glass(glass, small_glass)
    once, pieces = tmp_path / "once", tmp_path / "pieces"
    command = ["simulate", "barriers", str(glass), "--events", "1", "--seed", "3"]
    assert main([*command, "--output", str(once)]) == 0

    journal = pieces / "a.searches.jsonl"
    program = [sys.executable, "-m", "tf_symgnn.cli", *command, "--output", str(pieces), "--processes", "2"]
    for how, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        # Of this process: one that has not started yet would not handle the signal.
        enough = journal.read_text().count("\n") + 3 if journal.exists() else 1 + 3
        # A shell that starts the tests in the background has them ignore SIGINT, and they pass this on.
        running = subprocess.Popen(
            program,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while not journal.exists() or journal.read_text().count("\n") < enough:
            assert running.poll() is None
            time.sleep(0.02)
        # SIGKILL of the program alone: its workers notice, and close their end of the pipe.
        (os.kill if how == signal.SIGKILL else os.killpg)(running.pid, how)
        told = running.communicate(timeout=120)[1]
        assert running.returncode == status
        assert "Traceback" not in told and (how == signal.SIGKILL or "the same command" in told)
        assert not (pieces / "a.xyz").exists()
    kept = journal.read_text().rpartition("\n")[0]
    subprocess.run(program, check=True, stderr=subprocess.DEVNULL)
    assert journal.read_text().startswith(kept)  # nothing was searched again

    labels, again = read_glass(once / "a.xyz"), read_glass(pieces / "a.xyz")
    np.testing.assert_array_equal(labels.barrier, again.barrier)
    events = events_of(journal)
    atoms = ase.io.read(pieces / "a.xyz")
    for atom in range(len(atoms)):
        assert again.barrier[atom] == pytest.approx(events[atom][0], abs=1e-6)
        assert atoms.arrays[EVENTS][atom] == 1 and atoms.arrays[SPREAD][atom] == 0
    assert atoms.info["events"] == 1 and atoms.info["search_seed"] == 3
    assert (again.barrier > 0).all()
    np.testing.assert_allclose(again.positions, small_glass.positions, atol=1e-7)


@pytest.mark.slow
def test_more_events_go_on_from_the_journal_of_fewer(small_glass, tmp_path):
    journal = tmp_path / "a.searches.jsonl"
    one = label_glass(small_glass, Labelling(events=1), journal)
    searches = journal.read_text()
    two = label_glass(small_glass, Labelling(events=2), journal)
    assert journal.read_text().startswith(searches)
    assert (two.arrays[EVENTS] == 2).all()
    first = one.arrays["energy_barrier"]
    spread = np.abs(two.arrays["energy_barrier"] - first)
    np.testing.assert_allclose(two.arrays[SPREAD], spread * np.sqrt(2), atol=1e-6)


def test_a_process_that_dies_is_told(small_glass, tmp_path, monkeypatch):
    monkeypatch.setattr(barriers, "_search", _die)
    with pytest.raises(LabellingStopped, match="ended by itself"):
        label_glass(small_glass, Labelling(), tmp_path / "a.searches.jsonl")


def _die(atom: int, number: int) -> None:
    os._exit(1)


def test_a_glass_that_is_not_at_rest_is_refused(small_glass, tmp_path):
    shaken = small_glass.copy()
    shaken.rattle(0.1, seed=0)
    journal = tmp_path / "a.searches.jsonl"
    with pytest.raises(InputError, match="forces: found up to"):
        label_glass(shaken, Labelling(), journal)
    assert not journal.exists()


def test_an_atom_without_an_event_keeps_a_nan_label(small_glass, tmp_path):
    journal = tmp_path / "a.searches.jsonl"
    labelling = Labelling(events=2, most_searches=1, search=SearchSettings(require_connected=True))
    labelled = label_glass(small_glass, labelling, journal)
    lines = journal.read_text().splitlines()
    header = json.loads(lines[0])
    assert header["seed"] == 0 and header["potential"] == ["eam/fs", Potential().digest()]
    assert len(lines) == 1 + len(small_glass)
    events = events_of(journal)
    assert 0 < len(events) < len(small_glass)
    for atom in range(len(small_glass)):
        found = events.get(atom, [])
        assert labelled.arrays[EVENTS][atom] == len(found)
        np.testing.assert_equal(labelled.arrays["energy_barrier"][atom], found[0] if found else np.nan)
