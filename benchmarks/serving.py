"""Seconds of a served prediction from raw coordinates against the live model's, neighbour lists included.

    python benchmarks/serving.py --glass train0.pickle

Both predict the same glass in one process and by turns, so that whatever else the machine does falls on both alike: the
live model as `tf-symgnn predict` does, from `build_graph` on, and the export's `serving_default` from positions, cell,
pbc and atomic numbers. The network has the default size and weights as drawn, which cost what trained ones cost.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from tf_symgnn import runtime
from tf_symgnn.config import RunConfig
from tf_symgnn.data import LabelScaling, read_glass
from tf_symgnn.export.signatures import SERVING_DEFAULT, ServedModel
from tf_symgnn.graph import build_graph, neighbor_pairs
from tf_symgnn.inference import Predictor
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import configured_model

REPEATS = 7


def by_turns(ways: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each call of each way, after two to warm up."""
    seconds = {name: [] for name in ways}
    for k in range(REPEATS + 2):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if k >= 2:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Measures one glass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--glass", required=True, help="a structure file, of some 8000 atoms")
    glass = read_glass(parser.parse_args().glass)
    config = RunConfig(data="", run_dir="", model="symgnn")
    graph_settings = {"cutoff": config.graph.cutoff, "self_loops": config.graph.self_loops}
    runtime.configure(chunked=is_chunked(config.model))
    species = tuple(np.unique(glass.atomic_numbers).tolist())
    model = configured_model(config, species, LabelScaling(1.6, 0.3))
    live = Predictor(model)
    with tempfile.TemporaryDirectory() as folder:
        record, export = Path(folder) / "metadata.json", Path(folder) / "model"
        record.write_text("{}")
        serving = ServedModel(model, species=species, **graph_settings, metadata=record)
        tf.saved_model.save(serving, str(export), signatures=serving.signatures())
        loaded = tf.saved_model.load(str(export))
    inputs = {
        "positions": tf.constant(glass.positions, tf.float32),
        "cell": tf.constant(glass.cell, tf.float32),
        "pbc": tf.constant(glass.pbc),
        "atomic_numbers": tf.constant(glass.atomic_numbers),
    }
    pairs = tf.function(lambda *given: neighbor_pairs(*given, **graph_settings), autograph=False)
    ways = {
        "live model, neighbour list included": lambda: live(build_graph(glass, **graph_settings)),
        "served, neighbour list included": lambda: loaded.signatures[SERVING_DEFAULT](**inputs),
        "live model's neighbour list alone": lambda: build_graph(glass, **graph_settings),
        "served neighbour list alone": lambda: pairs(inputs["positions"], inputs["cell"], inputs["pbc"]),
    }
    difference = np.abs(ways["live model, neighbour list included"]() - [*ways.values()][1]()["energy_barrier"]).max()
    seconds = by_turns(ways)
    print(f"{glass.n_atoms} atoms, {REPEATS} turns, largest difference of predictions {difference:.1e} eV\n")
    print("| | median, s | fastest, s |\n|---|---|---|")
    for name, each in seconds.items():
        print(f"| {name} | {statistics.median(each):.3f} | {min(each):.3f} |")
    lived, served = (np.array(each) for each in [*seconds.values()][:2])
    ratio = statistics.median(served) / statistics.median(lived)
    print(f"| served / live | {ratio:.2f} | {min(served) / min(lived):.2f} |")


if __name__ == "__main__":
    main()
