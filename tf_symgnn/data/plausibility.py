"""Checks of the unit of lengths and of the periodicity of a glass, which files often do not state."""

from __future__ import annotations

import warnings

import numpy as np
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce

from tf_symgnn.data.boxes import perpendicular_heights
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.notices import notice
from tf_symgnn.errors import InputError

_WIDE_GAP = 3.0  # A; in a glass of hundreds of atoms gaps between their coordinates are below 1 A

# Distance of nearest neighbors over the sum of their covalent radii: 0.9 to 1.1 in metals.
_PLAUSIBLE = (0.43, 1.5)
_SHORTEST = 1.15  # A; bonds of metals are longer than 2 A, and those of Lennard-Jones units about 1
_UNITS = {"nm": (0.07, 0.14), "lj": (0.25, 0.6), "bohr": (1.5, 2.4), "pm": (70.0, 140.0)}
_FEWEST_ATOMS = 8  # of fewer, the nearest neighbors are no sample
_SAMPLED = 64


def note_empty_faces(glass: Glass) -> None:
    """Issue a notice where atoms leave a face of the box empty. For boxes that are periodic by default."""
    fractional = (glass.positions - glass.origin) @ np.linalg.inv(glass.cell)
    for k, height in enumerate(perpendicular_heights(glass.cell)):
        ordered = np.sort(fractional[:, k] % 1.0)
        gap = height * np.diff(ordered, append=ordered[0] + 1.0).max()
        if gap > max(_WIDE_GAP, 10 * height / glass.n_atoms):
            found = f"{gap:.1f} A without atoms along cell vector {'abc'[k]}"
            notice(glass.place, "pbc", found, "taken as periodic; --pbc states another periodicity, as in p,p,f")


def require_angstrom(glass: Glass) -> None:
    """Check that nearest neighbors are as far apart as atoms are, in A.

    Raises:
        InputError: they are not; the error names the unit that would suit.
    """
    if glass.n_atoms < _FEWEST_ATOMS:
        return
    with np.errstate(all="ignore"):
        ratio, distance = _nearest(glass)
    plausible = _PLAUSIBLE[0] <= ratio <= _PLAUSIBLE[1] and distance >= _SHORTEST
    if plausible or not distance > 0:
        return  # atoms at one point are refused where neighbors are searched for
    unit = next((name for name, (low, high) in _UNITS.items() if low <= ratio <= high), None)
    likely = {None: "", "lj": ", as in reduced units (lj)"}.get(unit, f", as in {unit}")
    usual = distance / ratio
    raise InputError(
        glass.place, "units", f"nearest neighbors {distance:.3g} apart{likely}", f"about {usual:.2g}, lengths in A"
    )


def _nearest(glass: Glass) -> tuple[float, float]:
    """Return medians over a sample of atoms: the distance of the nearest neighbor over the radii's sum, and in A."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cell, _ = minkowski_reduce(glass.cell, glass.pbc)
    inverse, radii = np.linalg.inv(cell), covalent_radii[glass.atomic_numbers]
    sample = np.linspace(0, glass.n_atoms - 1, _SAMPLED if glass.n_atoms < 100_000 else _SAMPLED // 4).astype(int)
    ratios, distances = [], []
    for atom in np.unique(sample):
        fractional = (glass.positions - glass.positions[atom]) @ inverse
        fractional -= np.round(fractional) * glass.pbc
        squares = np.einsum("ij,ij->i", fractional @ cell, fractional @ cell)
        squares[atom] = np.inf
        nearest = int(squares.argmin())
        distances.append(np.sqrt(squares[nearest]))
        ratios.append(distances[-1] / (radii[atom] + radii[nearest]))
    return float(np.median(ratios)), float(np.median(distances))
