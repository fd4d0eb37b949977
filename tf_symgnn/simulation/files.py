"""Simulated glasses as files: extended XYZ that says in its comment line how it was made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import ase
import ase.io

from tf_symgnn.config import split_symbols
from tf_symgnn.data import InputError, read_glass, replacing
from tf_symgnn.data.readers import EXTXYZ
from tf_symgnn.simulation.barriers import Labelling, label_glass


def write_glass(path: Path, glass: ase.Atoms, *, overwrite: bool = False) -> None:
    """Writes a glass, its per-atom arrays and its `info` as extended XYZ.

    Raises:
        InputError: the file exists.
    """
    if path.exists() and not overwrite:
        raise InputError(path, "output", "an existing file", "a new file, or --overwrite")
    with replacing(path) as file:
        ase.io.write(file, glass, format="extxyz")


def label_files(
    files: Iterable[str], folder: Path, labelling: Labelling, *, processes: int, species: str | None = None
) -> dict[str, ase.Atoms]:
    """Labels glasses one after another; searches that the folder has in a journal are not made again.

    Args:
        files: structure files of glasses at their minima; of several frames the last counts.
        folder: gets `STEM.xyz` of each when it is done, and `STEM.searches.jsonl`, the journal of its searches.
        labelling: how barriers are found.
        processes: that search at the same time.
        species: chemical symbols of LAMMPS types, as in `Cu,Zr`.

    Returns:
        The labelled glasses by their stems.

    Raises:
        InputError: a file cannot be used, two share a stem, or a glass cannot be labelled.
    """
    paths = [Path(file) for file in files]
    stems = [path.stem for path in paths]
    if len(set(stems)) < len(stems):
        raise InputError("command line", "files", ", ".join(map(str, paths)), "one file a stem")
    glasses = [_read(path, species) for path in paths]
    labelled = {}
    for path, stem, glass in zip(paths, stems, glasses, strict=True):
        journal = folder / f"{stem}.searches.jsonl"
        labelled[stem] = label_glass(glass, labelling, journal, processes=processes, source=path)
        write_glass(folder / f"{stem}.xyz", labelled[stem], overwrite=True)
    return labelled


def _read(path: Path, species: str | None) -> ase.Atoms:
    """The glass in a file, with the `info` of an extended XYZ file's comment line."""
    glass = read_glass(path, label=None, species=split_symbols(species))
    if not glass.pbc.all():
        raise InputError(path, "pbc", glass.pbc.tolist(), "a glass that is periodic in all directions")
    info = ase.io.read(path, format="extxyz").info if path.suffix.lower() in EXTXYZ else {}
    return ase.Atoms(glass.species, positions=glass.positions, cell=glass.cell, pbc=glass.pbc, info=info)
