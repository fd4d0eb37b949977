"""All other formats that ASE reads: CIF, POSCAR, XDATCAR, ASE's trajectories and more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import ase.io
import numpy as np
from ase.io.formats import ioformats

from tf_symgnn.data.columns import events_column, label_column
from tf_symgnn.data.frames import Frame, to_glass
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
        yield to_glass(_found(place(path, number), frame, options), options, path, number)
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


def _found(where: str, atoms: ase.Atoms, options: ReadOptions) -> Frame:
    # ASE does not check all that it reads, such as atomic numbers.
    with as_input_error(where, "content", "atoms with valid numbers"):
        return _to_frame(where, atoms, options)


def _to_frame(where: str, atoms: ase.Atoms, options: ReadOptions) -> Frame:
    # ASE stores some columns, such as `energies`, as results of a calculator.
    results = atoms.calc.results if atoms.calc else {}
    columns = {name: array for name, array in (atoms.arrays | results).items() if np.shape(array)[:1] == (len(atoms),)}
    columns = {name: array for name, array in columns.items() if name not in ("numbers", "positions")}
    label, events = label_column(where, columns, options.label), events_column(columns, options.label)
    ids = columns.pop("id", None)
    step = atoms.info.get("timestep")
    return Frame(
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        origin=atoms.get_celldisp().ravel(),
        species=np.array(atoms.get_chemical_symbols()),
        barrier=columns.get(label),
        events=columns.get(events),
        ids=ids if ids is not None and ids.dtype.kind == "i" else None,
        step=int(step) if isinstance(step, (int, np.integer)) else None,
        columns={name: array for name, array in columns.items() if np.asarray(array).dtype.kind in "biufU"},
    )
