"""The journal of searches, from which a labelling continues after an interruption."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path
from types import TracebackType

import ase
import numpy as np

from tf_symgnn.data import InputError
from tf_symgnn.data.files import naming
from tf_symgnn.simulate.events import Search


def fingerprint(atoms: ase.Atoms) -> str:
    """Return a digest of species, positions and cell."""
    digest = hashlib.sha256()
    for array in (atoms.numbers, atoms.positions, atoms.cell.array):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


class Journal:
    """A file with a header line and one line per finished search, each on disk before the next.

    Args:
        path: the file; made if absent.
        header: the settings that all its searches have in common.

    Raises:
        InputError: the file is of other settings, is damaged before its last line, or another process writes it.
    """

    def __init__(self, path: Path, header: dict):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+")
        try:
            self._lock()
            self.searches = self._continue(json.dumps(header) + "\n", header)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, search: Search) -> None:
        """Append a search."""
        self._write(search.to_json() + "\n")
        self.searches.append(search)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            expected = "one process at a time that labels a glass"
            raise InputError(self.path, "journal", "another process that writes it", expected) from error
        except OSError:
            pass  # a file system without locks

    def _continue(self, first_line: str, header: dict) -> list[Search]:
        """Return the searches in the file, of which a line that was cut short is removed; its search is repeated."""
        self._file.seek(0)
        text = self._file.read()
        whole = text[: text.rfind("\n") + 1]
        if not whole and not first_line.startswith(text):
            raise InputError(self.path, "line 1", text[:40], "a search, as tf-symgnn writes it")
        self._file.truncate(len(whole.encode()))
        if whole:
            return self._read(whole.splitlines(), header)
        self._write(first_line)
        return []

    def _write(self, line: str) -> None:
        with naming(self.path):
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def _read(self, lines: list[str], header: dict) -> list[Search]:
        searches = []
        for number, line in enumerate(lines, start=1):
            try:
                stored = json.loads(line) if number == 1 else Search.from_json(line)
            except (ValueError, TypeError, AttributeError) as error:
                raise InputError(self.path, f"line {number}", error, "a search, as tf-symgnn writes it") from error
            if number > 1:
                searches.append(stored)
            elif stored != header:
                changed = [key for key in header if not isinstance(stored, dict) or stored.get(key) != header[key]]
                raise InputError(
                    self.path,
                    ", ".join(changed) or "header",
                    "other settings",
                    "those of this labelling, or a new folder",
                )
        return searches
