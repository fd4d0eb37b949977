"""Time and memory of training steps on patches of a glass of a million atoms.

    python benchmarks/million_atoms.py

The published network on random points at the density of Cu64Zr36, with patch cores of 20 A and halos of 5 A. Prints a
Markdown table.
"""

from __future__ import annotations

import resource
import time
from dataclasses import replace

import numpy as np
import tensorflow as tf
from neighbor_list import random_points

from tf_symgnn.config import RunConfig
from tf_symgnn.data import label_scaling
from tf_symgnn.graph import SubsetStream, build_graph
from tf_symgnn.runs import configured_model
from tf_symgnn.training.regressor import BarrierRegressor

STEPS = 5


def main() -> None:
    """Measure each stage once."""
    glass = random_points(1_000_000)
    glass = replace(glass, barrier=np.random.default_rng(0).normal(1.7, 0.3, glass.n_atoms))
    print("| stage | seconds | peak memory so far (GB) |")
    print("|---|---|---|")
    start = time.perf_counter()

    def report(stage: str) -> None:
        nonlocal start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"| {stage} | {time.perf_counter() - start:.1f} | {memory:.1f} |", flush=True)
        start = time.perf_counter()

    graph = build_graph(glass, cutoff=5.0, self_loops=True)
    report(f"neighbor list, {graph.n_pairs:,} pairs")
    stream = SubsetStream([graph], patch_size=20.0, halo=5.0)
    report(f"division into {stream.n_subsets} patches")
    scaling = label_scaling([glass])
    regressor = BarrierRegressor(configured_model(RunConfig(model="symgnn"), (29, 40), scaling), scaling)
    regressor.compile(optimizer=tf.keras.optimizers.Adam(1e-3), weighted_metrics=[])
    batches = iter(stream.shuffled(seed=0, first_epoch=0, epochs=1))
    step = tf.function(regressor.train_step, input_signature=[stream.in_order().element_spec])
    step(next(batches))
    report("start-up and first step")
    for _ in range(STEPS):
        step(next(batches))
    report(f"{STEPS} more steps")


if __name__ == "__main__":
    main()
