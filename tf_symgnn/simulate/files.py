"""Files of simulated glasses: extended XYZ whose comment line holds how the glass was made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import ase
import ase.io

from tf_symgnn.data import (
    InputError,
    ReadOptions,
    as_input_error,
    check_output,
    read_last_frame,
    replacing,
    stem_of,
)
from tf_symgnn.data.extxyz import read_info
from tf_symgnn.data.formats import EXTXYZ, find_format
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
    files: Iterable[str],
    folder: Path,
    labelling: Labelling,
    *,
    processes: int,
    options: ReadOptions | None = None,
) -> dict[str, ase.Atoms]:
    """Label glasses one after another, without repeating searches that are in the journals.

    Args:
        files: structure files of glasses at their minima; of several frames the last is used.
        folder: receives `STEM.xyz` of each finished glass, in place of a former one, and its journal
            `STEM.searches.jsonl`.
        labelling: how barriers are found.
        processes: that search at the same time.
        options: how files are read; labels are not.

    Returns:
        The labelled glasses by their stems.

    Raises:
        InputError: a file cannot be used, two share a stem, the output would replace a file that is not a labelled
            glass, or a glass cannot be labelled.
    """
    paths = [Path(file) for file in files]
    stems = [stem_of(path) for path in paths]
    options = replace(options or ReadOptions(), label=None)
    if len(set(stems)) < len(stems):
        raise InputError("command line", "files", ", ".join(map(str, paths)), "one file a stem")
    glasses = [read_to_label(path, options) for path in paths]
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


def read_to_label(path: Path, options: ReadOptions) -> ase.Atoms:
    """Return the glass in a file with its ids, and in `info` how it was made, its origin and its time step.

    Raises:
        InputError: the file is invalid, or the glass is not periodic in all directions.
    """
    glass = read_last_frame(path, options)
    if not glass.pbc.all():
        raise InputError(path, "pbc", glass.pbc.tolist(), "a glass that is periodic in all directions")
    info = read_info(path) if find_format(path, options.format) == "extxyz" else {}
    if glass.origin.any():
        info["Origin"] = glass.origin
    if glass.step is not None:
        info["Timestep"] = glass.step
    atoms = ase.Atoms(glass.species, positions=glass.positions, cell=glass.cell, pbc=glass.pbc, info=info)
    if glass.ids is not None:
        atoms.set_array("id", glass.ids)
    return atoms
