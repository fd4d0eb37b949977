"""The HTML page of an explanation, which needs no network."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib import rc_context
from matplotlib.figure import Figure
from plotly.offline import get_plotlyjs

from tf_symgnn.explain.displacements import SIZE
from tf_symgnn.explain.explain import Explanation
from tf_symgnn.explain.neighborhoods import Neighborhood

DRAWN_RADIUS = 8.0  # A; atoms within this distance of a center are drawn
SCENE = "neighborhood"  # the figure that plotly draws
THICKNESSES = ((0.0, 2), (1 / 3, 5), (2 / 3, 9))  # of lines, in pixels, from these fractions of the largest importance

# Of the figures of the page, in its order.
CAPTIONS = {
    "barriers": "Predicted barriers of all atoms of the glass and of the explained ones, eV.",
    "contributions": (
        "Terms that the predictions are the sum of, eV: means of the explained atoms, and of all atoms the "
        "range of the middle 90%."
    ),
    SCENE: (
        "Important pairs around an explained atom, which the menu selects: the thicker, the more important. "
        f"Atoms within {DRAWN_RADIUS:g} Å are drawn, the explained one in black. Drag to turn, scroll to zoom."
    ),
    "displacements": (
        f"Change of the predictions when the most important atoms are displaced at random by {SIZE:g} Å along each "
        "axis, in standard deviations of predictions, by the method that ranks the atoms. A method whose "
        "curve is no higher than that of random atoms explains nothing."
    ),
    "fidelity": (
        "Change of the predictions when the most important pairs are removed (left, high is good) and when "
        "only these are kept (right, low is good), in standard deviations of predictions. Atoms without some "
        "of their pairs are unlike those of any glass."
    ),
    "distances": "Distances of atoms with an important pair, and of all atoms, from the explained atom, Å.",
    "cycles": (
        "Rings of the alpha filtration, Å, and the number of rings through important pairs and others, with "
        "95% confidence intervals over explained atoms. Partners have the length of an important pair to 0.1 "
        "Å."
    ),
    "surroundings": (
        "Voronoi cells of the tenth of atoms with the highest barriers and of that with the lowest ones, with"
        " 95% confidence intervals."
    ),
}

_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc}figure{margin:2em 0}"
    "figure svg{max-width:100%;height:auto}figcaption{color:#444;max-width:46em}li{margin:.3em 0}"
)


def page(explanation: Explanation, plots: Mapping[str, Figure]) -> str:
    """Return the HTML page: the results in sentences, figures with captions, and a table as appendix.

    Args:
        explanation: the explanation.
        plots: as `plots_of` returns them.
    """
    figures = explanation.figures
    title = html.escape(f"Explanation of predicted barriers: {figures['glass']}")
    drawn = {name: _svg(figure, name) for name, figure in plots.items() if name in CAPTIONS}
    drawn[SCENE] = _neighborhoods(explanation).to_html(full_html=False, include_plotlyjs=False)
    listed = "\n".join(f"<li>{html.escape(sentence)}</li>" for sentence in explanation.sentences)
    numbered = [(name, caption) for name, caption in CAPTIONS.items() if name in drawn]
    body = "\n".join(
        f'<figure id="{name}">{drawn[name]}\n'
        f"<figcaption><b>Figure {k}.</b> {html.escape(caption)}</figcaption></figure>"
        for k, (name, caption) in enumerate(numbered, start=1)
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n<script>{get_plotlyjs()}</script></head>\n"
        f"<body><h1>{title}</h1>\n<ul>\n{listed}\n</ul>\n{body}\n"
        f"<h2>Appendix: numbers</h2>\n{_table(summary(figures))}\n</body></html>\n"
    )


def _svg(figure: Figure, name: str) -> str:
    """Return a plot as SVG, whose identifiers differ from those of other plots and are the same in every run."""
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), count=1, flags=re.DOTALL)


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
        "change by displaced atoms (mean over fractions)": _by_name(figures["displacements"], "mean"),
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
        **{f"contribution of {name}": f"{term:+.3f} eV" for name, term in figures["contributions"].items()},
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


def _by_name(curves: dict, key: str) -> str:
    return ", ".join(f"{name} {curve[key]:.3f}" for name, curve in curves.items() if isinstance(curve, dict))


def _number(value: float | None, spec: str = ".2f") -> str:
    return "-" if value is None else format(value, spec)


def _table(rows: dict[str, str]) -> str:
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>\n" for k, v in rows.items())
    return f"<table>\n{cells}</table>"


def _neighborhoods(explanation: Explanation) -> go.Figure:
    """Return a scene of atoms and important pairs around one center, which a menu selects."""
    figure, buttons, traces = go.Figure(), [], 1 + len(THICKNESSES)
    n_centers = len(explanation.neighborhoods)
    for k, (neighborhood, pairs) in enumerate(zip(explanation.neighborhoods, explanation.important, strict=True)):
        importance = explanation.masks.importance[k][pairs]
        _add_neighborhood(figure, neighborhood, pairs, importance, visible=k == 0)
        visible = [i // traces == k for i in range(traces * n_centers)]
        buttons.append({"label": f"atom {neighborhood.center}", "method": "update", "args": [{"visible": visible}]})
    hidden = dict.fromkeys(("xaxis", "yaxis", "zaxis"), {"visible": False})
    return figure.update_layout(
        updatemenus=[{"buttons": buttons, "x": 0.0, "y": 1.0}],
        scene={"aspectmode": "data", **hidden},
        margin=dict.fromkeys("lrtb", 0),
        height=600,
    )


def _add_neighborhood(
    figure: go.Figure, neighborhood: Neighborhood, pairs: np.ndarray, importance: np.ndarray, *, visible: bool
) -> None:
    """Add the atoms around a center, and pairs i64[P] as lines, thicker for a larger importance [P], to a scene."""
    atoms = np.flatnonzero(np.linalg.norm(neighborhood.relative_positions, axis=1) <= DRAWN_RADIUS)
    numbers = neighborhood.graph.atomic_numbers[atoms]
    x, y, z = np.round(neighborhood.relative_positions[atoms], 3).T
    labels = [f"{chemical_symbols[n]} {i}" for n, i in zip(numbers.tolist(), neighborhood.atoms[atoms], strict=True)]
    colors = ["rgb({:.0f},{:.0f},{:.0f})".format(*(255 * jmol_colors[n])) for n in numbers.tolist()]
    colors = [
        "black" if atom == neighborhood.center_index else color for atom, color in zip(atoms, colors, strict=True)
    ]
    marker = {"size": 9 * covalent_radii[numbers], "color": colors, "opacity": 1, "line": {"width": 0}}
    common = {"visible": visible, "showlegend": False}
    figure.add_scatter3d(x=x, y=y, z=z, mode="markers", text=labels, hoverinfo="text", marker=marker, **common)
    bounds = [fraction for fraction, _ in THICKNESSES] + [np.inf]
    share = importance / max(importance.max(initial=0.0), 1e-300)
    receiver, sender = neighborhood.ends
    for (low, width), high in zip(THICKNESSES, bounds[1:], strict=True):
        chosen = pairs[(share >= low) & (share < high)]
        gap = np.full_like(receiver[chosen], np.nan)
        x, y, z = np.round(np.stack([receiver[chosen], sender[chosen], gap], axis=1).reshape(-1, 3), 3).T
        line = {"width": width, "color": "crimson"}
        figure.add_scatter3d(x=x, y=y, z=z, mode="lines", line=line, hoverinfo="skip", **common)
