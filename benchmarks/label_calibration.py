#!/usr/bin/env python3
"""Saddle searches on glasses with known labels: do the events of this program reproduce them?

    python benchmarks/label_calibration.py search cu64zr36/train6.pickle --atoms 100 --events 3 \
        --potential eam/fs CuZr_2009.eam.fs --store runs/calibration
    python benchmarks/label_calibration.py table cu64zr36/train6.pickle --store runs/calibration

`search` relaxes the glass, takes atoms at random, searches each until it has its events, and appends an event a line to
a file in the store; it continues where it was interrupted. Whether a saddle leads back to the start is checked but not
required; one beside which no minimum is found does not count. `table` prints aggregate figures: none of the events,
which derive from the glass, leaves the store.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import ase
import numpy as np
from tqdm import tqdm

from tf_symgnn.data import Glass, read_glass
from tf_symgnn.simulate.engine import SEARCH_POINTS, Forces, Potential
from tf_symgnn.simulate.lbfgs import LBFGS
from tf_symgnn.simulate.region import ActiveRegion
from tf_symgnn.simulate.saddles import SearchFailed, SearchSettings, converge, find_saddle, is_home, minimum_beside

MOST_SEARCHES = 60  # of an atom
RESAMPLES = 1000  # of atoms, for standard errors


def relax(glass: Glass, field: Forces) -> ase.Atoms:
    """Return the glass at the minimum nearest to its positions, which were rounded when they were published."""
    atoms = ase.Atoms(glass.species, positions=glass.positions, cell=glass.cell, pbc=glass.pbc)
    descent = LBFGS()
    for _ in range(500):
        forces = field(atoms.positions)[1]
        if np.linalg.norm(forces, axis=1).max() < 5e-4:
            break
        atoms.positions += descent.step(atoms.positions, forces)
    return atoms


def search(flags: argparse.Namespace, store: Path) -> None:
    """Search from random atoms until each has its events."""
    glass, potential = read_glass(flags.glass), Potential(*flags.potential)
    field = Forces(
        ase.Atoms(glass.species, glass.positions, cell=glass.cell, pbc=True), potential, table_points=SEARCH_POINTS
    )
    minimum = relax(glass, field)
    forces, done = field.from_scratch(minimum.positions)[1], Counter()
    made = Counter()
    for record in map(json.loads, store.read_text().splitlines()) if store.exists() else ():
        made[record["atom"]] += 1
        done[record["atom"]] += record["outcome"] == "event"
    atoms = np.random.default_rng(flags.seed).permutation(len(minimum))[: flags.atoms]
    with store.open("a") as file, tqdm(total=len(atoms) * flags.events, initial=done.total(), unit="event") as bar:
        for atom in map(int, atoms):
            while done[atom] < flags.events and made[atom] < MOST_SEARCHES:
                record = search_once(
                    field, minimum, forces, potential, atom, np.random.default_rng([flags.seed, atom, made[atom]])
                )
                made[atom] += 1
                done[atom] += record["outcome"] == "event"
                bar.update(record["outcome"] == "event")
                file.write(json.dumps({"atom": atom, "label": float(glass.barrier[atom]), **record}) + "\n")
                file.flush()


def search_once(
    field: Forces, minimum: ase.Atoms, forces: np.ndarray, potential: Potential, atom: int, rng: np.random.Generator
) -> dict:
    """Make one search and check in its region whether one side of the saddle, and one only, leads back."""
    settings = SearchSettings()
    region = ActiveRegion(minimum, forces, atom, potential)
    before = field.calls
    try:
        found = find_saddle(region, region.minimum, region.atom, rng, settings)
        mode = np.zeros_like(minimum.positions)
        mode[region.free] = found.mode
        calls = region.calls
        home = [is_home(region.minimum, minimum_beside(region, region.minimum, found, side)) for side in (-1.0, 1.0)]
        start = field.from_scratch(minimum.positions)[0]
        saddle = converge(field, minimum, region.embed(minimum, found.point.positions), mode, settings)
    except SearchFailed as failure:
        return {"outcome": str(failure), "calls": region.calls, "whole_calls": field.calls - before}
    finally:
        region.close()
    return {
        "outcome": "event",
        "barrier": round(saddle.point.energy - start, 6),
        "connected": home == [True, False],
        "calls": calls,
        "whole_calls": field.calls - before,
    }


def table(events: list[dict]) -> list[str]:
    """Return rows of aggregate figures for all, connected and unconnected events, with standard errors over atoms."""
    rows = []
    for name, kept in (
        ("all", events),
        ("connected", [event for event in events if event["connected"]]),
        ("unconnected", [event for event in events if not event["connected"]]),
    ):
        by_atom: dict[int, list[float]] = {}
        for event in kept:
            by_atom.setdefault(event["atom"], []).append(event["barrier"])
        labels = {event["atom"]: event["label"] for event in kept}
        atoms = np.array(sorted(by_atom))
        rng = np.random.default_rng(0)
        samples = [figures(atoms, by_atom, labels)]
        samples += [figures(rng.choice(atoms, len(atoms)), by_atom, labels) for _ in range(RESAMPLES)]
        errors = np.nanstd(samples[1:], axis=0)
        cells = [f"{value:.2f} ± {error:.2f}" for value, error in zip(samples[0], errors, strict=True)]
        rows.append("| " + " | ".join([name, str(len(kept)), str(len(atoms)), *cells]) + " |")
    return rows


def figures(atoms: np.ndarray, by_atom: dict[int, list[float]], labels: dict[int, float]) -> list[float]:
    """Return mean barrier, mean label, spreads, correlations, and how much of a label's variance is signal.

    Spreads are standard deviations: of events within an atom, of the atoms' true means, of labels. With v the variance
    between atoms and w the variance within an atom, v / (v + w) is the reliability of a single event. A single event
    correlates with a label by the square root of the product of their reliabilities, if both have the same true means
    up to scale. The last figure is the reliability of a label that follows.
    """
    events = [barrier for atom in atoms for barrier in by_atom[atom]]
    repeated = [labels[atom] for atom in atoms for _ in by_atom[atom]]
    means = [np.mean(by_atom[atom]) for atom in atoms]
    several = [by_atom[atom] for atom in atoms if len(by_atom[atom]) > 1]
    within = np.mean([np.var(barriers, ddof=1) for barriers in several]) if several else np.nan
    between = max(np.var(events) - within, 0.0)
    single = np.corrcoef(events, repeated)[0, 1]
    return [
        float(np.mean(events)),
        float(np.mean(repeated)),
        float(np.sqrt(within)),
        float(np.sqrt(between)),
        float(np.std(repeated)),
        float(single),
        float(np.corrcoef(means, [labels[atom] for atom in atoms])[0, 1]),
        float(single**2 * (between + within) / between) if between else np.nan,
    ]


def main() -> None:
    """Search, or print the table of what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("search", "table"))
    parser.add_argument("glass", help="a labelled glass that is periodic in all directions")
    parser.add_argument("--store", required=True, help="folder of the events, outside the repository")
    parser.add_argument("--atoms", type=int, default=100)
    parser.add_argument("--events", type=int, default=3, help="of each atom")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--potential", nargs=2, default=["eam/fs", "CuZr_2009.eam.fs"], metavar=("STYLE", "FILE"))
    flags = parser.parse_args()
    store = Path(flags.store) / f"{Path(flags.glass).stem}.jsonl"
    store.parent.mkdir(parents=True, exist_ok=True)
    if flags.task == "search":
        return search(flags, store)
    records = [json.loads(line) for line in store.read_text().splitlines()]
    events = [record for record in records if record["outcome"] == "event"]
    print(f"{len(records)} searches, {len(events)} events, {Counter(record['outcome'] for record in records)}")
    print("| events | number | atoms | mean, eV | mean label | spread within an atom | spread between atoms |", end="")
    print(" spread of labels | correlation of single events | of means | reliability of a label |\n|" + "---|" * 11)
    print("\n".join(table(events)))
    return None


if __name__ == "__main__":
    main()
