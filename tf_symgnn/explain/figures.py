"""Pictures of an explanation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from tf_symgnn.explain.explain import Explanation


def pictures(explanation: Explanation) -> dict[str, Figure]:
    """All pictures by name."""
    return {
        "fidelity": _fidelity(explanation),
        "distances": _distances(explanation),
        "convergence": _convergence(explanation),
        "cycles": _cycles(explanation),
        "barriers": _barriers(explanation),
    }


def _two(*labels: str) -> tuple[Figure, list]:
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 2).tolist()
    for axes, x, y in zip(panels, labels[::2], labels[1::2], strict=True):
        axes.set(xlabel=x, ylabel=y)
        axes.grid(alpha=0.3)
    return figure, panels


def _fidelity(explanation: Explanation) -> Figure:
    change = "change of prediction / spread"
    figure, panels = _two("share of pairs removed", change, "share of pairs kept", change)
    shares = explanation.figures["fidelity"]["shares"]
    for name, curve in explanation.fidelity.items():
        for axes, values in zip(panels, (curve.removed, curve.kept), strict=True):
            axes.plot(shares, values, "o-", markersize=3, label=name)
    for axes, title in zip(panels, ("fidelity+: high is good", "fidelity-: low is good"), strict=True):
        axes.set_xscale("symlog", linthresh=1e-3)
        axes.set_title(title)
        axes.legend(fontsize=8)
    return figure


def _distances(explanation: Explanation) -> Figure:
    figure, panels = _two("distance from the target (A)", "atoms a target", "distance from the target (A)", "share")
    found = explanation.figures["distances"]
    middles, counts = np.array(found["distance"]), {name: np.array(found[name]) for name in ("all", "important")}
    for name, values in counts.items():
        panels[0].step(middles, values, where="mid", label=f"{name} atoms")
    panels[0].legend()
    share = np.divide(counts["important"], counts["all"], out=np.zeros(len(middles)), where=counts["all"] > 0)
    panels[1].step(middles, share, where="mid")
    panels[1].set_title("of all atoms at that distance, the important ones")
    return figure


def _convergence(explanation: Explanation) -> Figure:
    figure, panels = _two("step", "loss, mean of targets", "step", "sum of the mask, mean of targets")
    panels[0].semilogy(explanation.masks.loss.mean(axis=0))
    panels[1].semilogy(np.maximum(explanation.masks.kept.mean(axis=0), 1e-6))
    return figure


def _cycles(explanation: Explanation) -> Figure:
    figure, panels = _two("birth (A)", "death (A)", "", "cycles through an edge")
    panels[0].plot(explanation.cycles.birth, explanation.cycles.death, ".", markersize=2)
    panels[0].set_title(f"{len(explanation.cycles.birth)} rings")
    found = explanation.figures["cycles"]
    bars = {name: found[key] or 0.0 for name, key in (("important", "important"), ("random", "random"))}
    bars["random of\nsame length"] = found["random_of_same_length"] or 0.0
    panels[1].bar(list(bars), list(bars.values()))
    return figure


def _barriers(explanation: Explanation) -> Figure:
    figure, panels = _two("predicted barrier (eV)", "atoms", "", "share of atoms")
    panels[0].hist(explanation.barrier, 40, color="tab:gray", label="all atoms")
    targets = np.array([n.target for n in explanation.neighbourhoods])
    for k, value in enumerate(explanation.barrier[targets]):
        panels[0].axvline(value, linewidth=0.6, color="tab:red", label="" if k else "targets")
    panels[0].legend()
    found = explanation.figures["surroundings"]
    indices = list(dict.fromkeys([*found["high"]["indices"], *found["low"]["indices"]]))[:10]
    place = np.arange(len(indices))
    for k, name in enumerate(("high", "low")):
        values = [found[name]["indices"].get(index, 0.0) for index in indices]
        panels[1].bar(place + 0.4 * (k - 0.5), values, 0.4, label=f"{name} barriers")
    panels[1].set_xticks(place, indices, rotation=40, ha="right", fontsize=7)
    panels[1].legend()
    return figure
