"""Time and memory of `predict --memory` for a million atoms, against a glass of 8000 atoms predicted whole.

    python benchmarks/million_prediction.py [--model NAME] [--glass FILE] [--atoms 1000000] [--memory 6GB] [--work DIR]

The model has its default size and its initial weights. The large glass is an extended XYZ file of copies of `--glass`
along each cell vector, in which every atom is displaced at random. Without `--glass`, it consists of random points at
the density of Cu64Zr36. Prints a Markdown table. A killed run continues; its table has only the stages after the kill.
`TF_ENABLE_ONEDNN_OPTS=0` leaves out oneDNN, as the command line does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from neighbor_list import random_points

from tf_symgnn import runtime
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, LabelScaling, read_glass, write_glasses
from tf_symgnn.graph import build_graph
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.inference import CompiledModel
from tf_symgnn.inference.files import predict_in_slabs
from tf_symgnn.inference.memory import cut_to_fit, parse_memory, peak_resident, require_room_to_read
from tf_symgnn.inference.partial import PartialPrediction, identity_of
from tf_symgnn.inference.stage_functions import StageFunctions
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import configured_model

GRAPH = {"cutoff": 5.0, "self_loops": True}
JITTER = 0.1  # A, standard deviation along each axis


class Stages:
    """Prints one row per stage: wall-clock and processor time, in seconds and per atom, and the peak memory so far."""

    def __init__(self):
        print("| stage | seconds | processor seconds | microseconds per atom | processor | peak memory so far (GB) |")
        print("|---|---|---|---|---|---|", flush=True)
        self.start()

    def start(self) -> None:
        """Start the clocks of a stage."""
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def row(self, stage: str, n_atoms: int) -> None:
        """Print the row of the stage that ends, and start the next one."""
        elapsed = time.perf_counter() - self._wall, time.process_time() - self._processor
        per_atom = [f"{1e6 * seconds / n_atoms:.0f}" for seconds in elapsed]
        peak = f"{peak_resident() / 1e9:.2f}"
        print(f"| {stage} | {' | '.join([*(f'{x:.1f}' for x in elapsed), *per_atom, peak])} |", flush=True)
        self.start()


def main() -> None:
    """Measure each stage once, the small glass three times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=RunConfig.model)
    parser.add_argument("--glass", type=Path, default=None, help="structure file of the small glass, which is repeated")
    parser.add_argument("--atoms", type=int, default=1_000_000, help="approximate number, in whole copies of the glass")
    parser.add_argument("--memory", default="6GB")
    parser.add_argument("--work", type=Path, default=None)
    args = parser.parse_args()
    work = args.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    # Each process has a peak memory of its own.
    in_process(predict_whole, args.model, args.glass)
    path = work / f"{args.glass.stem if args.glass else 'random'}-{args.atoms}.xyz"
    if not path.exists():
        in_process(write, path, args.glass, args.atoms)
    predict_file(random_model(args.model), path, parse_memory(args.memory), Stages())


def in_process(function: Callable[..., None], *arguments) -> None:
    """Call a function in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def random_model(name: str) -> BarrierModel:
    """Return a model with its initial weights."""
    runtime.configure(chunked=is_chunked(name))
    tf.keras.utils.set_random_seed(0)
    return configured_model(RunConfig(model=name), (29, 40), LabelScaling(1.6, 0.3))


def predict_whole(name: str, glass: Path | None) -> None:
    """Measure the small glass three times."""
    small, predict = make_glass(glass, 8000), CompiledModel(random_model(name))
    predict(build_graph(small, **GRAPH))
    stages = Stages()
    for _ in range(3):
        predict(build_graph(small, **GRAPH))
        stages.row(f"{small.n_atoms} atoms, whole", small.n_atoms)


def write(path: Path, glass: Path | None, n_atoms: int) -> None:
    """Write the large glass."""
    write_glasses(path, [make_glass(glass, n_atoms)], overwrite=True)


def make_glass(glass: Path | None, n_atoms: int) -> Glass:
    """Return a glass of about `n_atoms` atoms: copies of a structure file, or random points without one."""
    if glass is None:
        return random_points(n_atoms)
    one = read_glass(glass)
    copies = max(1, round((n_atoms / one.n_atoms) ** (1 / 3)))
    return repeated(one, copies) if copies > 1 else one


def repeated(glass: Glass, copies: int) -> Glass:
    """Return copies of a glass along each cell vector, with randomly displaced atoms."""
    shifts = np.stack(np.meshgrid(*[np.arange(copies)] * 3, indexing="ij"), -1).reshape(-1, 1, 3) @ glass.cell
    positions = (shifts + glass.positions).reshape(-1, 3)
    positions += np.random.default_rng(0).normal(0, JITTER, positions.shape)
    species = np.tile(glass.species, copies**3)
    return Glass(positions, copies * glass.cell, glass.pbc, species, None, f"{glass.name}-{copies}.xyz")


def predict_file(model: BarrierModel, path: Path, memory: int, stages: Stages) -> Glass:
    """Do what `tf-symgnn predict --memory` does with a file, print a row per stage, and return the prediction."""
    require_room_to_read([path], memory)
    glass = read_glass(path)
    stages.row("reading", glass.n_atoms)
    functions = StageFunctions(model)
    cut = cut_to_fit(glass, functions, memory, taken=peak_resident(), **GRAPH)
    slabs = f"{cut.n_slabs} slabs, {cut.slabs_per_search} searched at once, for {cut.peak_bytes / 1e9:.2f} GB"
    stages.row(slabs, glass.n_atoms)
    partial = PartialPrediction(
        path.with_suffix(".partial"), identity_of(glass, model, GRAPH), glass.n_atoms, overwrite=False
    )
    left = int((~partial.done).sum())
    slabbed = SlabbedGlass(glass, **GRAPH, number=cut.n_slabs)
    barrier = predict_in_slabs(functions, slabbed, partial, slabs_per_search=cut.slabs_per_search)
    predicted = replace(glass, barrier=barrier)
    stages.row(f"prediction of {left}", max(left, 1))
    write_glasses(path.with_name("predicted.xyz"), [predicted], overwrite=True)
    stages.row("writing", glass.n_atoms)
    return predicted


if __name__ == "__main__":
    main()
