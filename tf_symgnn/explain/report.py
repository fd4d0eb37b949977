"""Write the folder of an explanation.

report.html   page for a browser, which needs no network
report.json   all results
edges.csv     most important pairs of each center (column `target`), by method
atoms.xyz     extended XYZ with the importance, the predicted barrier, its contributions (eV) and, as `target`, whether
              it is a center, per atom
*.png         plots
logs/         the same plots for TensorBoard
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
from tf_symgnn.data import Glass, InputError
from tf_symgnn.explain.explain import ATTENTION, GRADIENTS, MASK, Explanation
from tf_symgnn.explain.faithfulness import IMPORTANT, most_important
from tf_symgnn.explain.figures import plots_of
from tf_symgnn.explain.page import page
from tf_symgnn.training import plots

# A folder with this file is an explanation and may be replaced.
REPORT = "report.json"


def check_folder(folder: str | Path, *, overwrite: bool) -> None:
    """Check that `write_report` can write to a folder, before the explanation is computed.

    Args:
        folder: the folder to write.
        overwrite: whether an explanation in the folder may be replaced.

    Raises:
        InputError: the folder exists and may not be replaced, or one of its parents is a file.
    """
    folder = Path(folder)
    if folder.exists() and not (overwrite and (folder / REPORT).is_file()):
        expected = "an explanation to overwrite" if overwrite else "a new folder, or --overwrite"
        raise InputError(folder, "output", "an existing file or folder", expected)
    if any(parent.exists() and not parent.is_dir() for parent in folder.parents):
        raise InputError(folder, "output", "a file on the way to it", "a folder")


def write_report(
    explanation: Explanation, folder: str | Path, *, glass: Glass | None = None, overwrite: bool = False
) -> None:
    """Write the folder of an explanation, whole or not at all.

    Args:
        explanation: the explanation.
        folder: the folder to write.
        glass: that was explained, whose origin, ids and exact positions are written; None writes those of the graph.
        overwrite: whether an explanation in the folder may be replaced.

    Raises:
        InputError: as `check_folder` does.
    """
    folder = Path(folder)
    check_folder(folder, overwrite=overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        new = Path(temporary) / "report"
        new.mkdir()
        _write_files(explanation, new, glass)
        if folder.exists():
            shutil.move(folder, Path(temporary) / "old")
        new.rename(folder)


def _write_files(explanation: Explanation, folder: Path, glass: Glass | None) -> None:
    figures = plots_of(explanation)
    writer = tf.summary.create_file_writer(str(folder / "logs"))
    with writer.as_default(step=0):
        for name, figure in figures.items():
            plots.save(figure, folder / f"{name}.png")
            tf.summary.image(f"explanation/{name}", plots.as_image(figure))
    writer.close()
    _write_edges(explanation, folder / "edges.csv")
    ase.io.write(folder / "atoms.xyz", _atoms(explanation, glass), format="extxyz")
    (folder / "report.html").write_text(page(explanation, figures), encoding="utf-8")
    (folder / REPORT).write_text(json.dumps(explanation.figures, indent=1) + "\n")


def _write_edges(explanation: Explanation, path: Path) -> None:
    """Write the pairs of each center that are among the most important of any method; contributions are in eV."""
    methods = [name for name in (MASK, GRADIENTS, ATTENTION) if name in explanation.importance]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        columns = ["target", "receiver", "sender", "dx", "dy", "dz", "length", "distance_from_target", "important"]
        rows.writerow(columns + [name.replace(" ", "_") for name in methods])
        for k, neighborhood in enumerate(explanation.neighborhoods):
            values = [explanation.importance[name][k] for name in methods]
            selections = [most_important(neighborhood, np.abs(x), IMPORTANT) for x in values]
            important = set(explanation.important[k].tolist())
            graph, atoms, distance = neighborhood.graph, neighborhood.atoms, neighborhood.distance
            for e in np.unique(np.concatenate(selections)).tolist():
                displacement = graph.displacement[e]
                rows.writerow(
                    [neighborhood.center, atoms[graph.target[e]], atoms[graph.source[e]]]
                    + [f"{x:.4f}" for x in (*displacement, np.linalg.norm(displacement), distance[e])]
                    + [int(e in important), *(f"{x[e]:.6g}" for x in values)]
                )


def _atoms(explanation: Explanation, glass: Glass | None) -> ase.Atoms:
    """Return the glass; the importance of an atom is the sum of the masks of its important pairs, over all centers."""
    graph = explanation.graph
    importance, is_center = np.zeros(graph.n_atoms), np.zeros(graph.n_atoms, int)
    for neighborhood, pairs, mask in zip(
        explanation.neighborhoods, explanation.important, explanation.masks.importance, strict=True
    ):
        is_center[neighborhood.center] = 1
        for ends in (neighborhood.graph.source, neighborhood.graph.target):
            np.add.at(importance, neighborhood.atoms[ends[pairs]], mask[pairs])
    symbols = [chemical_symbols[z] for z in graph.atomic_numbers]
    source = graph if glass is None else glass
    atoms = ase.Atoms(symbols, positions=source.positions, cell=source.cell, pbc=source.pbc)
    if glass is not None and glass.origin.any():
        atoms.info["Origin"] = glass.origin
    if glass is not None and glass.ids is not None:
        atoms.set_array("id", glass.ids)
    atoms.set_array("importance", importance)
    atoms.set_array("target", is_center)
    atoms.set_array(names.ENERGY_BARRIER, explanation.barrier)
    columns = {"contribution": explanation.terms.contributions, "deviation": explanation.terms.deviations}
    for kind, by_name in columns.items():
        for name, values in by_name.items():
            atoms.set_array(f"{kind}_{name.replace(' ', '_')}", values)
    return atoms
