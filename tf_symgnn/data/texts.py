"""Extended XYZ and the text formats of LAMMPS, parsed by ASE.

The file is divided into frames here, so that a long trajectory is read one frame at a time. The number of atoms that a
header declares is compared with the lines of the frame before ASE makes arrays of that size.
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
# ASE returns per-atom columns of a dump only under the prefix of a LAMMPS variable.
_VARIABLE = "v_"


def read_extxyz(path: Path, label: str | None) -> Iterator[Glass]:
    """Yield the frames of an extended XYZ file.

    Raises:
        InputError: a frame is invalid.
    """
    for frame, lines in _numbered(path, _xyz_frames(path)):
        where = place(path, frame)
        atoms = _parse(where, lines, "extxyz")
        # ASE stores some columns, such as `energies`, as results of a calculator.
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
    """Return the glass of a LAMMPS data file in units of A. It is periodic; the format has no labels.

    Raises:
        InputError: the file is invalid, `species` does not name its types, or `label` is not the default or None.
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
        # ASE's symbols are wrong: it assigns hydrogen to type 1, or the element with the nearest mass.
        species=name_types(str(path), atoms.arrays["type"], species),
        barrier=find_label(str(path), {}, label),
        source=path,
    )


def read_lammps_dump(path: Path, label: str | None, species: Sequence[str] | None) -> Iterator[Glass]:
    """Yield the frames of a LAMMPS text dump in units of A, with atoms sorted by id.

    Raises:
        InputError: a frame is invalid, or neither an `element` column nor `species` names its atoms.
    """
    for frame, lines in _numbered(path, _dump_frames(path)):
        where = place(path, frame)
        columns, rebuilt = _rebuild(where, lines, label)
        atoms = _parse(where, rebuilt, "lammps-dump-text")
        available = dict.fromkeys(columns)
        if label in available:
            available[label] = atoms.arrays[_VARIABLE + label]
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
    # Comments may have any encoding. In other places the replacement of an undecodable byte fails to parse.
    return path.open(encoding="utf-8", errors="replace")


def _parse(where: str, lines: Sequence[str], format: str) -> ase.Atoms:
    with as_input_error(where, "content", f"a file that ASE reads as {format}"):
        return ase.io.read(io.StringIO("".join(lines)), format=format)


def _numbered(path: Path, frames: Iterator[list[str]]) -> Iterator[tuple[int | None, list[str]]]:
    """Yield frames with their indices, or with None where the file holds a single one."""
    first = next(frames, None)
    if first is None:
        raise InputError(path, "content", "no frame", "at least one")
    try:
        second = next(frames, None)
    except InputError:
        yield 0, first  # complete, although the next one is not
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
    """Return the column names of a dump frame, and its lines for ASE, with checked count and prefixed label column."""
    try:
        declared = lines[_find(lines, _N_ATOMS) + 1]
        box, header = _find(lines, _BOX), _find(lines, _ATOMS)
    except (StopIteration, IndexError) as error:
        raise InputError(where, "content", "an incomplete frame", f"{_N_ATOMS}, {_BOX} and {_ATOMS}") from error
    rows = [row for row in takewhile(lambda line: not line.startswith("ITEM:"), lines[header + 1 :]) if row.strip()]
    if len(rows) != atom_count(where, declared):
        raise InputError(where, "atoms", f"{len(rows)} rows", f"{declared.strip()} as declared")
    columns = lines[header].split()[2:]
    prefixed = " ".join(_VARIABLE + name if name == label else name for name in columns)
    # ASE uses the last count before the atoms, which is here the checked one.
    head = [*lines[:2], *lines[box : box + 4], f"{_N_ATOMS}\n", declared, f"{_ATOMS} {prefixed}\n"]
    return columns, head + rows


def _find(lines: list[str], item: str) -> int:
    return next(index for index, line in enumerate(lines) if line.startswith(item))


def _dump_species(where: str, atoms: ase.Atoms, columns: Sequence[str], species: Sequence[str] | None) -> np.ndarray:
    if "element" in columns:
        elements = np.array(atoms.get_chemical_symbols())
        # LAMMPS writes "C" for every type without a name.
        if species and not set(elements.tolist()) <= set(species):
            found = ", ".join(sorted(set(elements.tolist())))
            raise InputError(where, "element", found, f"only {', '.join(species)}, as by --species")
        return elements
    if "type" not in columns:
        raise InputError(where, "columns", " ".join(columns), "type or element among them")
    return name_types(where, atoms.arrays["type"], species)
