"""Files that are written completely or not at all."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path to write to, and move the file there over `path` when the block has succeeded.

    If the block raises, the temporary file is removed and `path` stays as it was. Parent folders are made. The
    temporary file is in the same folder, is hidden, and has the same suffix.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # `tempfile` makes files that only their owner can read.
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        with naming(path):
            yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Return whether a file has a temporary name of `replacing`: a killed process leaves such files."""
    return re.fullmatch(r"\..+-[0-9a-f]{32}(\.[^.]+)?", path.name) is not None and path.is_file()


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Add a path to an OSError of the block that has none, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
