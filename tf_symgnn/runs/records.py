"""JSON records that hold their own checksum, and the lock of the process that writes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tf_symgnn.data import InputError, as_input_error, locked, replacing

CHECKSUM = "sha256"
# Hidden, so that it is not taken for a user's file. It stays, since removing it would let two processes hold two locks.
LOCK = ".lock"


def digest(record: dict) -> str:
    """Return the SHA-256 of a record's JSON form."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def write_record(path: Path, record: dict) -> None:
    """Write a record with its checksum as JSON, completely or not at all."""
    with replacing(path) as file:
        file.write_text(json.dumps(record | {CHECKSUM: digest(record)}, indent=2) + "\n")


def read_record(path: Path) -> dict:
    """Return a record that `write_record` wrote.

    Raises:
        InputError: it is damaged, or not one.
    """
    with as_input_error(path, "record", "the record that training wrote"):
        record = json.loads(path.read_text())
        if record.pop(CHECKSUM) != digest(record):
            raise InputError(path, "record", "another checksum", "the record that training wrote, unchanged")
    return record


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a run's folder, which is made if it is not there.

    Raises:
        InputError: another process trains in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LOCK).touch()
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / LOCK))
        except BlockingIOError as error:
            expected = "a folder in which no other process trains"
            raise InputError(folder, "run folder", "another training", expected) from error
        yield
