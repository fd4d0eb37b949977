"""Opening of files of any format: regular ones only, decompressed, with a bound on what they inflate to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from tf_symgnn.data.limits import FREE_INFLATION, MAX_BLANK_LINES, MAX_CONTENT, MAX_INFLATION, MAX_LINE
from tf_symgnn.data.notices import notice
from tf_symgnn.errors import InputError

_INFLATE: dict[str, Callable[[BinaryIO], BinaryIO]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": lambda file: _Zstd(file),
}
COMPRESSIONS = tuple(_INFLATE)


def uncompressed_name(path: Path | str) -> str:
    """Return the name of a file without the suffix of its compression."""
    name = Path(path).name
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in COMPRESSIONS else name


def open_content(path: Path) -> BinaryIO:
    """Return the decompressed content of a file as a stream.

    Raises:
        InputError: the path is no regular file, cannot be read, or holds nothing. Reading raises it if the content is
            damaged or inflates by more than `MAX_INFLATION`.
    """
    try:
        # A FIFO without a writer would block.
        file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")
    except OSError as error:
        raise InputError(path, "file", error.strerror, "a readable file") from error
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a socket or a device"
        raise InputError(path, "file", kind, "a regular file")
    if not status.st_size:
        file.close()
        raise InputError(path, "file", "nothing in it", "a structure file")
    suffix = path.suffix.lower()
    if suffix not in _INFLATE:
        return file
    return io.BufferedReader(_Inflated(path, file, _INFLATE[suffix](file), status.st_size))


def read_content(path: Path) -> BinaryIO:
    """Return the content of a file as a stream that can be searched: the file, or what it inflates to, in memory.

    Raises:
        InputError: as `open_content`, or it inflates to more than `MAX_CONTENT`.
    """
    with open_content(path) as stream:
        if path.suffix.lower() not in _INFLATE:
            return path.open("rb")
        content = stream.read(MAX_CONTENT + 1)
    if len(content) > MAX_CONTENT:
        raise InputError(path, "file", f"more than {MAX_CONTENT} bytes", "less")
    return io.BytesIO(content)


class Lines:
    """The lines of a text file, of bounded length, without line ends.

    Comments may have any encoding: an undecodable byte is replaced, and fails to parse in other places. A byte-order
    mark is left out.

    Args:
        path: the file.

    Attributes:
        number: of lines that were returned.
    """

    def __init__(self, path: Path):
        self.path, self.number, self._ended, self._blank = path, 0, True, 0
        self._file = io.TextIOWrapper(open_content(path), encoding="utf-8-sig", errors="replace")
        self._returned: list[str] = []

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._returned:
            self.number += 1
            return self._returned.pop()
        line = self._file.readline(MAX_LINE)
        if not line:
            if not self._ended:
                notice(self.path, "end", "no line end after the last line", "the file may be cut short")
                self._ended = True
            raise StopIteration
        self._ended = line.endswith("\n")
        if not self._ended and len(line) == MAX_LINE:
            raise InputError(self.path, f"line {self.number + 1}", f"over {MAX_LINE} characters", "shorter lines")
        self.number += 1
        self._blank = 0 if line.strip() else self._blank + 1
        if self._blank > MAX_BLANK_LINES:
            raise InputError(self.path, f"line {self.number}", f"over {MAX_BLANK_LINES} blank lines", "fewer")
        return line.rstrip("\r\n")

    def has_more(self) -> bool:
        """Return whether there is another line that is not blank; blank ones before it are passed over."""
        line = next((line for line in self if line.strip()), None)
        if line is not None:
            self.push_back(line)
        return line is not None

    def push_back(self, line: str) -> None:
        """Return a line again, as the next one."""
        self._returned.append(line)
        self.number -= 1


class _Inflated(io.RawIOBase):
    """A stream of what a compressed file inflates to."""

    def __init__(self, path: Path, file: BinaryIO, inflated: BinaryIO, size: int):
        self._path, self._file, self._inflated, self._done = path, file, inflated, 0
        self._most = FREE_INFLATION + MAX_INFLATION * size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        try:
            content = self._inflated.read(len(buffer))
        except Exception as error:  # each library has its own, some of which derive from Exception alone
            raise InputError(self._path, "compression", error, f"a whole {self._path.suffix} file") from error
        self._done += len(content)
        if self._done > self._most:
            found = f"over {self._most} bytes when inflated"
            raise InputError(self._path, "compression", found, f"at most {MAX_INFLATION} times the size of the file")
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._inflated.close()
            self._file.close()
        super().close()


class _Zstd(io.RawIOBase):
    """The content of a zstd file. The library's own streams return the beginning of a truncated file as if whole."""

    _STEP = 1024  # compressed bytes, which inflate to 33 MB at most

    def __init__(self, file: BinaryIO):
        self._file, self._frame, self._inflated = file, None, b""

    def read(self, size: int) -> bytes:
        while not self._inflated:
            compressed = self._frame.unused_data if self._frame and self._frame.eof else b""
            compressed = compressed or self._file.read(self._STEP)
            if not compressed:
                if self._frame is None or not self._frame.eof:
                    raise EOFError("the file ends within a frame")
                return b""
            if self._frame is None or self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._inflated = self._frame.decompress(compressed)
        content, self._inflated = self._inflated[:size], self._inflated[size:]
        return content
