#!/usr/bin/env python3
"""Whether a run predicts its validation glasses better than chance, where chance has barriers as smooth as theirs.

    python benchmarks/against_chance.py runs/first

Barriers are a field, smooth in space: to deal them out to atoms at random would make any smooth prediction look good.
Chance is the same field moved by a random vector, each atom taking the barrier of the atom nearest to where it came
from. Prints the Pearson correlation, that with a thousand such fields (seed 0), and the share of these that are above.

Of the epochs of a run the best on validation was kept; what chance gains by that is not in the comparison.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.spatial import cKDTree

from tf_symgnn import names
from tf_symgnn.data import Glass

FIELDS = 1000


def moved(glass: Glass, rng: np.random.Generator) -> np.ndarray:
    """The barriers f64[N] of a glass in an orthorhombic periodic cell, moved by a random vector."""
    edges = np.diag(glass.cell)
    places = glass.positions % edges
    return glass.barrier[cKDTree(places, boxsize=edges).query((places + rng.random(3) * edges) % edges)[1]]


def main() -> None:
    """Prints one line."""
    from tf_symgnn.inference import Predictor
    from tf_symgnn.runs import RunFolder, glass_graphs, read_labeled

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder")
    run = RunFolder.open(parser.parse_args().run)
    config = run.config()
    glasses = read_labeled(config, [names.VALIDATION])[names.VALIDATION]
    predict = Predictor(run.load_model(), patch_size=config.stream.patch_size)
    predicted = np.concatenate([predict(graph) for graph in glass_graphs(config, glasses)])
    rng = np.random.default_rng(0)
    labels = np.concatenate([glass.barrier for glass in glasses])
    found = np.corrcoef(predicted, labels)[0, 1]
    fields = (np.concatenate([moved(glass, rng) for glass in glasses]) for _ in range(FIELDS))
    chance = np.array([np.corrcoef(predicted, field)[0, 1] for field in fields])
    print(
        f"Pearson {found:.3f}; with moved fields {chance.mean():.3f} ± {chance.std():.3f}, "
        f"{np.mean(chance >= found):.1%} of {FIELDS} as high"
    )


if __name__ == "__main__":
    main()
