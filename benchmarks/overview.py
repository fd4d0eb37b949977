"""Draw the overview of the README and the picture of the default model.

    python benchmarks/overview.py RUN

RUN is a run folder of the default model, trained on the published glasses. The slice is of a glass of this repository's
data set, and the parity plot of the run's validation glasses.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tf_symgnn import load_model, names
from tf_symgnn.data import Glass, read_glass
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import RunFolder, glass_graphs, read_labeled

FIGURES = Path(__file__).parent / "figures"
GLASS = Path(__file__).parent / "dataset" / "quenched" / "cu64zr36-1e12-0.xyz.xz"
THICKNESS = 3.0  # of the slice, A
BOND = 3.4  # A; the pairs of the graph, up to 5 A, would cover the picture
COLORS, RADII = {"Cu": "#c87533", "Zr": "#7f9fbf"}, {"Cu": 1.28, "Zr": 1.60}  # radii in A

# Boxes of the model by name: text, center and half width. Arrows connect them.
BOXES = {
    "input": ("species and displacements", (0, 3.4), 3.6),
    "spectra": ("power spectra,\naverages over 3 hops", (-2.4, 1.4), 2.1),
    "ridge": ("ridge regression", (-2.4, -0.8), 2.1),
    "mean": ("mean over O(3)\nof edge encodings", (2.4, 1.4), 2.1),
    "attention": ("attention layers,\ndecoder", (2.4, -0.8), 2.1),
    "sum": ("regression +\nblend · local part of difference", (0, -3.2), 3.6),
}
ARROWS = (("input", "spectra"), ("input", "mean"), ("spectra", "ridge"), ("mean", "attention"))
ARROWS += (("ridge", "sum"), ("attention", "sum"))


def draw_slice(axes: Axes, glass: Glass, color: list | np.ndarray, title: str):
    """Draw the atoms of a slice of a glass, and the pairs closer than `BOND` among them."""
    positions = glass.positions
    inside = np.flatnonzero(np.abs(positions[:, 2] - positions[:, 2].mean()) < THICKNESS / 2)
    points = positions[inside]
    for i, j in np.argwhere(np.triu(np.linalg.norm(points[:, None] - points, axis=-1) < BOND, 1)):
        axes.plot(*points[[i, j], :2].T, color="0.7", linewidth=0.8, zorder=1)
    values = np.asarray(color)[inside]
    sizes = 75 * np.array([RADII[symbol] for symbol in glass.species[inside]]) ** 2
    cmap = "viridis" if values.dtype.kind == "f" else None
    drawn = axes.scatter(*points[:, :2].T, s=sizes, c=values, cmap=cmap, edgecolors="black", linewidths=0.4)
    axes.set(title=title, aspect="equal")
    axes.axis("off")
    return drawn


def draw_model(axes: Axes, *, size: float) -> None:
    """Draw the parts of the default model, from top to bottom."""
    for text, (x, y), width in BOXES.values():
        corner, extent = (x - width, y - 0.6), (2 * width, 1.2)
        axes.add_patch(FancyBboxPatch(corner, *extent, boxstyle="round,pad=0.1", facecolor="#eef3f8", edgecolor="0.4"))
        axes.text(x, y, text, ha="center", va="center", fontsize=size)
    for start, end in ARROWS:
        (x, y), (to_x, to_y) = BOXES[start][1], BOXES[end][1]
        x, to_x = (to_x if start == "input" else x), (x if end == "sum" else to_x)
        axes.add_patch(FancyArrowPatch((x, y - 0.7), (to_x, to_y + 0.7), arrowstyle="-|>", mutation_scale=10))
    axes.text(-2.4, 2.45, "regression ", ha="right", va="center", fontsize=size, style="italic")
    axes.text(2.4, 2.45, " SymGNN", ha="left", va="center", fontsize=size, style="italic")
    axes.set(xlim=(-4.8, 4.8), ylim=(-4.1, 4.3), aspect="equal")
    axes.axis("off")


def draw_parity(axes: Axes, run: RunFolder) -> None:
    """Draw predicted against true barriers of the run's validation glasses."""
    config, predict = run.config(), CompiledModel(run.load_model())
    graphs = glass_graphs(config, read_labeled(config)[names.VALIDATION])
    labels = np.concatenate([graph.barrier for graph in graphs])
    predicted = np.concatenate([predict(graph) for graph in graphs])
    axes.hexbin(labels, predicted, gridsize=55, mincnt=1, bins="log", cmap="viridis")
    limits = min(labels.min(), predicted.min()), max(labels.max(), predicted.max())
    axes.plot(limits, limits, color="0.5", linewidth=0.8)
    axes.set(xlabel="true barrier (eV)", ylabel="predicted (eV)", title="validation glass", aspect="equal")


def main() -> None:
    """Draw both pictures."""
    run, glass = sys.argv[1], read_glass(GLASS, label=None)
    figure = Figure(figsize=(14, 3.8), layout="constrained")
    panels = figure.subplots(1, 4)
    draw_slice(panels[0], glass, [COLORS[symbol] for symbol in glass.species], "slice of a Cu-Zr glass")
    draw_model(panels[1], size=7.5)
    panels[1].set_title("default model")
    drawn = draw_slice(panels[2], glass, load_model(run).predict(glass), "predicted barriers")
    figure.colorbar(drawn, ax=panels[2], label="eV", shrink=0.8)
    draw_parity(panels[3], RunFolder.open(run))
    figure.savefig(FIGURES / "overview.png", dpi=110)
    figure = Figure(figsize=(7, 5.6), layout="constrained")
    draw_model(figure.subplots(), size=12)
    figure.savefig(FIGURES / "model.png", dpi=90)


if __name__ == "__main__":
    main()
