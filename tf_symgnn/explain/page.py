"""The HTML page of an explanation, which needs no network."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from matplotlib import rc_context
from matplotlib.figure import Figure

from tf_symgnn.drawing import Bonds, Scene, colors_of, scenes_html
from tf_symgnn.explain.displacements import SIZE
from tf_symgnn.explain.explain import Explanation
from tf_symgnn.explain.neighborhoods import Neighborhood

DRAWN_RADIUS = 8.0  # A; atoms within this distance of a center are drawn
SCENE = "neighborhood"  # the figure that is drawn in 3D
SPHERES = (0.45, 0.2)  # radius over the covalent radius of an atom with an important pair, and of others
THICKNESS = (0.05, 0.25)  # A, radius of the bond of the least and of the most important of the pairs
_CENTER, _BOND_COLORS = (0.1, 0.1, 0.1), ((0.95, 0.82, 0.72), (0.75, 0.05, 0.15))

# Of the figures of the page, in its order.
CAPTIONS = {
    "barriers": "Predicted barriers of all atoms of the glass and of the explained ones, eV.",
    "contributions": (
        "Terms that the predictions are the sum of, eV: means of the explained atoms, and of all atoms the "
        "range of the middle 90%."
    ),
    SCENE: (
        "Important pairs around an explained atom, which the menu selects: the thicker and redder, the more "
        f"important, by rank. Atoms within {DRAWN_RADIUS:g} Å are drawn, the explained one in black, those without "
        "such a pair small. Drag to rotate, click and scroll to zoom, double-click to reset."
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
    drawn[SCENE] = scenes_html(
        [
            _scene(neighborhood, pairs)
            for neighborhood, pairs in zip(explanation.neighborhoods, explanation.important, strict=True)
        ],
        [chemical_symbols[number] for number in set(explanation.graph.atomic_numbers.tolist())],
    )
    listed = "\n".join(f"<li>{html.escape(sentence)}</li>" for sentence in explanation.sentences)
    numbered = [(name, caption) for name, caption in CAPTIONS.items() if name in drawn]
    body = "\n".join(
        f'<figure id="{name}">{drawn[name]}\n'
        f"<figcaption><b>Figure {k}.</b> {html.escape(caption)}</figcaption></figure>"
        for k, (name, caption) in enumerate(numbered, start=1)
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{_STYLE}</style></head>\n"
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
        **{
            f"contribution of {name} (glass)": f"{term:+.3f} eV ({figures['glass_contributions'][name]:+.3f} eV)"
            for name, term in figures["contributions"].items()
        },
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


def _scene(neighborhood: Neighborhood, pairs: np.ndarray) -> Scene:
    """Return the atoms around a center, and pairs i64[P], the most important first, as thinner and thinner bonds."""
    near = np.flatnonzero(np.linalg.norm(neighborhood.relative_positions, axis=1) <= DRAWN_RADIUS)
    ends, graph = np.stack(neighborhood.ends)[:, pairs], neighborhood.graph
    # The ends of pairs may be farther away, or other images of the atoms.
    atoms = np.concatenate([near, graph.target[pairs], graph.source[pairs]])
    positions = np.concatenate([neighborhood.relative_positions[near], *ends]).round(3)
    _, once = np.unique(np.column_stack([atoms, positions]), axis=0, return_index=True)
    atoms, positions = atoms[once], positions[once]
    numbers, indices = graph.atomic_numbers[atoms], neighborhood.atoms[atoms].tolist()
    symbols = [chemical_symbols[number] for number in numbers]
    colors = colors_of(symbols)
    is_center = atoms == neighborhood.center_index
    paired = np.isin(atoms, np.concatenate([graph.target[pairs], graph.source[pairs]])) | is_center
    # Important pairs have similar importance: ranks show which is more important.
    rank = np.linspace(1, 0, len(pairs))
    return Scene(
        name=f"atom {neighborhood.center}",
        positions=positions,
        radii=np.where(paired, *SPHERES) * covalent_radii[numbers],
        colors=np.where(is_center[:, None], _CENTER, [colors[symbol] for symbol in symbols]),
        labels=[f"{symbol}, atom {index}" for symbol, index in zip(symbols, indices, strict=True)],
        bonds=Bonds(
            start=ends[0],
            stop=ends[1],
            radii=np.interp(rank, [0, 1], THICKNESS),
            colors=np.stack([np.interp(rank, [0, 1], part) for part in np.transpose(_BOND_COLORS)], axis=1),
        ),
    )
