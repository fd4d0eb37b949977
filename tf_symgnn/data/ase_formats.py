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
            binary = ioformats[format].isbinary
            source = content if binary else io.TextIOWrapper(content, encoding="utf-8-sig", errors="replace")
        elif uncompressed_name(path) != path.name:
            raise InputError(path, "file", f"compressed {format}", "a file of this format that is not compressed")
        else:
            open_content(path).close()  # checks that it is a regular file
        with as_input_error(path, "content", f"a file that ASE reads as {format}"):
            yield from ase.io.iread(source, index=slice(None), format=format, do_not_split_by_at_sign=True)


def _to_glass(atoms: ase.Atoms, options: ReadOptions, path: Path, frame: int | None) -> Glass:
    # ASE does not check all that it reads, such as atomic numbers.
    with as_input_error(place(path, frame), "content", "atoms with valid numbers"):
        glass = Glass.from_ase(atoms, label=options.label, pbc=options.pbc, source=path, frame=frame)
    return glass if options.keep_columns else replace(glass, columns={})
