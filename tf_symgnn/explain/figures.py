"""Plots of an explanation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tf_symgnn.explain.explain import Explanation


def plots_of(explanation: Explanation) -> dict[str, Figure]:
    """Return all plots of an explanation, by name."""
    return {
        "fidelity": _fidelity(explanation),
        "distances": _distances(explanation),
        "convergence": _convergence(explanation),
        "cycles": _cycles(explanation),
        "barriers": _barriers(explanation),
    }


def _two_panels(*labels: str) -> tuple[Figure, list]:
    """Return a figure of two panels, given the labels x, y, x, y of their axes."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 2).tolist()
    for axes, x, y in zip(panels, labels[::2], labels[1::2], strict=True):
        axes.set(xlabel=x, ylabel=y)
        axes.grid(alpha=0.3)
    return figure, panels


def _fidelity(explanation: Explanation) -> Figure:
    change = "change of prediction / spread"
    figure, panels = _two_panels("fraction of pairs removed", change, "fraction of pairs kept", change)
    fractions = explanation.figures["fidelity"]["shares"]
    for name, curve in explanation.fidelity.items():
        for axes, values in zip(panels, (curve.removed, curve.kept), strict=True):
            axes.plot(fractions, values, "o-", markersize=3, label=name)
    for axes, title in zip(panels, ("fidelity+: high is good", "fidelity-: low is good"), strict=True):
        axes.set_xscale("symlog", linthresh=1e-3)
        axes.set_title(title)
        axes.legend(fontsize=8)
    return figure


def _distances(explanation: Explanation) -> Figure:
    distance = "distance from the center (A)"
    figure, panels = _two_panels(distance, "atoms per center", distance, "fraction")
    histograms = explanation.figures["distances"]
    midpoints = np.array(histograms["distance"])
    counts = {name: np.array(histograms[name]) for name in ("all", "important")}
    for name, values in counts.items():
        panels[0].step(midpoints, values, where="mid", label=f"{name} atoms")
    panels[0].legend()
    fraction = np.divide(counts["important"], counts["all"], out=np.zeros(len(midpoints)), where=counts["all"] > 0)
    panels[1].step(midpoints, fraction, where="mid")
    panels[1].set_title("important atoms among all atoms at that distance")
    return figure


def _convergence(explanation: Explanation) -> Figure:
    figure, panels = _two_panels("step", "loss, mean over centers", "step", "sum of the mask, mean over centers")
    panels[0].semilogy(explanation.masks.loss.mean(axis=0))
    panels[1].semilogy(np.maximum(explanation.masks.kept.mean(axis=0), 1e-6))
    return figure


def _cycles(explanation: Explanation) -> Figure:
    figure, panels = _two_panels("birth (A)", "death (A)", "", "cycles through an edge")
    panels[0].plot(explanation.cycles.birth, explanation.cycles.death, ".", markersize=2)
    panels[0].set_title(f"{len(explanation.cycles.birth)} rings")
    statistics = explanation.figures["cycles"]
    bars = {name: statistics[name] or 0.0 for name in ("important", "random")}
    bars["random of\nsame length"] = statistics["random_of_same_length"] or 0.0
    panels[1].bar(list(bars), list(bars.values()))
    return figure


def _barriers(explanation: Explanation) -> Figure:
    figure, panels = _two_panels("predicted barrier (eV)", "atoms", "", "fraction of atoms")
    panels[0].hist(explanation.barrier, 40, color="tab:gray", label="all atoms")
    centers = np.array([n.center for n in explanation.neighborhoods])
    for k, value in enumerate(explanation.barrier[centers]):
        panels[0].axvline(value, linewidth=0.6, color="tab:red", label="" if k else "centers")
    panels[0].legend()
    statistics = explanation.figures["surroundings"]
    indices = list(dict.fromkeys([*statistics["high"]["indices"], *statistics["low"]["indices"]]))[:10]
    positions = np.arange(len(indices))
    for k, name in enumerate(("high", "low")):
        values = [statistics[name]["indices"].get(index, 0.0) for index in indices]
        panels[1].bar(positions + 0.4 * (k - 0.5), values, 0.4, label=f"{name} barriers")
    panels[1].set_xticks(positions, indices, rotation=40, ha="right", fontsize=7)
    panels[1].legend()
    return figure
