"""All other formats that ASE reads: CIF, POSCAR, XDATCAR, ASE's trajectories and more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import ase.io
from ase.io.formats import ioformats

from tf_symgnn.data.glass import Glass, place
from tf_symgnn.data.opening import open_content, read_content, uncompressed_name
from tf_symgnn.data.options import ReadOptions
from tf_symgnn.errors import InputError, as_input_error

_CFG_COUNT = b"Number of particles ="  # of AtomEye's format
_MOST_COUNTS = 20
_LONGEST = 2**16  # bytes of a line that is looked at


def read_by_ase(path: Path, options: ReadOptions, format: str) -> Iterator[Glass]:
    """Yield the frames of a file that ASE reads.

    Args:
        path: the file.
        options: how it is read.
        format: the name of a format of ASE.

    Raises:
        InputError: ASE cannot read the file, or a frame is invalid.
    """
    frames = _frames(path, format)
    frame = next(frames, None)
    if frame is None:
        raise InputError(path, "content", "no frame", "at least one")
    index = 0
    while frame is not None:
        following = next(frames, None)
        number = None if not index and following is None else index
        yield _to_glass(frame, options, path, number)
        frame, index = following, index + 1


def _frames(path: Path, format: str) -> Iterator[ase.Atoms]:
    with ExitStack() as stack:
        source: str | BinaryIO | io.TextIOWrapper = str(path)
        if ioformats[format].acceptsfd:
            content = stack.enter_context(read_content(path))
            _require_rows_for_counts(path, content)
            binary = ioformats[format].isbinary
            source = content if binary else io.TextIOWrapper(content, encoding="utf-8-sig", errors="replace")
        elif uncompressed_name(path) != path.name:
            raise InputError(path, "file", f"compressed {format}", "a file of this format that is not compressed")
        else:
            open_content(path).close()  # checks that it is a regular file
        with as_input_error(path, "content", f"a file that ASE reads as {format}"):
            yield from ase.io.iread(source, index=slice(None), format=format, do_not_split_by_at_sign=True)


def _require_rows_for_counts(path: Path, content: BinaryIO) -> None:
    """Check that no line of whole numbers, such as counts of atoms, exceeds the file. ASE makes lists of such sizes.

    Raises:
        InputError: one does.
    """
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    for number, line in enumerate(iter(lambda: content.readline(_LONGEST), b"")):
        words = line.removeprefix(_CFG_COUNT).split()
        # The first line of most formats is a title. Few numbers are counts; many are data.
        if (
            (number or line.startswith(_CFG_COUNT))
            and 0 < len(words) <= _MOST_COUNTS
            and all(word.isdigit() for word in words)
        ):
            count = sum(int(word[:30]) for word in words)
            if count > size:
                raise InputError(
                    path, f"line {number + 1}", f"a count of {count}", f"at most {size}, the bytes of the file"
                )
    content.seek(0)


def _to_glass(atoms: ase.Atoms, options: ReadOptions, path: Path, frame: int | None) -> Glass:
    # ASE does not check all that it reads, such as atomic numbers.
    with as_input_error(place(path, frame), "content", "atoms with valid numbers"):
        glass = Glass.from_ase(atoms, label=options.label, pbc=options.pbc, source=path, frame=frame)
    return glass if options.keep_columns else replace(glass, columns={})
