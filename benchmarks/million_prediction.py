"""Prediction of a glass of a million atoms within a budget of memory, against one of 8000 atoms predicted whole.

    python benchmarks/million_prediction.py [--atoms 1000000] [--memory 6GB] [--work FOLDER]

The default network with random weights, on random points at the density of Cu64Zr36 in an extended XYZ file. Prints a
Markdown table; a run that was killed goes on, and its table then lacks what was done before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import tensorflow as tf
from neighbor_list import random_points

from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, LabelScaling, read_glass, write_glasses
from tf_symgnn.graph import build_graph
from tf_symgnn.model.catalog import build_model, share_cores
from tf_symgnn.serving.layers import LayerFunctions
from tf_symgnn.serving.memory import cut_to_fit, parse_memory, peak_resident, require_room_to_read
from tf_symgnn.serving.partial import PartialPrediction, identity_of
from tf_symgnn.serving.prediction import predict_in_slabs
from tf_symgnn.training import Predictor

GRAPH = {"cutoff": 5.0, "self_loops": True}


class Stages:
    """Prints a row a stage: seconds, seconds of processor time, both an atom, and the peak of memory so far."""

    def __init__(self):
        print("| stage | seconds | processor seconds | microseconds an atom | processor | peak memory so far (GB) |")
        print("|---|---|---|---|---|---|", flush=True)
        self.start()

    def start(self) -> None:
        """Starts a stage."""
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def row(self, stage: str, n_atoms: int) -> None:
        """Ends a stage."""
        took = time.perf_counter() - self._wall, time.process_time() - self._processor
        an_atom = [f"{1e6 * seconds / n_atoms:.0f}" for seconds in took]
        peak = f"{peak_resident() / 1e9:.2f}"
        print(f"| {stage} | {' | '.join([*(f'{x:.1f}' for x in took), *an_atom, peak])} |", flush=True)
        self.start()


def main() -> None:
    """Measures each stage once, the small glass three times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--atoms", type=int, default=1_000_000)
    parser.add_argument("--memory", default="6GB")
    parser.add_argument("--work", type=Path, default=None)
    args = parser.parse_args()
    work = args.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    share_cores("symgnn")
    tf.keras.utils.set_random_seed(0)
    config = RunConfig(data="", run_dir="", model="symgnn")
    model = build_model(config, (29, 40), LabelScaling(1.6, 0.3))
    small, predict = random_points(8000), Predictor(model)
    predict(build_graph(small, **GRAPH))
    stages = Stages()
    for _ in range(3):
        predict(build_graph(small, **GRAPH))
        stages.row("8000 atoms, whole", small.n_atoms)
    path = make(args.atoms, work)
    stages.start()
    predict_file(model, config, path, parse_memory(args.memory), stages)


def make(n_atoms: int, work: Path) -> Path:
    """A file of a glass, made in a process of its own so that this one's memory is that of prediction."""
    path = work / f"random-{n_atoms}.xyz"
    if not path.exists():
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=write, args=(path, n_atoms))
        process.start()
        process.join()
    return path


def write(path: Path, n_atoms: int) -> None:
    """Writes the random glass."""
    write_glasses(path, [random_points(n_atoms)], overwrite=True)


def predict_file(model: tf.keras.Model, config: RunConfig, path: Path, memory: int, stages: Stages) -> Glass:
    """What `tf-symgnn predict --memory` does with a file, stage by stage."""
    require_room_to_read([path], memory)
    glass = read_glass(path)
    stages.row("reading", glass.n_atoms)
    layers = LayerFunctions(model)
    cut = cut_to_fit(glass, layers, memory, taken=peak_resident(), **GRAPH)
    stages.row(f"{cut.number} slabs, {cut.together} searched at once, for {cut.peak / 1e9:.2f} GB", glass.n_atoms)
    partial = PartialPrediction(
        path.with_suffix(".partial"), identity_of(glass, model, GRAPH), glass.n_atoms, overwrite=False
    )
    left = int((~partial.done).sum())
    predicted = replace(glass, barrier=predict_in_slabs(layers, config, glass, cut, partial))
    stages.row(f"prediction of {left}", max(left, 1))
    write_glasses(path.with_name("predicted.xyz"), [predicted], overwrite=True)
    stages.row("writing", glass.n_atoms)
    return predicted


if __name__ == "__main__":
    main()
