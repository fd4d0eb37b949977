"""Draw the README's overview figure: structure, graph, network and predictions.

    python benchmarks/overview.py RUN

RUN is a finished run folder. The parity plot is of its validation glasses; the structure is an illustration.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tf_symgnn import names
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import RunFolder, glass_graphs, read_labeled

CUTOFF = 1.9  # of the illustration, where atoms are about 1 apart


def disordered_disc(seed: int = 3) -> np.ndarray:
    """Return points [N, 2] that repel each other: a disordered structure in two dimensions."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-4, 4, (70, 2))
    for _ in range(300):
        delta = points[:, None] - points
        distance = np.linalg.norm(delta, axis=-1) + np.eye(len(points)) * 9
        push = np.clip(1.0 - distance, 0, None)[..., None] * delta / distance[..., None]
        points = np.clip(points + 0.3 * push.sum(1), -4, 4)
    return points


def draw_structure(axes: Axes, points: np.ndarray, color, title: str) -> None:
    """Draw atoms as discs."""
    sizes = np.where(np.arange(len(points)) % 3, 60, 130)
    axes.scatter(*points.T, s=sizes, c=color, cmap="viridis", edgecolors="black", linewidths=0.4, zorder=2)
    axes.set(xlim=(-4.6, 4.6), ylim=(-4.6, 4.6), title=title, aspect="equal")
    axes.axis("off")


def draw_graph(axes: Axes, points: np.ndarray) -> None:
    """Draw atoms and the pairs within the cutoff."""
    for i, j in np.argwhere(np.triu(np.linalg.norm(points[:, None] - points, axis=-1) < CUTOFF, 1)):
        axes.plot(*points[[i, j]].T, color="0.7", linewidth=0.7, zorder=1)
    draw_structure(axes, points, np.where(np.arange(len(points)) % 3, "#c87533", "#7f9fbf"), "pairs closer than 5 Å")


def draw_network(axes: Axes) -> None:
    """Draw the stages of the network, from top to bottom."""
    stages = ("displacements and species", "average over T in O(3)", "attention message passing", "decoder")
    for k, stage in enumerate(stages):
        y = 3.1 - 2.0 * k
        box = FancyBboxPatch((-4.2, y - 0.55), 8.4, 1.1, boxstyle="round,pad=0.1", facecolor="#eef3f8", edgecolor="0.4")
        axes.add_patch(box)
        axes.text(0, y, stage, ha="center", va="center", fontsize=8.5)
        if k:
            axes.add_patch(FancyArrowPatch((0, y + 1.35), (0, y + 0.65), arrowstyle="-|>", mutation_scale=10))
    axes.set(xlim=(-4.6, 4.6), ylim=(-4.6, 4.6), title="SymGNN", aspect="equal")
    axes.axis("off")


def draw_parity(axes: Axes, run: RunFolder) -> None:
    """Draw predicted against true barriers of the run's validation glasses."""
    config, predict = run.config(), CompiledModel(run.load_model())
    graphs = glass_graphs(config, read_labeled(config)[names.VALIDATION])
    labels = np.concatenate([graph.barrier for graph in graphs])
    predicted = np.concatenate([predict(graph) for graph in graphs])
    axes.hexbin(labels, predicted, gridsize=55, mincnt=1, bins="log", cmap="viridis")
    axes.set(xlabel="true barrier (eV)", ylabel="predicted (eV)", title="one barrier per atom (validation)")


def main() -> None:
    """Draw the four panels."""
    points = disordered_disc()
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    panels = figure.subplots(1, 4)
    draw_structure(panels[0], points, np.where(np.arange(len(points)) % 3, "#c87533", "#7f9fbf"), "structure file")
    draw_graph(panels[1], points)
    draw_network(panels[2])
    draw_parity(panels[3], RunFolder.open(sys.argv[1]))
    figure.savefig(Path(__file__).parent / "figures" / "overview.png", dpi=110)


if __name__ == "__main__":
    main()
