#!/usr/bin/env python3
"""Pearson correlations of ridge regressions on descriptors of the structure and of a potential.

    python benchmarks/linear_part.py cu64zr36
    python benchmarks/linear_part.py cu64zr36 --potential CuZr_2009.eam.fs --glasses 3

Prints a table: training glasses left out in turn (their mean), validation and test. Without a potential its only row is
the regression of the default model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tf_symgnn import names
from tf_symgnn.compare.table import markdown_row
from tf_symgnn.config import RunConfig
from tf_symgnn.data import label_scaling
from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.models.base import create_weights
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.potentials.response import DESCRIPTORS
from tf_symgnn.runs import configured_potential, glass_graphs, read_labeled

SPECTRA = "power spectra"
# Whether a row has power spectra, and its columns of descriptors from the potential.
ROWS = {
    SPECTRA: (True, ()),
    f"{SPECTRA} and energy": (True, (DESCRIPTORS.index("energy"),)),
    f"{SPECTRA} and harmonic response": (True, tuple(range(2, len(DESCRIPTORS)))),
    f"{SPECTRA} and all {len(DESCRIPTORS)} quantities": (True, tuple(range(len(DESCRIPTORS)))),
    f"{len(DESCRIPTORS)} quantities alone": (False, tuple(range(len(DESCRIPTORS)))),
}


def main() -> None:
    """Print the table, a line at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of labeled glasses")
    parser.add_argument("--potential", type=Path, help="file of the potential that the glasses are at rest under")
    parser.add_argument("--glasses", type=int, help="number of training glasses; all by default")
    args = parser.parse_args()
    config = RunConfig(data=args.data, potential=args.potential and str(args.potential))
    glasses = read_labeled(config)
    glasses[names.TRAIN] = glasses[names.TRAIN][: args.glasses]
    potential, scaling = configured_potential(config), label_scaling(glasses[names.TRAIN])
    graphs = {split: glass_graphs(config, members, potential) for split, members in glasses.items()}
    species = tuple(np.unique(np.concatenate([graph.atomic_numbers for graph in graphs[names.TRAIN]])).tolist())

    def pearson(spectrum: bool, on: Sequence[GlassGraph], scored: Sequence[GlassGraph]) -> float:
        """Return the mean correlation over some glasses of a regression on others."""
        described = on[0].descriptors
        ridge = RidgeModel(
            species=species,
            cutoff=config.graph.cutoff,
            label_mean=scaling.mean,
            label_std=scaling.std,
            spectrum=spectrum,
            n_descriptors=0 if described is None else described.shape[1],
        )
        create_weights(ridge, species[0])
        ridge.prepare([to_graph_tensor(graph) for graph in on], [graph.barrier for graph in on])
        predicted = [(x.barrier, ridge(to_graph_tensor(x)).numpy()) for x in scored]
        labeled = [(barrier, x, np.isfinite(barrier)) for barrier, x in predicted]
        return float(np.mean([np.corrcoef(x[kept], barrier[kept])[0, 1] for barrier, x, kept in labeled]))

    print(markdown_row(["descriptors", "left out", names.VALIDATION, names.TEST]))
    print(markdown_row(["---"] * 4))
    for row, (spectrum, columns) in list(ROWS.items())[: None if potential else 1]:
        chosen = {split: [with_columns(graph, columns) for graph in members] for split, members in graphs.items()}
        training = chosen[names.TRAIN]
        left_out = [pearson(spectrum, training[:k] + training[k + 1 :], [x]) for k, x in enumerate(training)]
        others = [pearson(spectrum, training, chosen[split]) for split in (names.VALIDATION, names.TEST)]
        print(markdown_row([row, *(f"{x:.4f}" for x in (np.mean(left_out), *others))]), flush=True)


def with_columns(graph: GlassGraph, columns: Sequence[int]) -> GlassGraph:
    """Return the graph with some of its descriptors, or with none."""
    return replace(graph, descriptors=graph.descriptors[:, list(columns)] if columns else None)


if __name__ == "__main__":
    main()
