"""Extended XYZ and LAMMPS' text formats, parsed by ASE.

Frames are cut out of the file here. So long trajectories are read one frame at a time, a count that a header declares
is held against the lines that are there before ASE makes arrays of that size, and a frame cut short is noticed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from pathlib import Path

import ase.io
import numpy as np

from tf_symgnn.data.columns import atom_count, find_label, name_types
from tf_symgnn.data.glass import Glass, place
from tf_symgnn.errors import InputError, as_input_error

_TIMESTEP = "ITEM: TIMESTEP"
_N_ATOMS = "ITEM: NUMBER OF ATOMS"
_BOX = "ITEM: BOX BOUNDS"
_ATOMS = "ITEM: ATOMS"
# Per-atom columns of a dump come back from ASE only under a prefix by which LAMMPS marks a variable's values.
_KEPT = "v_"


def read_extxyz(path: Path, label: str | None) -> Iterator[Glass]:
    """Every frame of an extended XYZ file.

    Raises:
        InputError: a frame cannot be used.
    """
    for frame, lines in _numbered(path, _xyz_frames(path)):
        where = place(path, frame)
        atoms = _parse(where, lines, "extxyz")
        # ASE takes some names of columns, as `energies`, for a calculator's results.
        columns = atoms.arrays | (atoms.calc.results if atoms.calc else {})
        yield Glass(
            positions=atoms.positions,
            cell=atoms.cell.array,
            pbc=atoms.pbc,
            species=np.array(atoms.get_chemical_symbols()),
            barrier=find_label(where, columns, label),
            source=path,
            frame=frame,
        )


def read_lammps_data(path: Path, label: str | None, species: Sequence[str] | None) -> Glass:
    """The glass of a LAMMPS data file in units of A; periodic and, as the format has no such column, unlabelled.

    Raises:
        InputError: the file cannot be used, its types are not named by `species`, or it is asked for a label.
    """
    with _open(path) as file:
        lines = file.readlines()
    for line in takewhile(lambda line: not line.lstrip().startswith("Atoms"), lines[1:]):
        declared = re.match(r"(.*)\s+atoms", line.partition("#")[0])
        if declared and atom_count(str(path), declared[1]) > len(lines):
            raise InputError(
                path, "Atoms", f"{len(lines)} lines in the file", f"{declared[1].strip()} atoms as declared"
            )
    atoms = _parse(str(path), lines, "lammps-data")
    return Glass(
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        # Never ASE's own symbols: it takes type 1 for hydrogen, or goes by the nearest mass.
        species=name_types(str(path), atoms.arrays["type"], species),
        barrier=find_label(str(path), {}, label),
        source=path,
    )


def read_lammps_dump(path: Path, label: str | None, species: Sequence[str] | None) -> Iterator[Glass]:
    """Every frame of a LAMMPS text dump in units of A, its atoms sorted by id.

    Raises:
        InputError: a frame cannot be used, or neither an `element` column nor `species` names its atoms.
    """
    for frame, lines in _numbered(path, _dump_frames(path)):
        where = place(path, frame)
        columns, rebuilt = _rebuild(where, lines, label)
        atoms = _parse(where, rebuilt, "lammps-dump-text")
        available = dict.fromkeys(columns)
        if label in available:
            available[label] = atoms.arrays[_KEPT + label]
        yield Glass(
            positions=atoms.positions,
            cell=atoms.cell.array,
            pbc=atoms.pbc,
            species=_dump_species(where, atoms, columns, species),
            barrier=find_label(where, available, label),
            source=path,
            frame=frame,
        )


def _open(path: Path) -> io.TextIOWrapper:
    # Comments may be in any encoding; what stands for unknown bytes fails later wherever it matters.
    return path.open(encoding="utf-8", errors="replace")


def _parse(where: str, lines: Sequence[str], format: str) -> ase.Atoms:
    with as_input_error(where, "content", f"a file that ASE reads as {format}"):
        return ase.io.read(io.StringIO("".join(lines)), format=format)


def _numbered(path: Path, frames: Iterator[list[str]]) -> Iterator[tuple[int | None, list[str]]]:
    """Frames with their indices, or with None where the file holds a single one."""
    first = next(frames, None)
    if first is None:
        raise InputError(path, "content", "no frame", "at least one")
    try:
        second = next(frames, None)
    except InputError:
        yield 0, first  # whole, whatever comes after it
        raise
    if second is None:
        yield None, first
        return
    yield 0, first
    yield 1, second
    yield from enumerate(frames, start=2)


def _xyz_frames(path: Path) -> Iterator[list[str]]:
    with _open(path) as file:
        for header in file:
            if not header.strip():
                continue
            count = atom_count(str(path), header)
            lines = list(islice(file, count + 1))
            if len(lines) != count + 1:
                raise InputError(path, "atoms", f"{max(len(lines) - 1, 0)} lines to the end of the file", count)
            yield [header, *lines]


def _dump_frames(path: Path) -> Iterator[list[str]]:
    frame: list[str] = []
    with _open(path) as file:
        for line in file:
            if line.startswith(_TIMESTEP):
                if frame:
                    yield frame
                frame = [line]
            elif frame:
                frame.append(line)
    if frame:
        yield frame


def _rebuild(where: str, lines: list[str], label: str | None) -> tuple[list[str], list[str]]:
    """The names of a dump frame's columns, and the frame for ASE: its count checked, its label column marked."""
    try:
        declared = lines[_find(lines, _N_ATOMS) + 1]
        box, header = _find(lines, _BOX), _find(lines, _ATOMS)
    except (StopIteration, IndexError) as error:
        raise InputError(where, "content", "an incomplete frame", f"{_N_ATOMS}, {_BOX} and {_ATOMS}") from error
    rows = [row for row in takewhile(lambda line: not line.startswith("ITEM:"), lines[header + 1 :]) if row.strip()]
    if len(rows) != atom_count(where, declared):
        raise InputError(where, "atoms", f"{len(rows)} rows", f"{declared.strip()} as declared")
    columns = lines[header].split()[2:]
    marked = " ".join(_KEPT + name if name == label else name for name in columns)
    # The count that was checked stands last before the atoms, so it is the one that ASE goes by.
    head = [*lines[:2], *lines[box : box + 4], f"{_N_ATOMS}\n", declared, f"{_ATOMS} {marked}\n"]
    return columns, head + rows


def _find(lines: list[str], item: str) -> int:
    return next(index for index, line in enumerate(lines) if line.startswith(item))


def _dump_species(where: str, atoms: ase.Atoms, columns: Sequence[str], species: Sequence[str] | None) -> np.ndarray:
    if "element" in columns:
        elements = np.array(atoms.get_chemical_symbols())
        # LAMMPS writes "C" for every type that its input does not name.
        if species and not set(elements.tolist()) <= set(species):
            found = ", ".join(sorted(set(elements.tolist())))
            raise InputError(where, "element", found, f"only {', '.join(species)}, as by --species")
        return elements
    if "type" not in columns:
        raise InputError(where, "columns", " ".join(columns), "type or element among them")
    return name_types(where, atoms.arrays["type"], species)
