#!/usr/bin/env python3
"""How much of the variance of labels is noise, and which Pearson correlation it leaves to a perfect model.

    python benchmarks/label_noise.py GLASS.xyz [GLASS.xyz ...]

The glasses have `energy_barrier`, `energy_barrier_std` and `energy_barrier_events`, as `tf-symgnn simulate barriers`
writes them. Events are per atom. The variance within atoms is that of the events of one atom; the variance between
atoms is that of the labels less the part that the events leave in them (analysis of variance with one random factor).
Prints a table in Markdown, with a glass each line, and one for all glasses by their labels of two or more events.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ase.io
import numpy as np

from tf_symgnn import names
from tf_symgnn.data.scaling import event_variance
from tf_symgnn.simulate.barriers import EVENTS, SPREAD


def variances(barrier: np.ndarray, spread: np.ndarray, events: np.ndarray) -> tuple[float, float, float]:
    """Return the variances within and between atoms, and the noise in the variance of labels, eV^2.

    Args:
        barrier: [N], means over events, eV.
        spread: [N], standard deviations of events, eV.
        events: [N], their numbers, each 2 or more.
    """
    within = event_variance(spread, events)
    noise = within * float(np.mean(1 / events))
    return within, float(barrier.var(ddof=1)) - noise, noise


def row(name: str, glasses: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Return a line of the table; the variance between atoms is that within glasses."""
    parts = [variances(*glass) for glass in glasses]
    atoms = np.array([len(barrier) for barrier, *_ in glasses])
    within, between, noise = atoms @ np.array(parts) / atoms.sum()
    mean = atoms @ [barrier.mean() for barrier, *_ in glasses] / atoms.sum()
    events = atoms @ [events.mean() for *_, events in glasses] / atoms.sum()
    ceiling = np.sqrt(max(between, 0.0) / (max(between, 0.0) + noise))
    return (
        f"| {name} | {atoms.sum()} | {events:.1f} | {mean:.2f} | {within:.3f} | {between:.3f} | "
        f"{within / between:.1f} | {ceiling:.2f} |"
    )


def main() -> None:
    """Print the table of the glasses on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glasses", nargs="+", type=Path, metavar="GLASS.xyz")
    found = {}
    for path in parser.parse_args().glasses:
        arrays = ase.io.read(path).arrays
        several = arrays[EVENTS] >= 2
        columns = (names.ENERGY_BARRIER, SPREAD, EVENTS)
        found[path.stem] = [tuple(arrays[name][several] for name in columns)]
    print("| glass | atoms | events | mean, eV | within atoms, eV² | between, eV² | ratio | largest Pearson |")
    print("|---|---|---|---|---|---|---|---|")
    for name, glass in found.items():
        print(row(name, glass))
    print(row("all", [member for glass in found.values() for member in glass]))


if __name__ == "__main__":
    main()
