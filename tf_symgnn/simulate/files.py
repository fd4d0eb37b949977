"""Simulated glasses as files: extended XYZ that says in its comment line how it was made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import ase
import ase.io

from tf_symgnn.config import split_symbols
from tf_symgnn.data import InputError, as_input_error, check_output, read_glass, replacing
from tf_symgnn.data.readers import EXTXYZ
from tf_symgnn.simulate.barriers import LABELLED_BY, Labelling, label_glass


def check_glass_output(path: Path, *, overwrite: bool) -> None:
    """Checks that `write_glass` can write to a path, before a glass is made.

    Raises:
        InputError: the file exists, is no extended XYZ, or its folder cannot be one.
    """
    if path.suffix.lower() not in EXTXYZ:
        expected = f"one of {', '.join(EXTXYZ)}, which say how a glass was made"
        raise InputError(path, "suffix", path.suffix or "none", expected)
    check_output(path, overwrite=overwrite)


def write_glass(path: Path, glass: ase.Atoms, *, overwrite: bool = False) -> None:
    """Writes a glass, its per-atom arrays and its `info` as extended XYZ.

    Raises:
        InputError: as `check_glass_output`.
    """
    check_glass_output(path, overwrite=overwrite)
    with replacing(path) as file:
        ase.io.write(file, glass, format="extxyz")


def label_files(
    files: Iterable[str], folder: Path, labelling: Labelling, *, processes: int, species: str | None = None
) -> dict[str, ase.Atoms]:
    """Labels glasses one after another; searches that the folder has in a journal are not made again.

    Args:
        files: structure files of glasses at their minima; of several frames the last counts.
        folder: gets `STEM.xyz` of each when it is done, in place of a former one, and `STEM.searches.jsonl`, the
            journal of its searches.
        labelling: how barriers are found.
        processes: that search at the same time.
        species: chemical symbols of LAMMPS types, as in `Cu,Zr`.

    Returns:
        The labelled glasses by their stems.

    Raises:
        InputError: a file cannot be used, two share a stem, a labelled glass would take the place of what is none, or
            a glass cannot be labelled.
    """
    paths = [Path(file) for file in files]
    stems = [path.stem for path in paths]
    if len(set(stems)) < len(stems):
        raise InputError("command line", "files", ", ".join(map(str, paths)), "one file a stem")
    glasses = [_read(path, species) for path in paths]
    for stem in stems:
        _refuse_unlabelled(folder / f"{stem}.xyz")
    labelled = {}
    for path, stem, glass in zip(paths, stems, glasses, strict=True):
        journal = folder / f"{stem}.searches.jsonl"
        labelled[stem] = label_glass(glass, labelling, journal, processes=processes, source=path)
        write_glass(folder / f"{stem}.xyz", labelled[stem], overwrite=True)
    return labelled


def _refuse_unlabelled(path: Path) -> None:
    """Raises InputError where a file is there that no labelling has written, such as the glass to label."""
    if not path.exists():
        return
    with as_input_error(path, "output", "a labelled glass, or another folder"):
        info = ase.io.read(path, format="extxyz").info
    if LABELLED_BY not in info:
        raise InputError(path, "output", "a file that is no labelled glass", "another folder")


def _read(path: Path, species: str | None) -> ase.Atoms:
    """The glass in a file, with the `info` of an extended XYZ file's comment line."""
    glass = read_glass(path, label=None, species=split_symbols(species))
    if not glass.pbc.all():
        raise InputError(path, "pbc", glass.pbc.tolist(), "a glass that is periodic in all directions")
    info = ase.io.read(path, format="extxyz").info if path.suffix.lower() in EXTXYZ else {}
    return ase.Atoms(glass.species, positions=glass.positions, cell=glass.cell, pbc=glass.pbc, info=info)
