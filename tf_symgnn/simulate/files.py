"""Files of simulated glasses: extended XYZ whose comment line holds how the glass was made."""

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
    """Check that `write_glass` can write to a path, before a glass is made.

    Raises:
        InputError: the file exists, its suffix is not of extended XYZ, or its folder cannot be made.
    """
    if path.suffix.lower() not in EXTXYZ:
        expected = f"one of {', '.join(EXTXYZ)}, which hold how a glass was made"
        raise InputError(path, "suffix", path.suffix or "none", expected)
    check_output(path, overwrite=overwrite)


def write_glass(path: Path, glass: ase.Atoms, *, overwrite: bool = False) -> None:
    """Write a glass, its per-atom arrays and its `info` as extended XYZ.

    Raises:
        InputError: as `check_glass_output`.
    """
    check_glass_output(path, overwrite=overwrite)
    with replacing(path) as file:
        ase.io.write(file, glass, format="extxyz")


def label_files(
    files: Iterable[str], folder: Path, labelling: Labelling, *, processes: int, species: str | None = None
) -> dict[str, ase.Atoms]:
    """Label glasses one after another, without repeating searches that are in the journals.

    Args:
        files: structure files of glasses at their minima; of several frames the last is used.
        folder: receives `STEM.xyz` of each finished glass, in place of a former one, and its journal
            `STEM.searches.jsonl`.
        labelling: how barriers are found.
        processes: that search at the same time.
        species: chemical symbols of LAMMPS types, as in `Cu,Zr`.

    Returns:
        The labelled glasses by their stems.

    Raises:
        InputError: a file cannot be used, two share a stem, the output would replace a file that is not a labelled
            glass, or a glass cannot be labelled.
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
    """Raise InputError if a file exists that no labelling has written, such as the glass to label."""
    if not path.exists():
        return
    with as_input_error(path, "output", "a labelled glass, or another folder"):
        info = ase.io.read(path, format="extxyz").info
    if LABELLED_BY not in info:
        raise InputError(path, "output", "a file that is not a labelled glass", "another folder")


def _read(path: Path, species: str | None) -> ase.Atoms:
    """Return the glass in a file, with the `info` of the comment line of extended XYZ."""
    glass = read_glass(path, label=None, species=split_symbols(species))
    if not glass.pbc.all():
        raise InputError(path, "pbc", glass.pbc.tolist(), "a glass that is periodic in all directions")
    info = ase.io.read(path, format="extxyz").info if path.suffix.lower() in EXTXYZ else {}
    return ase.Atoms(glass.species, positions=glass.positions, cell=glass.cell, pbc=glass.pbc, info=info)
