#!/usr/bin/env python3
"""Time and memory of descriptors from a potential.

    python benchmarks/potential_speed.py train0.pickle --potential CuZr_2009.eam.fs

Copies of a glass that is at rest side by side are at rest, too. Each number of copies is measured in a process of its
own: the energies of the atoms, and all descriptors, both with the neighbor list and without the time to compile. Prints
a table.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_symgnn.compare.table import markdown_row
from tf_symgnn.data import Glass, read_glass
from tf_symgnn.graph.neighbors import find_pairs
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.glasses import glass_descriptors
from tf_symgnn.potentials.response import PotentialDescriptors
from tf_symgnn.potentials.tables import read_potential_file

COPIES = (1, 2)
ROUNDS = 3
HEADS = ("atoms", "energies, s", "all descriptors, s", "processor ms per atom", "peak memory, GB")


def copied(glass: Glass, number: int) -> Glass:
    """Return copies of a periodic glass in a row along its first cell vector."""
    shifts = np.arange(number)[:, np.newaxis, np.newaxis] * glass.cell[0]
    return replace(
        glass,
        positions=(glass.positions + shifts).reshape(-1, 3),
        species=np.tile(glass.species, number),
        cell=glass.cell * [[number], [1], [1]],
        barrier=None,
        columns={},
    )


def energies(potential: EamPotential, glass: Glass) -> tf.Tensor:
    """Return the energies of the atoms of a glass, eV."""
    target, source, displacement = find_pairs(glass.positions, glass.cell, glass.pbc, potential.cutoff)
    ends = tf.constant(source, tf.int32), tf.constant(target, tf.int32)
    numbers = tf.constant(glass.atomic_numbers, tf.int32)
    return potential.energies_and_forces(numbers, *ends, tf.constant(displacement))[0]


def measure(file: str, potential_file: Path, copies: int) -> list[str]:
    """Return a row of the table, of the fastest of some rounds."""
    potential = EamPotential(read_potential_file(str(potential_file)))
    describe = PotentialDescriptors(potential)
    one = read_glass(file)
    energies(potential, one)
    glass_descriptors(describe, one)
    glass = copied(one, copies)
    times: dict[str, list[float]] = {"energies": [], "descriptors": [], "processor": []}
    for _ in range(ROUNDS):
        started = time.perf_counter()
        energies(potential, glass)
        times["energies"].append(time.perf_counter() - started)
        started, processor = time.perf_counter(), time.process_time()
        glass_descriptors(describe, glass)
        times["descriptors"].append(time.perf_counter() - started)
        times["processor"].append(time.process_time() - processor)
    best = {name: min(seconds) for name, seconds in times.items()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return [
        str(glass.n_atoms),
        f"{best['energies']:.2f}",
        f"{best['descriptors']:.1f}",
        f"{1e3 * best['processor'] / glass.n_atoms:.2f}",
        f"{memory:.2f}",
    ]


def main() -> None:
    """Print the table, a line at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glass", help="structure file of a periodic glass at rest")
    parser.add_argument("--potential", type=Path, required=True, help="LAMMPS file of its potential")
    parser.add_argument("--copies", type=int, help="measure this number of copies in this process, print its row alone")
    args = parser.parse_args()
    if args.copies:
        print(markdown_row(measure(args.glass, args.potential, args.copies)))
        return
    print(markdown_row(HEADS), markdown_row(["---"] * len(HEADS)), sep="\n", flush=True)
    for copies in COPIES:
        command = [sys.executable, __file__, args.glass, "--potential", str(args.potential), "--copies", str(copies)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="", flush=True)


if __name__ == "__main__":
    main()
