#!/usr/bin/env python3
"""How unlike the training glasses a model finds other glasses, crystals and alloys.

    python benchmarks/novelty.py runs/cu64zr36

Takes a run of the default model and prints a Markdown table: the median novelty over atoms of every labelled glass of
its data set and of the sample, and of what was made from the first test glass and of crystals.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from ase.build import bulk

from tf_symgnn import names
from tf_symgnn.data import SAMPLE, Glass, read_glasses
from tf_symgnn.inference.novelty import novelty
from tf_symgnn.runs import RunFolder, glass_graphs, read_labeled

CRYSTALS = {"fcc Cu": ("Cu", "fcc", 3.615, 5), "B2 CuZr": ("CuZr", "cesiumchloride", 3.26, 6)}


def main() -> None:
    """Prints a line a structure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder")
    run = RunFolder.open(parser.parse_args().run)
    config, model = run.config(), run.load_model()
    print("| structure | novelty |\n|---|---|")
    read = read_labeled(config)
    for split, glasses in read.items():
        for glass in glasses:
            (graph,) = glass_graphs(config, [glass])
            print(f"| {split}: {glass.name} | {novelty(model, graph):.2f} |", flush=True)
    for name, glass in others(read[names.TEST][0]):
        (graph,) = glass_graphs(config, [glass])
        print(f"| {name} | {novelty(model, graph):.2f} |", flush=True)


def others(glass: Glass) -> Iterator[tuple[str, Glass]]:
    """Glasses of another potential, what may happen to a glass, other alloys and crystals."""
    for member in (glass for members in read_glasses(SAMPLE).values() for glass in members):
        yield f"the sample: {member.name}", member
    rng, name = np.random.default_rng(0), glass.name
    yield f"{name}, stretched by 3%", replace(glass, positions=1.03 * glass.positions, cell=1.03 * glass.cell)
    for width in (0.05, 0.1):
        moved = glass.positions + rng.normal(0, width, glass.positions.shape)
        yield f"{name}, atoms moved by {width} Å (standard deviation)", replace(glass, positions=moved)
    yield f"{name}, all Cu", replace(glass, species=np.full(glass.n_atoms, "Cu"))
    yield f"{name}, species in random places", replace(glass, species=rng.permutation(glass.species))
    yield f"{name}, species exchanged", replace(glass, species=np.where(glass.species == "Cu", "Zr", "Cu"))
    for title, (symbols, structure, spacing, repeats) in CRYSTALS.items():
        for width in (0.0, 0.1):
            atoms = bulk(symbols, structure, a=spacing, cubic=True).repeat(repeats)
            positions = atoms.positions + rng.normal(0, width, atoms.positions.shape)
            species = np.array(atoms.get_chemical_symbols())
            crystal = Glass(positions, atoms.cell.array, atoms.pbc, species, None, "crystal.xyz")
            yield title + (f", atoms moved by {width} Å" if width else ""), crystal


if __name__ == "__main__":
    main()
