#!/usr/bin/env python3
"""Statistics of barriers of several data sets: mean, spread, species and correlation in space.

    python benchmarks/sample_barriers.py simulated=labelled published=cu64zr36

Each argument is a name and a folder of labeled glasses, of which training and validation glasses are read. Prints a
Markdown table.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from tf_symgnn import names
from tf_symgnn.data import Glass, read_glasses
from tf_symgnn.simulate.structure import barrier_correlation, barriers_by_species

DISTANCES = (2.5, 3.5, 5.5, 8.5)  # A, midpoints of the distance bins whose correlation is printed


def row(glasses: list[Glass]) -> list[str]:
    """Return the statistics of a set of glasses; correlations in space are means over glasses."""
    barriers = np.concatenate([glass.barrier for glass in glasses])
    means = [glass.barrier.mean() for glass in glasses]
    species = barriers_by_species(glasses)
    distance = barrier_correlation(glasses[0])[0]
    correlation = np.mean([barrier_correlation(glass)[1] for glass in glasses], axis=0)
    of_species = ", ".join(f"{symbol} {x['mean']:.2f} ± {x['std']:.2f}" for symbol, x in species.items())
    return [
        str(len(glasses)),
        str(len(barriers)),
        f"{barriers.mean():.2f} ({min(means):.2f} to {max(means):.2f})",
        f"{np.mean([glass.barrier.std() for glass in glasses]):.2f}",
        of_species,
        *(f"{correlation[np.abs(distance - r).argmin()]:.2f}" for r in DISTANCES),
    ]


def labeled_atoms(glass: Glass) -> Glass:
    """Return the atoms of a glass that have a label, as a glass."""
    kept = np.isfinite(glass.barrier)
    return replace(
        glass,
        positions=glass.positions[kept],
        species=glass.species[kept],
        barrier=glass.barrier[kept],
        ids=None,
        events=None,
        spread=None,
        columns={},
    )


def main() -> None:
    """Print one row per folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER")
    columns = ["", "glasses", "atoms", "mean, eV (of a glass)", "spread in a glass, eV", "species, eV"]
    columns += [f"correlation at {r} A" for r in DISTANCES]
    print("| " + " | ".join(columns) + " |", "|" + "---|" * len(columns), sep="\n")
    for name, _, folder in (item.partition("=") for item in parser.parse_args().sets):
        splits = read_glasses(folder)
        statistics = row([labeled_atoms(glass) for split in (names.TRAIN, names.VALIDATION) for glass in splits[split]])
        print("| " + " | ".join([name, *statistics]) + " |")


if __name__ == "__main__":
    main()
