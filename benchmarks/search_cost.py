#!/usr/bin/env python3
"""Processor time and force calls per event of two versions of the saddle search, on the same atoms of one glass.

    git worktree add old 3561186
    python benchmarks/search_cost.py GLASS.xyz --old old --potential eam/fs CuZr_mm.eam.fs --rounds 3

Each version searches once from each of 60 atoms; the versions take turns, each in a process of its own. A saddle is any
converged one; an event is a saddle of which one side relaxes back to the start. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

SEED, RADIUS = 0, 3.8


def run_old(glass_file: str, n_atoms: int, style: str, file: str) -> dict:
    """Search with a version in which every saddle had to be connected (commit 3561186)."""
    import ase.io
    import numpy as np

    from tf_symgnn.simulation import saddles
    from tf_symgnn.simulation.engine import Forces, Potential

    glass = ase.io.read(glass_file)
    field, converged = Forces(glass, Potential(style, file), thinned=True), []
    climb = saddles._climb
    saddles._climb = lambda *args: converged.append(climb(*args)) or converged[-1]
    events, start, calls = 0, time.process_time(), field.calls
    for atom in np.random.default_rng(SEED).permutation(len(glass))[:n_atoms]:
        field.from_scratch(glass.positions)
        try:
            rng = np.random.default_rng([SEED, atom, 0])
            saddles.find_saddle(field, glass, int(atom), rng, saddles.SearchSettings(radius=RADIUS))
            events += 1
        except saddles.SearchLost:
            continue
    # What a search spends after its climb is counted too: this version has no way to leave it out.
    seconds = time.process_time() - start
    return {"saddles": len(converged), "events": events, "calls": field.calls - calls, "seconds": seconds}


def run_new(glass_file: str, n_atoms: int, style: str, file: str, *, require_connected: bool) -> dict:
    """Search with this checkout."""
    import ase.io
    import numpy as np

    from tf_symgnn.simulate.engine import SEARCH_POINTS, Forces, Potential
    from tf_symgnn.simulate.saddles import SearchFailed, SearchSettings, find_saddle

    glass = ase.io.read(glass_file)
    field = Forces(glass, Potential(style, file), table_points=SEARCH_POINTS)
    settings = SearchSettings(radius=RADIUS, require_connected=require_connected)
    found, start, calls = 0, time.process_time(), field.calls
    for atom in np.random.default_rng(SEED).permutation(len(glass))[:n_atoms]:
        field.from_scratch(glass.positions)
        try:
            find_saddle(field, glass, int(atom), np.random.default_rng([SEED, atom, 0]), settings)
            found += 1
        except SearchFailed:
            continue
    seconds = time.process_time() - start
    return {"events" if require_connected else "saddles": found, "calls": field.calls - calls, "seconds": seconds}


def main() -> None:
    """Run both versions in turn and print the figures of each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("glass", help="a glass at its minimum by the potential")
    parser.add_argument("--old", required=True, help="a checkout of the version to compare with")
    parser.add_argument("--potential", nargs=2, default=["eam/fs", "CuZr_mm.eam.fs"], metavar=("STYLE", "FILE"))
    parser.add_argument("--atoms", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=("old", "saddles", "connected"), help=argparse.SUPPRESS)
    flags = parser.parse_args()
    work = (flags.glass, flags.atoms, *flags.potential)
    if flags.child == "old":
        return print(json.dumps(run_old(*work)))
    if flags.child:
        return print(json.dumps(run_new(*work, require_connected=flags.child == "connected")))
    print("| version | saddles | events | calls a saddle | calls an event | ms a saddle | ms an event |")
    print("|---|---|---|---|---|---|---|")
    for _ in range(flags.rounds):
        for child in ("old", "saddles", "connected"):
            checkout = Path(flags.old) if child == "old" else Path(__file__).parents[1]
            environment = os.environ | {"PYTHONPATH": str(checkout.resolve()), "OMP_NUM_THREADS": "1"}
            command = [sys.executable, *sys.argv, "--child", child]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            print(_row(child, json.loads(done.stdout.splitlines()[-1])), flush=True)
    return None


def _row(version: str, result: dict) -> str:
    each = [
        f"{result[cost] * scale / result[unit]:.0f}" if result.get(unit) else "-"
        for cost, scale in (("calls", 1), ("seconds", 1000))
        for unit in ("saddles", "events")
    ]
    counts = [str(result.get(unit, "-")) for unit in ("saddles", "events")]
    return "| " + " | ".join([version, *counts, *each]) + " |"


if __name__ == "__main__":
    main()
