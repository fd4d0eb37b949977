"""Progress bars on a terminal and in a log."""

import io
import sys

import pytest
from tqdm import tqdm

from tf_symgnn import progress
from tf_symgnn.progress import progress_bar


def log_in(monkeypatch):
    """Return the log that takes the place of standard error, which pytest replaces before each test."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    return sys.stderr


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose only member is the time in seconds, which bars measure minutes by."""
    now = [1000.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def run(clock, seconds):
    with progress_bar(unit="step", total=100, title="fit") as bar:
        bar.mininterval = 0.0
        for _ in range(100):
            clock[0] += seconds / 100
            bar.update()
            tqdm.write("an epoch", io.StringIO())


def test_a_log_has_one_line_a_minute_and_one_at_the_end(clock, monkeypatch):
    log = log_in(monkeypatch)
    run(clock, 300.0)
    lines = log.getvalue().splitlines()
    assert len(lines) == 6 and "\r" not in log.getvalue()
    assert [line[:8] for line in lines] == ["fit:  20", "fit:  40", "fit:  60", "fit:  80", "fit: 100", "fit: 100"]
    assert all("/100 [" in line and "step" in line and "#" not in line and "█" not in line for line in lines)


def test_a_log_has_no_line_of_less_than_a_minute(clock, monkeypatch):
    log = log_in(monkeypatch)
    run(clock, 50.0)
    assert list(progress_bar([1, 2], unit="glass")) == [1, 2]
    assert log.getvalue() == ""


def test_a_terminal_has_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress_bar([1, 2], unit="glass")) == [1, 2]
    assert "\r" in sys.stderr.getvalue() and "2/2" in sys.stderr.getvalue()


def test_a_disabled_bar_shows_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress_bar([1, 2], unit="glass", disable=True)) == [1, 2]
    assert sys.stderr.getvalue() == ""
