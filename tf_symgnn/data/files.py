"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Gives a path to write to and moves the file there over `path` once the block has succeeded.

    If the block fails, what it wrote is removed and `path` stays as it was. Parent folders are made. The path given
    lies in the same folder, is hidden, and has the same suffix.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not made by `tempfile`, whose files only their owner may read.
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        with naming(path):
            yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether a file has a name that `replacing` gives: one that was left by a process that was killed."""
    return re.fullmatch(r"\..+-[0-9a-f]{32}(\.[^.]+)?", path.name) is not None and path.is_file()


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Has an OSError of the block that names no file, as that of a full disk does not, name this one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
