"""Scenes of atoms and bonds, and the HTML that draws them without a network."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from ase.data.colors import jmol_colors

SCRIPTS = Path(__file__).parent / "scripts"
_IN_ORDER = ("vectors.js", "scene.js", "controls.js", "scenes.js")  # each after those that it imports
_STYLE = (
    ".scenes canvas{display:block;width:100%;height:560px;cursor:grab;touch-action:none;border-radius:6px}"
    ".scenes select{font:inherit;margin:0 1em .5em 0}.scenes i{display:inline-block;width:.9em;height:.9em;"
    "border-radius:50%;margin:0 .3em 0 .9em;vertical-align:-.1em}.scenes output{margin-left:1.5em}"
)


@dataclass(frozen=True)
class Bonds:
    """Cylinders between two points each.

    Args:
        start: [B, 3], A.
        stop: [B, 3], A.
        radii: [B], A.
        colors: [B, 3], red, green and blue from 0 to 1.
    """

    start: np.ndarray
    stop: np.ndarray
    radii: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Atoms as spheres, and bonds.

    Args:
        name: in the menu of scenes.
        positions: [N, 3], A.
        radii: [N], A.
        colors: [N, 3], red, green and blue from 0 to 1.
        labels: [N], shown of the atom under the pointer.
        bonds: between them.
    """

    name: str
    positions: np.ndarray
    radii: np.ndarray
    colors: np.ndarray
    labels: Sequence[str]
    bonds: Bonds

    def __post_init__(self):
        """Check shapes and numbers, since a browser would draw nothing and print no reason.

        Raises:
            ValueError: a shape does not fit, or a number is not finite.
        """
        n_atoms, n_bonds = len(self.labels), len(self.bonds.radii)
        for name, values, shape in (
            ("positions", self.positions, (n_atoms, 3)),
            ("radii", self.radii, (n_atoms,)),
            ("colors", self.colors, (n_atoms, 3)),
            ("bonds.start", self.bonds.start, (n_bonds, 3)),
            ("bonds.stop", self.bonds.stop, (n_bonds, 3)),
            ("bonds.radii", self.bonds.radii, (n_bonds,)),
            ("bonds.colors", self.bonds.colors, (n_bonds, 3)),
        ):
            if np.shape(values) != shape or not np.isfinite(values).all():
                raise ValueError(f"{name}: shape {np.shape(values)}, expected finite numbers of shape {shape}")

    def record(self) -> dict:
        """Return the scene as `scenes.js` reads it."""
        bonds = self.bonds
        rows = zip(*(_rounded(part) for part in (bonds.start, bonds.stop, bonds.radii, bonds.colors)), strict=True)
        return {
            "positions": _rounded(self.positions),
            "radii": _rounded(self.radii),
            "colors": _rounded(self.colors),
            "labels": list(self.labels),
            "bonds": [dict(zip(("from", "to", "radius", "color"), row, strict=True)) for row in rows],
        }


def _rounded(values: np.ndarray) -> list:
    return np.round(np.asarray(values, float), 3).tolist()


def colors_of(symbols: Iterable[str]) -> dict[str, list[float]]:
    """Return the color of each element, red, green and blue from 0 to 1, by symbol in alphabetical order."""
    return {symbol: jmol_colors[atomic_numbers[symbol]].tolist() for symbol in sorted(set(symbols))}


def scenes_html(scenes: Sequence[Scene], symbols: Iterable[str]) -> str:
    """Return a part of an HTML page that draws one of several scenes, which a menu selects; it loads nothing.

    Args:
        scenes: at least one.
        symbols: elements of the legend.
    """
    options = "".join(f"<option>{html.escape(scene.name)}</option>" for scene in scenes)
    legend = "".join(
        f'<i style="background:rgb({" ".join(str(round(255 * part)) for part in color)})"></i>{symbol}'
        for symbol, color in colors_of(symbols).items()
    )
    # A label with `</script>` would end the element.
    records = json.dumps([scene.record() for scene in scenes], separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<div class="scenes"><style>{_STYLE}</style>\n<select aria-label="scene">{options}</select>{legend}'
        '<output></output>\n<canvas tabindex="0" aria-label="Atoms and bonds. Arrow keys rotate, + and - zoom.">'
        f'</canvas>\n<script type="application/json">{records}</script>\n<script type="module">\n{_one_module()}'
        'document.querySelectorAll(".scenes").forEach(showScenes);\n</script></div>'
    )


def _one_module() -> str:
    """Return the scripts as one, since a module in a page cannot import others of it."""
    return "".join(re.sub(r"^import .*\n", "", (SCRIPTS / name).read_text(), flags=re.MULTILINE) for name in _IN_ORDER)
