#!/usr/bin/env python3
"""Measure when predictions for a glass are warned about, and how wrong they are then.

    python benchmarks/extrapolation.py cuzr [--glasses FOLDER ...] [--species Cu,Zr] [--potential CuZr_2009.eam.fs]

Prints a Markdown table with one line per structure: labeled glasses of the run's data, other glasses, crystals, and the
first validation glass with strain, displacements and exchanged species, and with a potential after a picosecond of
molecular dynamics at some temperatures. `predict` warns above an extrapolation of 1. A second table counts the warnings
for all validation and test glasses, as they are and changed.
Shift and Spearman correlation compare predictions with labels or, for a changed glass, with the unchanged one's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from ase import units
from ase.build import bulk
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from scipy.stats import spearmanr

from tf_symgnn import names
from tf_symgnn.config import split_symbols
from tf_symgnn.data import Glass, iter_glasses, structure_files
from tf_symgnn.domain.extrapolation import Extrapolation
from tf_symgnn.inference import CompiledModel
from tf_symgnn.inference.extrapolation import graph_extrapolation
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.relaxation import EamCalculator
from tf_symgnn.potentials.tables import read_potential_file
from tf_symgnn.runs import RunFolder, glass_graphs, open_run, read_labeled

STRAINS = (-0.02, -0.01, -0.005, 0.005, 0.01, 0.02, 0.03)
WIDTHS = (0.05, 0.1, 0.15)  # of displacements, A
TEMPERATURES = (30, 100, 300)  # K
EXCHANGED = (0.02, 0.05, 0.1)  # fractions of atoms that change from Cu to Zr
CRYSTALS = {"fcc Cu": ("Cu", "fcc", 3.615, 5), "B2 CuZr": ("CuZr", "cesiumchloride", 3.26, 6)}


class Measurement:
    """Predictions of a run and their extrapolation.

    Args:
        run: the run.
    """

    def __init__(self, run: RunFolder):
        self.config, self.domain, self.model = run.config(), run.statistics().domain, run.load_model()
        self.predict = CompiledModel(self.model, patch_size=self.config.stream.patch_size)

    def __call__(self, glass: Glass) -> tuple[np.ndarray, Extrapolation]:
        """Return predicted barriers f64[N] eV and their extrapolation."""
        (graph,) = glass_graphs(self.config, [glass])
        barrier = self.predict(graph)
        cutoff = self.config.graph.cutoff
        return barrier, graph_extrapolation(self.domain, self.model, graph, cutoff, barrier)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder, or name of a shipped model")
    parser.add_argument("--glasses", nargs="*", default=[], help="files or folders of other glasses")
    parser.add_argument("--species", help="chemical symbols of LAMMPS types 1, 2, ... in them")
    parser.add_argument("--potential", help="LAMMPS file of the potential of the first validation glass")
    args = parser.parse_args()
    measure = Measurement(open_run(args.run))
    print(
        "| structure | mean, eV | shift, eV | Spearman | extrapolation | largest deviation |\n|---|---|---|---|---|---|"
    )
    splits = read_labeled(measure.config)
    for split, glasses in splits.items():
        for glass in glasses:
            print_line(f"{split}: {glass.name}", *measure(glass), glass.barrier)
    for path in (file for given in args.glasses for file in structure_files(given).values()):
        for glass in iter_glasses(path, label=None, species=split_symbols(args.species)):
            print_line(f"{path.parent.name}/{glass.name}", *measure(glass))
    glass = splits[names.VALIDATION][0]
    before, _ = measure(glass)
    for title, changed in changes(glass, args.potential):
        print_line(f"{glass.name}, {title}", *measure(changed), before)
    for title, crystal in crystals():
        print_line(title, *measure(crystal))
    print("\n| change | shift, eV | glasses warned of | extrapolation |\n|---|---|---|---|")
    found: dict[str, list[tuple[float, float]]] = {}
    for glass in splits[names.VALIDATION] + splits[names.TEST]:
        before, _ = measure(glass)
        for title, changed in [("none", glass), *changes(glass, args.potential)]:
            barrier, extrapolation = measure(changed)
            found.setdefault(title, []).append((barrier.mean() - before.mean(), extrapolation.score))
    for title, pairs in found.items():
        shifts, scores = zip(*pairs, strict=True)
        warned = f"{sum(score > 1 for score in scores)} of {len(scores)}"
        print(f"| {title} | {np.mean(shifts):+.2f} | {warned} | {min(scores):.2f} to {max(scores):.2f} |", flush=True)


def print_line(title: str, barrier: np.ndarray, found: Extrapolation, reference: np.ndarray | None = None) -> None:
    """Print a line of the table; `reference` are labels or other predictions f64[N] eV for the same atoms."""
    shift, rank = "", ""
    if reference is not None:
        shift = f"{barrier.mean() - np.nanmean(reference):+.2f}"
        rank = f"{spearmanr(barrier, reference, nan_policy='omit')[0]:.2f}"
    print(
        f"| {title} | {barrier.mean():.2f} | {shift} | {rank} | {found.score:.2f} | {found.deviations[0]} |", flush=True
    )


def changes(glass: Glass, potential: str | None) -> Iterator[tuple[str, Glass]]:
    """Yield what strain, displacements, exchanged species and with a potential molecular dynamics make of a glass."""
    rng = np.random.default_rng(0)
    for strain in STRAINS:
        stretched = replace(glass, positions=(1 + strain) * glass.positions, cell=(1 + strain) * glass.cell)
        yield f"strain {100 * strain:+g}%", stretched
    for width in WIDTHS:
        moved = glass.positions + rng.normal(0, width, glass.positions.shape)
        yield f"displacements of {width} A", replace(glass, positions=moved)
    copper = rng.permutation(np.flatnonzero(glass.species == "Cu"))
    for fraction in EXCHANGED:
        species = glass.species.copy()
        species[copper[: round(fraction * glass.n_atoms)]] = "Zr"
        yield f"{100 * fraction:g}% of atoms Zr in place of Cu", replace(glass, species=species)
    yield "species in random places", replace(glass, species=rng.permutation(glass.species))
    yield "species exchanged", replace(glass, species=np.where(glass.species == "Cu", "Zr", "Cu"))
    if potential:
        yield from heated(glass, potential)


def heated(glass: Glass, potential: str) -> Iterator[tuple[str, Glass]]:
    """Yield a glass after molecular dynamics of constant energy. Half of the first kinetic energy becomes potential."""
    calculator = EamCalculator(EamPotential(read_potential_file(potential)))
    for temperature in TEMPERATURES:
        atoms = glass.to_ase()
        atoms.calc = calculator
        rng = np.random.default_rng(0)
        MaxwellBoltzmannDistribution(atoms, temperature_K=2 * temperature, rng=rng)
        VelocityVerlet(atoms, 2 * units.fs).run(500)
        yield f"{temperature} K", replace(glass, positions=atoms.positions)


def crystals() -> Iterator[tuple[str, Glass]]:
    """Yield crystals at rest and with displacements."""
    rng = np.random.default_rng(0)
    for title, (symbols, structure, spacing, repeats) in CRYSTALS.items():
        for width in (0.0, 0.1):
            atoms = bulk(symbols, structure, a=spacing, cubic=True).repeat(repeats)
            positions = atoms.positions + rng.normal(0, width, atoms.positions.shape)
            species = np.array(atoms.get_chemical_symbols())
            crystal = Glass(positions, atoms.cell.array, atoms.pbc, species, None, "crystal.xyz")
            yield title + (f", displacements of {width} A" if width else ""), crystal


if __name__ == "__main__":
    main()
