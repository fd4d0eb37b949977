"""Files that are written completely or not at all, and locks of the processes that write them."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tf_symgnn.errors import InputError


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path to write to, and move the file there over `path` when the block has succeeded.

    If the block raises, the temporary file is removed and `path` stays as it was. Parent folders are made. The
    temporary file is in the same folder, is hidden, and has the same suffix. The data are on disk before the file has
    its name, so that a power failure leaves the old file or the new one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # `tempfile` makes files that only their owner can read.
    temporary = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        with naming(path):
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            try:
                _try_lock(descriptor)
                yield temporary
                sync(temporary)
            finally:
                os.close(descriptor)
            os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Return whether a file has a temporary name of `replacing`: a killed process leaves such files."""
    return is_temporary(path) and path.is_file()


def is_temporary(path: Path | str) -> bool:
    """Return whether a path is a temporary name of `replacing`."""
    return re.fullmatch(r"\..+-[0-9a-f]{32}(\.[^.]+)?", Path(path).name) is not None


def require_writable(path: Path | str) -> None:
    """Check that a file can be made, before its content is computed; its folder need not exist yet.

    Raises:
        InputError: a folder on the way to it is a file, or nothing can be written there.
    """
    path = Path(path)
    try:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        # Permissions do not suffice: a file system may be read-only.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except NotADirectoryError as error:
        raise InputError(path, "output", "a file on the way to it", "a folder to write in") from error
    except OSError as error:
        raise InputError(path, "output", error.strerror, "a folder to write in") from error


def remove_unfinished(folder: Path, pattern: str | None = None) -> None:
    """Remove what killed processes left in a folder; what a running process holds locked stays.

    Args:
        folder: need not exist.
        pattern: of the names of temporary files or folders, for example `.export-*`; None for the files of `replacing`.
    """
    for path in sorted(folder.glob(pattern or ".*")) if folder.is_dir() else ():
        if pattern is None and not is_unfinished(path):
            continue
        with suppress(OSError), locked(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder while the block runs. The system releases it when the process ends.

    Raises:
        BlockingIOError: another process, or another block of this one, holds it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until a file, or the list of files in a folder, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do so for folders.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def file_digest(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Name a path in an OSError of the block that has none, such as that of a full disk, or that has a hidden one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        elif is_temporary(str(error.filename)):
            # An attribute that is set to None would be printed, too.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _try_lock(descriptor: int) -> None:
    """Lock a file where the file system has locks, so that `remove_unfinished` of another process leaves it."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
