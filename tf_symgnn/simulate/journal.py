"""The journal of searches, from which a labelling continues after an interruption."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import TracebackType

import ase
import numpy as np

from tf_symgnn.data import InputError, replacing
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
        InputError: the file is of other settings, or damaged before its last line.
    """

    def __init__(self, path: Path, header: dict):
        self.path = path
        if not path.exists():
            with replacing(path) as file:
                file.write_text(json.dumps(header) + "\n")
        text = path.read_text()
        whole = text[: text.rfind("\n") + 1]  # a line that was cut short is dropped; its search is repeated
        self.searches = self._read(whole.splitlines(), header)
        self._file = path.open("r+")
        self._file.truncate(len(whole.encode()))
        self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, search: Search) -> None:
        """Append a search."""
        with naming(self.path):
            self._file.write(search.to_json() + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        self.searches.append(search)

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
