"""Plots of an explanation."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tf_symgnn.explain.explain import Explanation

MOST_CELLS = 10  # Voronoi cells in a plot


def plots_of(explanation: Explanation) -> dict[str, Figure]:
    """Return all plots of an explanation, by name, in the order in which they are read."""
    contributions = {"contributions": _contributions(explanation)} if explanation.terms.contributions else {}
    return {
        "barriers": _barriers(explanation),
        **contributions,
        "displacements": _displacements(explanation),
        "fidelity": _fidelity(explanation),
        "distances": _distances(explanation),
        "cycles": _cycles(explanation),
        "surroundings": _surroundings(explanation),
        "convergence": _convergence(explanation),
    }


def _panel(x: str, y: str) -> tuple[Figure, Axes]:
    """Return a figure of one panel, given the labels of its axes."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


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
    distance = "distance from the center (Å)"
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
    figure, panels = _two_panels("birth (Å)", "death (Å)", "", "rings through a pair")
    panels[0].plot(explanation.cycles.birth, explanation.cycles.death, ".", markersize=2)
    panels[0].set_title(f"{len(explanation.cycles.birth)} rings")
    statistics = explanation.figures["cycles"]
    labels = {
        "important": "important",
        "random": "random",
        "important_with_such": "important,\nwith partner",
        "random_of_same_length": "partner of\nsame length",
    }
    _bars(panels[1], [statistics[name] for name in labels], [statistics["intervals"][name] for name in labels])
    panels[1].set_xticks(range(len(labels)), labels.values(), fontsize=8)
    return figure


def _bars(axes: Axes, values: list, intervals: list, *, offset: float = 0.0, width: float = 0.7, **style) -> None:
    """Draw bars with confidence intervals; None is no bar, or no interval."""
    heights = np.array([0.0 if value is None else value for value in values])
    ends = np.array([[h, h] if interval is None else interval for h, interval in zip(heights, intervals, strict=True)])
    # Rounding can put the end of an interval of no width on the other side.
    errors = np.maximum(np.abs(ends.T - heights), 0)
    axes.bar(np.arange(len(values)) + offset, heights, width, yerr=errors, capsize=3, error_kw={"lw": 1}, **style)


def _barriers(explanation: Explanation) -> Figure:
    figure, axes = _panel("predicted barrier (eV)", "atoms")
    axes.hist(explanation.barrier, 40, color="tab:gray", label="all atoms")
    centers = np.array([n.center for n in explanation.neighborhoods])
    for k, value in enumerate(explanation.barrier[centers]):
        axes.axvline(value, linewidth=0.6, color="tab:red", label="" if k else "explained atoms")
    axes.legend()
    return figure


def _contributions(explanation: Explanation) -> Figure:
    """Return the mean term of the explained atoms and the range of the middle nine tenths of all atoms."""
    centers = [n.center for n in explanation.neighborhoods]
    terms = explanation.terms.contributions
    figure = Figure(figsize=(6.4, 1.2 + 0.32 * len(terms)), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel="contribution (eV)")
    axes.grid(alpha=0.3)
    rows = np.arange(len(terms))[::-1]
    low, high = np.quantile([*terms.values()], [0.05, 0.95], axis=1)
    axes.barh(rows, high - low, left=low, height=0.6, color="tab:gray", alpha=0.4, label="middle 90% of all atoms")
    axes.plot([term[centers].mean() for term in terms.values()], rows, "o", color="tab:red", label="explained, mean")
    axes.set_yticks(rows, terms)
    axes.axvline(0, color="black", lw=0.6)
    axes.legend(fontsize=8)
    return figure


def _displacements(explanation: Explanation) -> Figure:
    figure, axes = _panel("fraction of atoms displaced", "change of prediction / spread")
    for name, curve in explanation.displacements.items():
        axes.plot(explanation.figures["displacements"]["shares"], curve.change, "o-", markersize=3, label=name)
    axes.set_xscale("log")
    axes.legend(fontsize=8)
    return figure


def _surroundings(explanation: Explanation) -> Figure:
    figure, axes = _panel("", "fraction of atoms")
    statistics = explanation.figures["surroundings"]
    high, low = (statistics[name]["indices"] for name in ("high", "low"))
    indices = sorted(high, key=lambda index: -max(high[index], low[index]))[:MOST_CELLS]
    for k, name in enumerate(("high", "low")):
        group = statistics[name]
        values, intervals = ([group[key][index] for index in indices] for key in ("indices", "intervals"))
        _bars(axes, values, intervals, offset=0.4 * (k - 0.5), width=0.4, label=f"{name} barriers")
    axes.set_xticks(range(len(indices)), indices, rotation=40, ha="right", fontsize=7)
    axes.legend()
    return figure
