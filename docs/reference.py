"""A Sphinx extension: the reference of configuration and commands, links to files of the repository, and equations.

The reference is made from the dataclasses and parsers of the package at each build, so that no copy of it is stored.
Equations are written as MathML, so that the pages need no network.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from docstring_parser import parse
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from tf_symgnn.cli import COMMANDS
from tf_symgnn.cli.messages import with_dashes
from tf_symgnn.config import GraphConfig, NetworkConfig, OptimizerConfig, RunConfig, StreamConfig

ROOT = Path(__file__).resolve().parents[1]
SECTIONS = {"": RunConfig, "graph": GraphConfig, "stream": StreamConfig, "network": NetworkConfig}
SECTIONS["optimizer"] = OptimizerConfig

# Files of the repository that a page includes.
PAGES = {
    "README.md": "docs/index.md",
    "CONTRIBUTING.md": "docs/developers.md",
    "CHANGELOG.md": "docs/changelog.md",
    "SECURITY.md": "docs/security.md",
    "benchmarks/RESULTS.md": "docs/results.md",
    "tf_symgnn/data/cuzr/README.md": "docs/dataset.md",
    "tf_symgnn/pretrained/cuzr/README.md": "docs/model_card.md",
    "tf_symgnn/server/README.md": "docs/serve.md",
    "integrations/README.md": "docs/integrations.md",
}
LINK = re.compile(r"(?<!!)\[((?:[^\]`]|`[^`]*`)+)\]\(([^)\s]+)\)")


def _cell(text: object) -> str:
    words = " ".join(str(text).split()).replace("|", "\\|")
    # An option, or an option with a quoted value, which stays as it is.
    options = re.compile(r"""(?<![`\w])--[a-z_]+(="[^"]*")?(?![`\w])""")
    return options.sub(lambda found: f"`{found[0] if found[1] else with_dashes(found[0])}`", words)


def _table(heads: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[str]:
    lines = [heads, ("---",) * len(heads), *rows]
    return ["", *("| " + " | ".join(map(_cell, line)) + " |" for line in lines), ""]


def _literal(value: object) -> str:
    return f"`{'null' if value is None else str(value).lower() if isinstance(value, bool) else value}`"


def configuration_lines() -> Iterator[str]:
    """Yield the reference of the configuration in Markdown: a section and a table per dataclass."""
    for section, kind in SECTIONS.items():
        docstring = parse(kind.__doc__)
        meaning = {parameter.arg_name: parameter.description for parameter in docstring.params}
        yield from (f"## {f'Section `{section}`' if section else 'Run'}", "", docstring.short_description)
        hints = get_type_hints(kind)
        rows = [
            (f"`{field.name}`", _type(hints[field.name]), _literal(field.default), meaning[field.name])
            for field in dataclasses.fields(kind)
            if field.name not in SECTIONS
        ]
        yield from _table(("field", "type", "default", "meaning"), rows)


def _type(hint: object) -> str:
    """Return the type of a field in words."""
    names = {int: "whole number", float: "number", bool: "true or false", str: "text", type(None): "`null`"}
    if hint in names:
        return names[hint]
    if get_origin(hint) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return "list of whole numbers"
    return " or ".join(map(_type, get_args(hint)))


def command_lines() -> Iterator[str]:
    """Yield the reference of the command line in Markdown: a section per command."""
    for name, command in COMMANDS.items():
        parser = command.make_parser()
        if not command.add_parts:
            yield from _parser_lines(f"tf-symgnn {name}", parser)
            continue
        # jsonargparse adds parts only to the parser of a sub-command.
        program = type(parser)(prog="tf-symgnn")
        program.add_subcommands(dest="command").add_subcommand(name, parser)
        command.add_parts(parser)
        (parts,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
        for part, of_part in parts.items():
            yield from _parser_lines(f"tf-symgnn {name} {part}", of_part)


def _parser_lines(title: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    example = parser.epilog.splitlines()[-1].strip()
    yield from (f"## {title}", "", parser.description, "", "```console", f"$ {example}", "```", "")
    own = [action for action in parser._actions if not _is_general(action)]
    rows = [(_names(action), _default(action), action.help) for action in own]
    if rows:
        yield from _table(("argument", "default", "meaning"), rows)
    if len(own) < len([action for action in parser._actions if action.dest != "help"]) - 1:
        yield "Every field of the [configuration](configuration.md) is an option, too, as in `--graph.cutoff 5`."


def _is_general(action: argparse.Action) -> bool:
    """Return whether an argument is that for help, or a field of the configuration."""
    first = action.dest.split(".")[0]
    return action.dest in ("help", "print_config") or "." in action.dest or first in SECTIONS


def _names(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {' '.join(_values(action))}"
    if not action.option_strings:
        return f"`{action.dest}`" + (" ..." if action.nargs == "+" else "")
    return ", ".join(f"`{with_dashes(option)}{value}`" for option in action.option_strings if option != "-h")


def _values(action: argparse.Action) -> tuple[str, ...]:
    if action.choices:
        return ("{" + ",".join(map(str, action.choices)) + "}",)
    if isinstance(action.metavar, tuple):
        return action.metavar
    name = action.dest.split(".")[-1].upper()
    return (f"{name} ...",) if action.nargs == "+" else (f"[{name}]",) if action.nargs == "?" else (name,)


def _default(action: argparse.Action) -> str:
    if action.required and action.option_strings:
        return "required"
    if action.default in (None, argparse.SUPPRESS) or action.nargs == 0 or not action.option_strings:
        return ""
    values = action.default if isinstance(action.default, list) else [action.default]
    return " ".join(_literal(f"{value:g}" if isinstance(value, float) else value) for value in values)


class Reference(SphinxDirective):
    """Inserts a generated reference: `configuration` or `commands`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sections of the reference."""
        lines = {"configuration": configuration_lines, "commands": command_lines}[self.arguments[0]]()
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def _write_equation(translator: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Write an equation as MathML."""
    block = isinstance(node, nodes.math_block)
    equation = tex2mathml(node.astext(), as_block=block)
    translator.body.append(f'<div class="math">{equation}</div>' if block else equation)
    raise nodes.SkipNode


def relink(text: str, folder: Path, page: Path) -> str:
    """Return Markdown in which links to files of the repository are links to pages, or else the paths as code.

    Args:
        text: the Markdown.
        folder: folder that links are relative to.
        page: folder of the page that the text becomes part of.
    """

    def replace(match: re.Match) -> str:
        title, (target, _, anchor) = match[1], match[2].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = Path(os.path.normpath(folder / target))
        path = ROOT / PAGES.get(path.relative_to(ROOT).as_posix(), path)
        if path.suffix == ".md" and path.is_relative_to(ROOT / "docs"):
            return f"[{title}]({posixpath.join('.', os.path.relpath(path, page))}{'#' + anchor if anchor else ''})"
        shown = path.relative_to(ROOT).as_posix()
        return f"`{shown}`" if title.strip("`") in (path.name, shown) else f"{title} `{shown}`"

    blocks = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(block if block.startswith("```") else LINK.sub(replace, block) for block in blocks)


def _relink_page(app: Sphinx, name: str, content: list[str]) -> None:
    folder = app.env.doc2path(name).parent
    content[0] = relink(content[0], folder, folder)


def _relink_included(app: Sphinx, path: Path, name: str, content: list[str]) -> None:
    content[0] = relink(content[0], (Path(app.srcdir) / path).resolve().parent, Path(app.srcdir))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, the writer of equations and the handlers of links."""
    app.add_directive("reference", Reference)
    app.add_html_math_renderer("mathml", (_write_equation, None), (_write_equation, None))
    app.connect("source-read", _relink_page)
    app.connect("include-read", _relink_included)
    return {"parallel_read_safe": True}
