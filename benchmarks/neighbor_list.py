"""Time and memory of the neighbor list against the number of atoms, at the density of Cu64Zr36.

    python benchmarks/neighbor_list.py

Atoms are random points, since the time depends on the number of pairs only. Prints a Markdown table and writes
`figures/neighbor_list.png` beside this file.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tf_symgnn.data import Glass
from tf_symgnn.graph import build_graph

DENSITY = 0.0631  # atoms / A^3, as in the published 8000-atom glasses
SIZES = (1_000, 8_000, 64_000, 250_000, 1_000_000)


def random_points(n_atoms: int) -> Glass:
    """Return atoms at random positions in a periodic cube, one in each cell of a grid so that none coincide."""
    rng = np.random.default_rng(n_atoms)
    edge = (n_atoms / DENSITY) ** (1 / 3)
    per_edge = int(np.ceil(n_atoms ** (1 / 3)))
    lattice = np.stack(np.meshgrid(*[np.arange(per_edge)] * 3, indexing="ij"), -1).reshape(-1, 3)[:n_atoms]
    positions = (lattice + rng.uniform(0.1, 0.9, (n_atoms, 3))) * edge / per_edge
    species = np.where(rng.random(n_atoms) < 0.64, "Cu", "Zr")
    return Glass(positions, np.eye(3) * edge, [True] * 3, species, None, f"random-{n_atoms}.xyz")


def main() -> None:
    """Measure each size, after a warm-up with the smallest."""
    build_graph(random_points(SIZES[0]), cutoff=5.0, self_loops=True)
    seconds = []
    print("| atoms | directed pairs | seconds | microseconds per atom | peak memory (GB) |")
    print("|---|---|---|---|---|")
    for size in SIZES:
        glass = random_points(size)
        start = time.perf_counter()
        graph = build_graph(glass, cutoff=5.0, self_loops=True)
        seconds.append(time.perf_counter() - start)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(
            f"| {size:,} | {graph.n_pairs:,} | {seconds[-1]:.3g} | {1e6 * seconds[-1] / size:.1f} | {memory:.1f} |",
            flush=True,
        )
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.loglog(SIZES, seconds, "o-", label="measured")
    axes.loglog(SIZES, seconds[1] * np.array(SIZES) / SIZES[1], "k:", label="linear in N")
    axes.set(xlabel="atoms", ylabel="seconds", title="neighbor list and graph, 5 A")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(Path(__file__).parent / "figures" / "neighbor_list.png", dpi=130)


if __name__ == "__main__":
    main()
