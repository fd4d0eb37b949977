#!/usr/bin/env python3
"""Cost of an event by this package's saddle searches, ASE's dimer method and Sella, on one glass.

    python benchmarks/saddle_searches.py GLASS.xyz --searches 40
    pip install sella && python benchmarks/saddle_searches.py GLASS.xyz --searches 40 --methods searches dimer sella

All methods start from the same atoms with pushes of the same shape and use the same forces. An event is a saddle with
the same largest force, one negative curvature, and one side that relaxes back to the minimum. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import ase
import ase.io
import numpy as np
from ase.mep import DimerControl, MinModeAtoms, MinModeTranslate

from tf_symgnn.simulate.engine import SEARCH_POINTS, Forces, ForcesCalculator, Potential
from tf_symgnn.simulate.modes import Point, softest_mode
from tf_symgnn.simulate.saddles import (
    Saddle,
    SearchFailed,
    SearchSettings,
    find_saddle,
    is_home,
    minimum_beside,
    random_push,
    second_curvature,
)

SETTINGS = SearchSettings(require_connected=True)
PUSH = 1.0  # A, norm of the initial displacement of dimer and Sella; 0.5 and 2 gave fewer events
MOST_STEPS = 300


def dimer(field: Forces, glass: ase.Atoms, atom: int, rng: np.random.Generator) -> np.ndarray:
    """Return the positions [N, 3] A at which ASE's dimer method ends."""
    atoms, push = pushed(field, glass, atom, rng)
    with DimerControl(initial_eigenmode_method="displacement", displacement_method="vector", logfile=None) as control:
        pair = MinModeAtoms(atoms, control)
        pair.displace(displacement_vector=push, mask=[True] * len(atoms))
        MinModeTranslate(pair, logfile=None).run(fmax=SETTINGS.largest_force, steps=MOST_STEPS)
    return atoms.positions


def sella(field: Forces, glass: ase.Atoms, atom: int, rng: np.random.Generator) -> np.ndarray:
    """Return the positions [N, 3] A at which Sella ends."""
    from sella import Sella

    atoms, push = pushed(field, glass, atom, rng)
    atoms.positions += push
    Sella(atoms, order=1, internal=False, logfile=None).run(fmax=SETTINGS.largest_force, steps=MOST_STEPS)
    return atoms.positions


def pushed(field: Forces, glass: ase.Atoms, atom: int, rng: np.random.Generator) -> tuple[ase.Atoms, np.ndarray]:
    """Return a copy of the glass with a calculator of forces, and a push [N, 3] A."""
    atoms = glass.copy()
    atoms.calc = ForcesCalculator(field)
    return atoms, PUSH * random_push(glass, atom, rng, SETTINGS.radius)


def classify(field: Forces, glass: ase.Atoms, positions: np.ndarray, rng: np.random.Generator) -> str:
    """Return `event`, or the criterion of `find_saddle` that the end point of another method does not meet."""
    point = Point.at(field, positions)
    if point.largest_force > SETTINGS.largest_force:
        return "not at rest"
    mode, curvature = softest_mode(field, point, rng.normal(size=positions.shape), corrections=60, tolerance=0.02)
    if curvature >= 0:
        return "no negative curvature"
    saddle = Saddle(point, mode, curvature)
    home = [is_home(glass, minimum_beside(field, glass, saddle, side)) for side in (-1.0, 1.0)]
    if sum(home) != 1:
        return "not connected" if not any(home) else "both sides return"
    return "event" if second_curvature(field, saddle, rng) >= 0 else "second negative curvature"


def search(method: str, field: Forces, glass: ase.Atoms, atom: int, rng: np.random.Generator) -> str:
    """Return the outcome of one search by a method."""
    try:
        if method == "searches":
            find_saddle(field, glass, atom, rng, SETTINGS)
            return "event"
        return classify(field, glass, {"dimer": dimer, "sella": sella}[method](field, glass, atom, rng), rng)
    except SearchFailed as failure:
        return str(failure)


def main() -> None:
    """Run each method and print its row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glass", help="a glass at its minimum")
    parser.add_argument("--searches", type=int, default=40, help="of each method")
    parser.add_argument("--methods", nargs="+", choices=("searches", "dimer", "sella"), default=["searches", "dimer"])
    flags = parser.parse_args()
    glass = ase.io.read(flags.glass)
    print(
        "| method | searches | events | force calls per event | seconds per event | outcomes |\n"
        "|---|---|---|---|---|---|"
    )
    for method in flags.methods:
        field = Forces(glass, Potential(), table_points=SEARCH_POINTS)
        atoms = np.random.default_rng(0).integers(len(glass), size=flags.searches)
        start, before = time.perf_counter(), field.calls
        outcomes = Counter(
            search(method, field, glass, int(atom), np.random.default_rng([0, k])) for k, atom in enumerate(atoms)
        )
        events, seconds = outcomes["event"], time.perf_counter() - start
        each = [
            f"{x / events:.{digits}f}" if events else "-" for x, digits in ((field.calls - before, 0), (seconds, 1))
        ]
        listed = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common())
        print(f"| {method} | {flags.searches} | {events} | {each[0]} | {each[1]} | {listed} |", flush=True)


if __name__ == "__main__":
    main()
