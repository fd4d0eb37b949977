"""The folder of one explanation.

report.html   everything to look at, without a network
report.json   every figure
edges.csv     the most important pairs of each target by each method
atoms.xyz     extended XYZ with importance, target and predicted barrier of each atom
*.png         pictures
logs/         the same pictures for TensorBoard
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from pathlib import Path

import ase
import ase.io
import numpy as np
import tensorflow as tf
from ase.data import chemical_symbols

from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.explain.explain import ATTENTION, GRADIENTS, MASK, Explanation
from tf_symgnn.explain.faithfulness import IMPORTANT, top
from tf_symgnn.explain.figures import pictures
from tf_symgnn.explain.page import page
from tf_symgnn.training import plots

# What makes a folder an explanation that may be replaced.
REPORT = "report.json"


def check_folder(folder: str | Path, *, overwrite: bool) -> None:
    """Checks that `write_report` can write to a folder, before work is spent on what is to be written.

    Raises:
        InputError: it exists and `overwrite` is not set, or holds no explanation, or there is a file on the way to it.
    """
    folder = Path(folder)
    if folder.exists() and not (overwrite and (folder / REPORT).is_file()):
        expected = "an explanation to overwrite" if overwrite else "a new folder, or --overwrite"
        raise InputError(folder, "output", "an existing file or folder", expected)
    if any(parent.exists() and not parent.is_dir() for parent in folder.parents):
        raise InputError(folder, "output", "a file on the way to it", "a folder to write in")


def write_report(explanation: Explanation, folder: str | Path, *, overwrite: bool = False) -> None:
    """Writes an explanation's folder, whole or not at all.

    Raises:
        InputError: as `check_folder` does.
    """
    folder = Path(folder)
    check_folder(folder, overwrite=overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        new = Path(temporary) / "report"
        new.mkdir()
        _write_files(explanation, new)
        if folder.exists():
            shutil.move(folder, Path(temporary) / "old")
        new.rename(folder)


def _write_files(explanation: Explanation, folder: Path) -> None:
    drawn = pictures(explanation)
    writer = tf.summary.create_file_writer(str(folder / "logs"))
    with writer.as_default(step=0):
        for name, figure in drawn.items():
            plots.save(figure, folder / f"{name}.png")
            tf.summary.image(f"explanation/{name}", plots.as_image(figure))
    writer.close()
    _write_edges(explanation, folder / "edges.csv")
    ase.io.write(folder / "atoms.xyz", _atoms(explanation), format="extxyz")
    (folder / "report.html").write_text(page(explanation), encoding="utf-8")
    (folder / REPORT).write_text(json.dumps(explanation.figures, indent=1) + "\n")


def _write_edges(explanation: Explanation, path: Path) -> None:
    """Of each target, the pairs among the most important ones of any method; contributions are in eV."""
    methods = [name for name in (MASK, GRADIENTS, ATTENTION) if name in explanation.importance]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        columns = ["target", "receiver", "sender", "dx", "dy", "dz", "length", "distance_from_target", "important"]
        rows.writerow(columns + [name.replace(" ", "_") for name in methods])
        for k, neighbourhood in enumerate(explanation.neighbourhoods):
            values = [explanation.importance[name][k] for name in methods]
            chosen = [top(neighbourhood, np.abs(x), IMPORTANT) for x in values]
            important = set(explanation.important[k].tolist())
            graph, atoms, distance = neighbourhood.graph, neighbourhood.atoms, neighbourhood.distance
            for e in np.unique(np.concatenate(chosen)).tolist():
                moved = graph.displacement[e]
                rows.writerow(
                    [neighbourhood.target, atoms[graph.target[e]], atoms[graph.source[e]]]
                    + [f"{x:.4f}" for x in (*moved, np.linalg.norm(moved), distance[e])]
                    + [int(e in important), *(f"{x[e]:.6g}" for x in values)]
                )


def _atoms(explanation: Explanation) -> ase.Atoms:
    """The glass, each atom with the masks of the important pairs that it is an end of, summed over targets."""
    graph = explanation.graph
    importance, target = np.zeros(graph.n_atoms), np.zeros(graph.n_atoms, int)
    for neighbourhood, pairs, mask in zip(
        explanation.neighbourhoods, explanation.important, explanation.masks.importance, strict=True
    ):
        target[neighbourhood.target] = 1
        for ends in (neighbourhood.graph.source, neighbourhood.graph.target):
            np.add.at(importance, neighbourhood.atoms[ends[pairs]], mask[pairs])
    symbols = [chemical_symbols[z] for z in graph.atomic_numbers]
    atoms = ase.Atoms(symbols, positions=graph.positions, cell=graph.cell, pbc=graph.pbc)
    atoms.set_array("importance", importance)
    atoms.set_array("target", target)
    atoms.set_array(names.ENERGY_BARRIER, explanation.barrier)
    return atoms
