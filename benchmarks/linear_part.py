#!/usr/bin/env python3
"""The predictions of the default model's baseline by itself, and with each training glass left out.

    python benchmarks/linear_part.py cu64zr36

Prints the Pearson correlation on validation and test, and on each training glass by the regression of the others.
"""

from __future__ import annotations

import argparse

import numpy as np

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import label_scaling
from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.models.base import create_weights
from tf_symgnn.models.ridge.spectral import SpectralRidge
from tf_symgnn.runs import glass_graphs, read_labeled


def main() -> None:
    """Prints a line a glass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of labelled glasses")
    config = RunConfig(data=parser.parse_args().data)
    glasses = read_labeled(config)
    graphs = {split: glass_graphs(config, found) for split, found in glasses.items()}
    training = glasses[names.TRAIN]
    species = tuple(int(z) for z in np.unique(np.concatenate([glass.atomic_numbers for glass in training])))

    def solved(on: list[GlassGraph]) -> SpectralRidge:
        scaling = label_scaling(training)
        ridge = SpectralRidge(
            species=species, cutoff=config.graph.cutoff, label_mean=scaling.mean, label_std=scaling.std
        )
        create_weights(ridge, species[0])
        ridge.prepare([to_graph_tensor(graph) for graph in on], [graph.barrier for graph in on])
        return ridge

    def report(ridge: SpectralRidge, graph: GlassGraph, split: str) -> float:
        found = np.corrcoef(ridge(to_graph_tensor(graph)), graph.barrier)[0, 1]
        print(f"{split} {graph.name}: {found:.4f}", flush=True)
        return found

    ridge = solved(graphs[names.TRAIN])
    for split in (names.VALIDATION, names.TEST):
        for graph in graphs[split]:
            report(ridge, graph, split)
    left_out = []
    for graph in graphs[names.TRAIN]:
        others = [other for other in graphs[names.TRAIN] if other is not graph]
        left_out.append(report(solved(others), graph, "left out"))
    print(f"mean of those left out: {np.mean(left_out):.4f}")


if __name__ == "__main__":
    main()
