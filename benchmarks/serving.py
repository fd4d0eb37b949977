"""Time of a prediction by an exported SavedModel against one by the model in Python, including neighbor lists.

    python benchmarks/serving.py --glass train0.pickle

Both predict the same glass in one process and take turns, so that the load of the machine affects both equally. The
model in Python starts with `build_graph`, as `tf-symgnn predict` does. The export's `serving_default` starts with
positions, cell, pbc and atomic numbers. The network has the published size and its initial weights, on which the time
does not depend. Then copies of the export are loaded, and one of them again. Prints two Markdown tables.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from ase.data import chemical_symbols

from tf_symgnn import runtime
from tf_symgnn.config import RunConfig
from tf_symgnn.data import LabelScaling, read_glass
from tf_symgnn.export.exported import ExportedModel
from tf_symgnn.export.signatures import SERVING_DEFAULT, ServedModel
from tf_symgnn.graph import build_graph, neighbor_pairs
from tf_symgnn.inference import CompiledModel
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import configured_model

REPEATS = 7
COPIES = 5


def seconds_in_turn(functions: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return the seconds of each call of each function, without two rounds to warm up."""
    seconds = {name: [] for name in functions}
    for k in range(REPEATS + 2):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if k >= 2:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def resident() -> int:
    """Return the memory in use by this process, bytes, on Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def print_loads(export: Path, copies: list[Path]) -> None:
    """Print seconds and memory of loading each copy of an export, and the last one again."""
    print("| load | s | MB |\n|---|---|---|")
    for copy in copies:
        shutil.copytree(export, copy)
    for name, copy in [*zip(map(str, range(1, len(copies) + 1)), copies, strict=True), ("again", copies[-1])]:
        before, start = resident(), time.perf_counter()
        ExportedModel(copy)
        print(f"| {name} | {time.perf_counter() - start:.2f} | {(resident() - before) / 1e6:.0f} |")
    print()


def main() -> None:
    """Measure one glass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glass", required=True, help="structure file of about 8000 atoms")
    glass = read_glass(parser.parse_args().glass)
    config = RunConfig(model="symgnn")
    graph_settings = {"cutoff": config.graph.cutoff, "self_loops": config.graph.self_loops}
    runtime.configure(chunked=is_chunked(config.model))
    species = tuple(np.unique(glass.atomic_numbers).tolist())
    model = configured_model(config, species, LabelScaling(1.6, 0.3))
    live = CompiledModel(model)
    with tempfile.TemporaryDirectory() as folder:
        record, export = Path(folder) / "metadata.json", Path(folder) / "model"
        metadata = {"species": {chemical_symbols[number]: number for number in species}, "model": config.model}
        record.write_text(json.dumps(metadata))
        serving = ServedModel(model, species=species, **graph_settings, metadata=record)
        serving.save(export / "1")
        loaded = tf.saved_model.load(str(export / "1"))
        print_loads(export, [Path(folder) / f"copy-{k}" for k in range(COPIES)])
    inputs = {
        "positions": tf.constant(glass.positions, tf.float32),
        "cell": tf.constant(glass.cell, tf.float32),
        "pbc": tf.constant(glass.pbc),
        "atomic_numbers": tf.constant(glass.atomic_numbers),
    }
    pairs = tf.function(lambda *arrays: neighbor_pairs(*arrays, **graph_settings), autograph=False)
    functions = {
        "model in Python, with neighbor list": lambda: live(build_graph(glass, **graph_settings)),
        "export, with neighbor list": lambda: loaded.signatures[SERVING_DEFAULT](**inputs),
        "neighbor list in Python": lambda: build_graph(glass, **graph_settings),
        "neighbor list of the export": lambda: pairs(inputs["positions"], inputs["cell"], inputs["pbc"]),
    }
    in_python, by_export, *_ = functions.values()
    difference = np.abs(in_python() - by_export()["energy_barrier"]).max()
    seconds = seconds_in_turn(functions)
    print(f"{glass.n_atoms} atoms, {REPEATS} turns, largest difference of predictions {difference:.1e} eV\n")
    print("| | median, s | fastest, s |\n|---|---|---|")
    for name, each in seconds.items():
        print(f"| {name} | {statistics.median(each):.3f} | {min(each):.3f} |")
    python, export, *_ = seconds.values()
    ratio = statistics.median(export) / statistics.median(python)
    print(f"| export / Python | {ratio:.2f} | {min(export) / min(python):.2f} |")


if __name__ == "__main__":
    main()
