#!/usr/bin/env python3
"""Permutation test of a run's predictions on its validation glasses.

    python benchmarks/against_chance.py runs/first

Barriers are smooth in space, so a permutation of single labels would make any smooth prediction significant. This test
shifts all labels by a random vector instead: each atom gets the label of the atom nearest to its shifted position. The
script prints the Pearson correlation with the labels, its mean and standard deviation for 1000 shifts (seed 0), and the
fraction of shifts with at least the correlation of the labels.

The run's best epoch was chosen on validation. The test does not correct for this choice.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.spatial import cKDTree

from tf_symgnn import names
from tf_symgnn.data import Glass

N_SHIFTS = 1000


def shifted_labels(glass: Glass, rng: np.random.Generator) -> np.ndarray:
    """Return the labels f64[N] eV of a glass in an orthorhombic periodic cell, shifted by a random vector."""
    lengths = np.diag(glass.cell)
    positions = glass.positions % lengths
    tree = cKDTree(positions, boxsize=lengths)
    return glass.barrier[tree.query((positions + rng.random(3) * lengths) % lengths)[1]]


def main() -> None:
    """Print one line of results."""
    from tf_symgnn.inference import CompiledModel
    from tf_symgnn.runs import RunFolder, glass_graphs, read_labeled

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder")
    run = RunFolder.open(parser.parse_args().run)
    config = run.config()
    glasses = read_labeled(config, [names.VALIDATION])[names.VALIDATION]
    predict = CompiledModel(run.load_model(), patch_size=config.stream.patch_size)
    predicted = np.concatenate([predict(graph) for graph in glass_graphs(config, glasses)])
    rng = np.random.default_rng(0)
    labels = np.concatenate([glass.barrier for glass in glasses])
    pearson = np.corrcoef(predicted, labels)[0, 1]
    shifts = (np.concatenate([shifted_labels(glass, rng) for glass in glasses]) for _ in range(N_SHIFTS))
    chance = np.array([np.corrcoef(predicted, shifted)[0, 1] for shifted in shifts])
    print(
        f"Pearson {pearson:.3f}; with shifted labels {chance.mean():.3f} ± {chance.std():.3f}, "
        f"p = {np.mean(chance >= pearson):.3f} from {N_SHIFTS} shifts"
    )


if __name__ == "__main__":
    main()
