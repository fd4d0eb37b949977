"""One HTML page of an explanation that opens without a network."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go
from ase.data import chemical_symbols
from ase.data.colors import jmol_colors
from plotly.offline import get_plotlyjs

from tf_symgnn.explain.explain import Explanation

SHOWN = 8.0  # A, atoms round a target

_STYLE = (
    "body{font:15px sans-serif;max-width:70em;margin:2em auto}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}"
)


def page(explanation: Explanation) -> str:
    """The page: figures in words, neighbourhoods in three dimensions, curves and histograms."""
    figures = explanation.figures
    title = html.escape(f"Why these barriers: {figures['glass']}")
    drawn = [_neighbourhoods(explanation), *_curves(explanation), _distances(explanation), _cycles(explanation)]
    body = "\n".join(figure.to_html(full_html=False, include_plotlyjs=False) for figure in drawn)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n<script>{get_plotlyjs()}</script></head>\n"
        f"<body><h1>{title}</h1>\n{_table(summary(figures))}\n{body}\n</body></html>\n"
    )


def summary(figures: dict) -> dict[str, str]:
    """The main figures, each with what it is called."""
    trust, cycles, fidelity = figures["trust"], figures["cycles"], figures["fidelity"]
    learned = figures["masks"]
    reach = "the whole glass" if figures["reach"] is None else f"{figures['reach']:g} A"
    rows = {
        "atoms explained": f"{len(figures['targets'])}, of which isolated {len(figures['isolated'])}",
        "pairs explained": f"{figures['pairs_a_target']:.0f} a target, received within {reach}",
        "change of predictions by that cut": f"{figures['change_by_reach']:.2%} of their spread",
        "steps": f"{learned['steps']}; the last fifth took {learned['still_falling']:.2%} off the loss",
        "important pairs": f"{figures['important_pairs_a_target']:.0f} a target",
        "fidelity+ (mean over shares)": _by_name(fidelity, "mean_removed"),
        "fidelity- (mean over shares)": _by_name(fidelity, "mean_kept"),
    }
    for name, words in (
        ("other_seeds", "same important pairs with other seeds"),
        ("twice_the_steps", "same important pairs with twice the steps"),
        ("shuffled_weights", "same important pairs with shuffled weights"),
    ):
        found = trust[name]
        rows[words] = f"{_number(found['overlap'])} (by chance {_number(found['by_chance'])})"
    return rows | {
        "incompleteness of integrated gradients": f"{figures['gradients']['incompleteness']:.1e} eV",
        "peaks of important atoms' distances": ", ".join(f"{x:g}" for x in figures["distances"]["peaks"]) + " A",
        "peaks of all atoms' distances": ", ".join(f"{x:g}" for x in figures["distances"]["peaks_of_all"]) + " A",
        "species of important atoms, of all": "; ".join(
            ", ".join(f"{symbol} {share:.0%}" for symbol, share in figures["distances"]["species"][of].items())
            for of in ("important", "all")
        ),
        "cycles through an important edge": _number(cycles["important"]),
        "through a random one": f"{_number(cycles['random'])} (p = {_number(cycles['p_random'], '.2g')})",
        "through an unimportant one of the same length": (
            f"{_number(cycles['random_of_same_length'])}, important ones that have such "
            f"{_number(cycles['important_with_such'])} (p = {_number(cycles['p_same_length'], '.2g')})"
        ),
        **{
            f"atoms of {name} barriers": ", ".join(f"{i} {x:.0%}" for i, x in list(found["indices"].items())[:4])
            + f"; coordination {_number(found['coordination'])}"
            for name, found in figures["surroundings"].items()
            if name != "all"
        },
    }


def _by_name(fidelity: dict, key: str) -> str:
    return ", ".join(f"{name} {found[key]:.3f}" for name, found in fidelity.items() if name != "shares")


def _number(value: float | None, spec: str = ".2f") -> str:
    return "-" if value is None else format(value, spec)


def _table(rows: dict[str, str]) -> str:
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>\n" for k, v in rows.items())
    return f"<table>\n{cells}</table>"


def _neighbourhoods(explanation: Explanation) -> go.Figure:
    """Atoms and important edges round each target in turn, chosen in a menu."""
    figure, buttons = go.Figure(), []
    n_targets = len(explanation.neighbourhoods)
    for k, neighbourhood in enumerate(explanation.neighbourhoods):
        atoms = np.flatnonzero(np.linalg.norm(neighbourhood.place, axis=1) <= SHOWN)
        numbers = neighbourhood.graph.atomic_numbers[atoms].tolist()
        pairs = explanation.important[k]
        receiver, sender = (end[pairs] for end in neighbourhood.ends)
        gap = np.full_like(receiver, np.nan)
        lines = np.round(np.stack([receiver, sender, gap], axis=1).reshape(-1, 3), 3)
        x, y, z = np.round(neighbourhood.place[atoms], 3).T
        names = [f"{chemical_symbols[n]} {i}" for n, i in zip(numbers, neighbourhood.atoms[atoms], strict=True)]
        size = np.where(atoms == neighbourhood.centre, 12, 5)
        colors = ["rgb({:.0f},{:.0f},{:.0f})".format(*(255 * jmol_colors[n])) for n in numbers]
        shown = {"visible": k == 0, "showlegend": False}
        figure.add_scatter3d(x=x, y=y, z=z, mode="markers", text=names, marker={"size": size, "color": colors}, **shown)
        figure.add_scatter3d(
            x=lines[:, 0], y=lines[:, 1], z=lines[:, 2], mode="lines", line={"width": 4, "color": "crimson"}, **shown
        )
        visible = [i // 2 == k for i in range(2 * n_targets)]
        buttons.append({"label": f"atom {neighbourhood.target}", "method": "update", "args": [{"visible": visible}]})
    return figure.update_layout(
        title=f"Important edges round a target (large), atoms within {SHOWN:g} A",
        updatemenus=[{"buttons": buttons, "x": 0.0, "y": 1.0}],
        scene={"aspectmode": "data"},
        height=640,
    )


def _curves(explanation: Explanation) -> list[go.Figure]:
    shares = explanation.figures["fidelity"]["shares"]
    drawn = []
    for key, title in (("removed", "fidelity+: pairs removed"), ("kept", "fidelity-: pairs kept")):
        figure = go.Figure()
        for name, curve in explanation.fidelity.items():
            figure.add_scatter(x=shares[1:], y=getattr(curve, key)[1:], name=name, mode="lines+markers")
        figure.update_xaxes(type="log", title="share of pairs")
        figure.update_yaxes(title="change of prediction / spread")
        drawn.append(figure.update_layout(title=title, height=380))
    return drawn


def _distances(explanation: Explanation) -> go.Figure:
    found, figure = explanation.figures["distances"], go.Figure()
    for name in ("all", "important"):
        figure.add_scatter(x=found["distance"], y=found[name], name=f"{name} atoms", line={"shape": "hvh"})
    figure.update_xaxes(title="distance from the target (A)")
    return figure.update_yaxes(title="atoms a target").update_layout(height=380)


def _cycles(explanation: Explanation) -> go.Figure:
    figure = go.Figure()
    x, y = np.round(explanation.cycles.birth, 4), np.round(explanation.cycles.death, 4)
    lengths = [f"{len(cycle)} atoms" for cycle in explanation.cycles.edges]
    figure.add_scattergl(x=x, y=y, text=lengths, mode="markers", marker={"size": 3})
    figure.update_xaxes(title="birth (A)").update_yaxes(title="death (A)")
    return figure.update_layout(title="Rings of the alpha filtration", height=480)
