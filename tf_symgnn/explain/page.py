"""The HTML page of an explanation, which needs no network."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go
from ase.data import chemical_symbols
from ase.data.colors import jmol_colors
from plotly.offline import get_plotlyjs

from tf_symgnn.explain.explain import Explanation
from tf_symgnn.explain.neighborhoods import Neighborhood

DRAWN_RADIUS = 8.0  # A; atoms within this distance of a center are drawn

_STYLE = (
    "body{font:15px sans-serif;max-width:70em;margin:2em auto}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}"
)


def page(explanation: Explanation) -> str:
    """Return the HTML page: a table of results, neighborhoods in three dimensions, curves and histograms."""
    figures = explanation.figures
    title = html.escape(f"Explanation of predicted barriers: {figures['glass']}")
    drawn = [_neighborhoods(explanation), *_curves(explanation), _distances(explanation), _cycles(explanation)]
    body = "\n".join(figure.to_html(full_html=False, include_plotlyjs=False) for figure in drawn)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n<script>{get_plotlyjs()}</script></head>\n"
        f"<body><h1>{title}</h1>\n{_table(summary(figures))}\n{_terms(figures)}\n{body}\n</body></html>\n"
    )


def _terms(figures: dict) -> str:
    """Return a table of the mean contributions to the barriers of the centers, and what pair weights do not act on."""
    note = "<p>Pair weights do not act on descriptors from the potential.</p>" if figures["descriptors"] else ""
    if not figures["contributions"]:
        return note
    rows = {name: f"{term:+.3f} eV" for name, term in figures["contributions"].items()}
    return f"<h2>Mean contributions to the barriers of the explained atoms</h2>\n{_table(rows)}\n{note}"


def summary(figures: dict) -> dict[str, str]:
    """Return the main results as text, by their description."""
    trust, cycles, fidelity = figures["trust"], figures["cycles"], figures["fidelity"]
    learned = figures["masks"]
    reach = "the whole glass" if figures["reach"] is None else f"{figures['reach']:g} A"
    rows = {
        "explained atoms": f"{len(figures['targets'])}, of which isolated: {len(figures['isolated'])}",
        "explained pairs": f"{figures['pairs_a_target']:.0f} per center, with receivers within {reach}",
        "change of predictions by the restriction to these pairs": f"{figures['change_by_reach']:.2%} of their spread",
        "steps": f"{learned['steps']}; the last fifth gave {learned['still_falling']:.2%} of the decrease in loss",
        "important pairs": f"{figures['important_pairs_a_target']:.0f} per center",
        "fidelity+ (mean over fractions)": _by_name(fidelity, "mean_removed"),
        "fidelity- (mean over fractions)": _by_name(fidelity, "mean_kept"),
    }
    for name, description in (
        ("other_seeds", "overlap of important pairs with other seeds"),
        ("twice_the_steps", "overlap of important pairs with twice the steps"),
        ("shuffled_weights", "overlap of important pairs with shuffled weights"),
    ):
        rows[description] = f"{_number(trust[name]['overlap'])} (by chance {_number(trust[name]['by_chance'])})"
    return rows | {
        "incompleteness of integrated gradients": f"{figures['gradients']['incompleteness']:.1e} eV",
        "peaks of the distances of important atoms": ", ".join(f"{x:g}" for x in figures["distances"]["peaks"]) + " A",
        "peaks of the distances of all atoms": ", ".join(f"{x:g}" for x in figures["distances"]["peaks_of_all"]) + " A",
        "species of important atoms; of all atoms": "; ".join(
            ", ".join(f"{symbol} {share:.0%}" for symbol, share in figures["distances"]["species"][of].items())
            for of in ("important", "all")
        ),
        "cycles through an important edge": _number(cycles["important"]),
        "cycles through a random edge": f"{_number(cycles['random'])} (p = {_number(cycles['p_random'], '.2g')})",
        "cycles through an unimportant edge of the same length": (
            f"{_number(cycles['random_of_same_length'])}; through the important edges with such a partner "
            f"{_number(cycles['important_with_such'])} (p = {_number(cycles['p_same_length'], '.2g')})"
        ),
        **{
            f"atoms with {name} barriers": ", ".join(f"{i} {x:.0%}" for i, x in list(group["indices"].items())[:4])
            + f"; coordination {_number(group['coordination'])}"
            for name, group in figures["surroundings"].items()
            if name != "all"
        },
    }


def _by_name(fidelity: dict, key: str) -> str:
    return ", ".join(f"{name} {curve[key]:.3f}" for name, curve in fidelity.items() if name != "shares")


def _number(value: float | None, spec: str = ".2f") -> str:
    return "-" if value is None else format(value, spec)


def _table(rows: dict[str, str]) -> str:
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>\n" for k, v in rows.items())
    return f"<table>\n{cells}</table>"


def _neighborhoods(explanation: Explanation) -> go.Figure:
    """Return a scene of atoms and important edges around one center, which a menu selects."""
    figure, buttons = go.Figure(), []
    n_centers = len(explanation.neighborhoods)
    for k, neighborhood in enumerate(explanation.neighborhoods):
        _add_neighborhood(figure, neighborhood, explanation.important[k], visible=k == 0)
        visible = [i // 2 == k for i in range(2 * n_centers)]
        buttons.append({"label": f"atom {neighborhood.center}", "method": "update", "args": [{"visible": visible}]})
    return figure.update_layout(
        title=f"Important edges around a center (large), atoms within {DRAWN_RADIUS:g} A",
        updatemenus=[{"buttons": buttons, "x": 0.0, "y": 1.0}],
        scene={"aspectmode": "data"},
        height=640,
    )


def _add_neighborhood(figure: go.Figure, neighborhood: Neighborhood, pairs: np.ndarray, *, visible: bool) -> None:
    """Add two traces to a scene: the atoms around a center, and some pairs i64 as lines."""
    atoms = np.flatnonzero(np.linalg.norm(neighborhood.relative_positions, axis=1) <= DRAWN_RADIUS)
    numbers = neighborhood.graph.atomic_numbers[atoms].tolist()
    receiver, sender = (end[pairs] for end in neighborhood.ends)
    gap = np.full_like(receiver, np.nan)
    lines = np.round(np.stack([receiver, sender, gap], axis=1).reshape(-1, 3), 3)
    x, y, z = np.round(neighborhood.relative_positions[atoms], 3).T
    labels = [f"{chemical_symbols[n]} {i}" for n, i in zip(numbers, neighborhood.atoms[atoms], strict=True)]
    size = np.where(atoms == neighborhood.center_index, 12, 5)
    colors = ["rgb({:.0f},{:.0f},{:.0f})".format(*(255 * jmol_colors[n])) for n in numbers]
    marker, line = {"size": size, "color": colors}, {"width": 4, "color": "crimson"}
    figure.add_scatter3d(x=x, y=y, z=z, mode="markers", text=labels, marker=marker, visible=visible, showlegend=False)
    x, y, z = lines.T
    figure.add_scatter3d(x=x, y=y, z=z, mode="lines", line=line, visible=visible, showlegend=False)


def _curves(explanation: Explanation) -> list[go.Figure]:
    fractions = explanation.figures["fidelity"]["shares"]
    figures = []
    for key, title in (("removed", "fidelity+: pairs removed"), ("kept", "fidelity-: pairs kept")):
        figure = go.Figure()
        for name, curve in explanation.fidelity.items():
            figure.add_scatter(x=fractions[1:], y=getattr(curve, key)[1:], name=name, mode="lines+markers")
        figure.update_xaxes(type="log", title="fraction of pairs")
        figure.update_yaxes(title="change of prediction / spread")
        figures.append(figure.update_layout(title=title, height=380))
    return figures


def _distances(explanation: Explanation) -> go.Figure:
    histograms, figure = explanation.figures["distances"], go.Figure()
    for name in ("all", "important"):
        figure.add_scatter(x=histograms["distance"], y=histograms[name], name=f"{name} atoms", line={"shape": "hvh"})
    figure.update_xaxes(title="distance from the center (A)")
    return figure.update_yaxes(title="atoms per center").update_layout(height=380)


def _cycles(explanation: Explanation) -> go.Figure:
    figure = go.Figure()
    x, y = np.round(explanation.cycles.birth, 4), np.round(explanation.cycles.death, 4)
    lengths = [f"{len(cycle)} atoms" for cycle in explanation.cycles.edges]
    figure.add_scattergl(x=x, y=y, text=lengths, mode="markers", marker={"size": 3})
    figure.update_xaxes(title="birth (A)").update_yaxes(title="death (A)")
    return figure.update_layout(title="Rings of the alpha filtration", height=480)
