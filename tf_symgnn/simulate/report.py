"""The report of simulated glasses: pictures, and their numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import ase
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tf_symgnn import names
from tf_symgnn.data import Glass, replacing
from tf_symgnn.simulate.engine import Forces, Potential
from tf_symgnn.simulate.quench import QUENCH_RATE
from tf_symgnn.simulate.structure import (
    barrier_correlation,
    barriers_by_species,
    correlation_by_species,
    radial_distribution,
)

BINS = 30

Curve = Callable[[Glass], tuple[np.ndarray, np.ndarray]]


def report_glasses(atoms: dict[str, ase.Atoms], folder: Path, potential: Potential) -> Path:
    """Draw glasses and, where they are labelled, their barriers.

    Args:
        atoms: the glasses by name; the labelled ones have an `energy_barrier` array, eV. Atoms whose barrier is NaN
            count in no statistics of barriers.
        folder: gets `structure.png`, for labelled glasses `barriers.png`, and the numbers of both in `report.json`.
        potential: of the atoms' own energies.

    Returns:
        The path of the numbers.
    """
    glasses = {name: _glass(name, glass) for name, glass in atoms.items()}
    numbers: dict = {"glasses": {name: _facts(glass) for name, glass in atoms.items()}}
    figure, axes = _figure("distance (A)", "radial distribution function")
    numbers["radial_distribution"] = _draw_lines(axes[0], glasses, radial_distribution)
    _save(figure, folder / "structure.png")
    labels = {name: has_label(glass) for name, glass in atoms.items() if has_label(glass).any()}
    if labels:
        energies = {name: _local_energies(atoms[name], potential)[kept] for name, kept in labels.items()}
        labelled = {name: atoms[name][kept] for name, kept in labels.items()}
        numbers["barriers"] = _draw_barriers(labelled, energies, folder / "barriers.png")
    target = folder / "report.json"
    with replacing(target) as file:
        file.write_text(json.dumps(numbers, indent=1, allow_nan=False))
    return target


def has_label(atoms: ase.Atoms) -> np.ndarray:
    """Return which atoms have a label, bool[N]."""
    return np.isfinite(atoms.arrays.get(names.ENERGY_BARRIER, np.full(len(atoms), np.nan)))


def _glass(name: str, atoms: ase.Atoms) -> Glass:
    return Glass(
        positions=atoms.positions,
        cell=atoms.cell.array,
        pbc=atoms.pbc,
        species=np.array(atoms.get_chemical_symbols()),
        barrier=atoms.arrays[names.ENERGY_BARRIER] if has_label(atoms).all() else None,
        source=name,
    )


def _facts(atoms: ase.Atoms) -> dict:
    """Return the number of atoms, density (atoms/A^3) and, where known, quench rate (K/s) and energy per atom (eV)."""
    facts = {"atoms": len(atoms), "density": len(atoms) / atoms.get_volume()}
    facts |= {key: float(atoms.info[key]) for key in (QUENCH_RATE, "energy_per_atom") if key in atoms.info}
    labelled = has_label(atoms)
    if labelled.any():
        barrier = atoms.arrays[names.ENERGY_BARRIER][labelled]
        facts |= {"labelled_atoms": int(labelled.sum())}
        facts |= {"barrier_mean": float(barrier.mean()), "barrier_std": float(barrier.std())}
    return facts


def _draw_barriers(atoms: dict[str, ase.Atoms], energies: dict[str, np.ndarray], path: Path) -> dict:
    """Draw barriers by species, against quench rate, against local energy, and their correlation in space."""
    labelled = {name: _glass(name, glass) for name, glass in atoms.items()}
    glasses, local = list(labelled.values()), list(energies.values())
    figure, axes = _figure(
        *("energy barrier (eV)", "atoms"),
        *("quench rate (K/s)", "energy barrier (eV)"),
        *("potential energy of the atom (eV)", "energy barrier (eV)"),
        *("distance (A)", "correlation of barriers"),
    )
    _draw_species(axes[0], axes[2], glasses, local)
    rates = _draw_rates(axes[1], atoms)
    correlation = _draw_lines(axes[3], labelled, barrier_correlation)
    _save(figure, path)
    return {
        "by_species": barriers_by_species(glasses),
        "by_quench_rate": rates,
        "pearson_with_local_energy": correlation_by_species(glasses, local),
        "correlation_in_space": correlation,
    }


def _local_energies(atoms: ase.Atoms, potential: Potential) -> np.ndarray:
    force_field = Forces(atoms, potential)
    energies = force_field.atom_energies(atoms.positions)
    force_field.close()
    return energies


def _draw_species(histogram: Axes, scatter: Axes, glasses: list[Glass], energies: list[np.ndarray]) -> None:
    species = np.concatenate([glass.species for glass in glasses])
    barriers, local = np.concatenate([glass.barrier for glass in glasses]), np.concatenate(energies)
    edges = np.histogram_bin_edges(barriers, BINS)
    for symbol in np.unique(species):
        of = species == symbol
        histogram.hist(barriers[of], edges, alpha=0.6, label=symbol)
        scatter.scatter(local[of], barriers[of], s=4, alpha=0.6, label=symbol)
    histogram.legend()
    scatter.legend()


def _draw_rates(axes: Axes, atoms: dict[str, ase.Atoms]) -> dict[str, dict[str, float]]:
    """Draw the mean barrier and its standard error, eV, of each glass with a known quench rate, K/s."""
    rates = {}
    for name, glass in atoms.items():
        if QUENCH_RATE in glass.info:
            barrier = glass.arrays[names.ENERGY_BARRIER]
            error = barrier.std(ddof=1) / np.sqrt(len(barrier)) if len(barrier) > 1 else 0.0
            rates[name] = {QUENCH_RATE: float(glass.info[QUENCH_RATE]), "mean": float(barrier.mean()), "error": error}
            axes.errorbar(rates[name][QUENCH_RATE], barrier.mean(), error, fmt="o", label=name, capsize=3)
    if rates:
        axes.set_xscale("log")
        axes.legend()
    return rates


def _draw_lines(axes: Axes, glasses: dict[str, Glass], curve: Curve) -> dict[str, dict[str, list[float]]]:
    drawn = {}
    for name, glass in glasses.items():
        x, y = curve(glass)
        axes.plot(x, y, label=name)
        drawn[name] = {"distance": x.round(6).tolist(), "value": y.round(6).tolist()}
    axes.legend()
    return drawn


def _figure(*labels: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel for each pair of axis labels."""
    panels = len(labels) // 2
    columns = min(panels, 2)
    figure = Figure(figsize=(4.8 * columns, 3.8 * (panels // columns)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(panels // columns, columns)).ravel().tolist()
    for panel, x, y in zip(axes, labels[::2], labels[1::2], strict=True):
        panel.set(xlabel=x, ylabel=y)
        panel.grid(alpha=0.3)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as file:
        figure.savefig(file, dpi=150)
