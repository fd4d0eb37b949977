#!/usr/bin/env python3
"""Pearson correlations of the default model's ridge regression alone.

    python benchmarks/linear_part.py cu64zr36

Prints the correlation on validation and test, and leave-one-glass-out correlations on the training glasses.
"""

from __future__ import annotations

import argparse

import numpy as np

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import label_scaling
from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.models.base import create_weights
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.runs import glass_graphs, read_labeled


def main() -> None:
    """Print one line per glass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="folder of labeled glasses")
    config = RunConfig(data=parser.parse_args().data)
    glasses = read_labeled(config)
    graphs = {split: glass_graphs(config, members) for split, members in glasses.items()}
    training = glasses[names.TRAIN]
    species = tuple(int(z) for z in np.unique(np.concatenate([glass.atomic_numbers for glass in training])))

    def fitted(on: list[GlassGraph]) -> RidgeModel:
        scaling = label_scaling(training)
        ridge = RidgeModel(species=species, cutoff=config.graph.cutoff, label_mean=scaling.mean, label_std=scaling.std)
        create_weights(ridge, species[0])
        ridge.prepare([to_graph_tensor(graph) for graph in on], [graph.barrier for graph in on])
        return ridge

    def report(ridge: RidgeModel, graph: GlassGraph, split: str) -> float:
        pearson = np.corrcoef(ridge(to_graph_tensor(graph)), graph.barrier)[0, 1]
        print(f"{split} {graph.name}: {pearson:.4f}", flush=True)
        return pearson

    ridge = fitted(graphs[names.TRAIN])
    for split in (names.VALIDATION, names.TEST):
        for graph in graphs[split]:
            report(ridge, graph, split)
    left_out = []
    for graph in graphs[names.TRAIN]:
        others = [other for other in graphs[names.TRAIN] if other is not graph]
        left_out.append(report(fitted(others), graph, "left out"))
    print(f"mean of those left out: {np.mean(left_out):.4f}")


if __name__ == "__main__":
    main()
