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
import tensorflow as tf

from tf_symgnn import names
from tf_symgnn.compare.table import markdown_row
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, label_scaling
from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.graph.neighbors import find_pairs
from tf_symgnn.models.base import create_weights
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.response import DESCRIPTORS
from tf_symgnn.runs import configured_potential, glass_graphs, read_labeled

SPECTRA = "power spectra"
# Columns after `DESCRIPTORS`, of the virial of an atom: a third of its trace, and its von Mises norm, both in eV.
STRESS = (len(DESCRIPTORS), len(DESCRIPTORS) + 1)
# Whether a row has power spectra, and its columns of descriptors from the potential.
ROWS = {
    SPECTRA: (True, ()),
    f"{SPECTRA} and energy": (True, (DESCRIPTORS.index("energy"),)),
    f"{SPECTRA}, pressure and von Mises stress": (True, STRESS),
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
    if potential is not None:
        for split, members in graphs.items():
            graphs[split] = [
                replace(graph, descriptors=np.column_stack([graph.descriptors, stress(potential.potential, glass)]))
                for graph, glass in zip(members, glasses[split], strict=True)
            ]
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


def stress(potential: EamPotential, glass: Glass) -> np.ndarray:
    """Return the pressure and the von Mises stress of each atom times its volume, f32[N, 2] eV."""
    target, source, displacement = find_pairs(glass.positions, glass.cell, glass.pbc, potential.cutoff)
    ends = tf.constant(source, tf.int32), tf.constant(target, tf.int32)
    state = potential.state(tf.constant(glass.atomic_numbers, tf.int32), *ends, tf.constant(displacement))
    tension = (potential.slopes(state, *ends) * state.distance / 2)[:, tf.newaxis, tf.newaxis]
    direction = state.direction
    virial = -tf.math.unsorted_segment_sum(
        tension * direction[:, :, tf.newaxis] * direction[:, tf.newaxis], ends[1], glass.n_atoms
    )
    pressure = tf.linalg.trace(virial) / 3
    deviation = virial - pressure[:, tf.newaxis, tf.newaxis] * tf.eye(3, dtype=virial.dtype)
    mises = tf.sqrt(1.5 * tf.reduce_sum(tf.square(deviation), axis=[1, 2]))
    return tf.stack([pressure, mises], axis=1).numpy().astype(np.float32)


def with_columns(graph: GlassGraph, columns: Sequence[int]) -> GlassGraph:
    """Return the graph with some of its descriptors, or with none."""
    return replace(graph, descriptors=graph.descriptors[:, list(columns)] if columns else None)


if __name__ == "__main__":
    main()
