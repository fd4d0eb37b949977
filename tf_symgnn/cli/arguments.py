"""Parsers of commands with their help, and types of arguments that several commands have."""

from __future__ import annotations

import argparse
import re
from argparse import SUPPRESS, ArgumentTypeError
from pathlib import Path

from jsonargparse import ActionConfigFile, ArgumentParser, DefaultHelpFormatter, Namespace

from tf_symgnn.config import MAX_SEED, split_symbols
from tf_symgnn.config_files import read_fields
from tf_symgnn.data import ReadOptions, parse_pbc
from tf_symgnn.errors import InputError, as_input_error, require_integer


class HelpFormatter(DefaultHelpFormatter):
    """Formats help with options as they are typed, defaults and choices, but without names of Python types."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        notes = ["required"] if action.required and action.option_strings else []
        choices = re.search(r"Literal\[(.*?)\]", self._get_type_str(action) or "")
        if choices and not action.metavar:  # which lists them
            notes.append(choices[1].replace("'", ""))
        default = action.default
        if action.option_strings and default is not None and default is not False and default != SUPPRESS:
            notes.append(f"default: {_plain(default)}")
        return f"{text} ({'; '.join(notes)})" if notes else text

    def _format_action_invocation(self, action: argparse.Action) -> str:
        return _with_dashes(super()._format_action_invocation(action))

    def _format_usage(self, usage, actions, groups, prefix) -> str:
        return _with_dashes(super()._format_usage(usage, actions, groups, prefix))

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        # A command is copied as it is.
        return text if text.startswith(_EXAMPLE) else super()._fill_text(text, width, indent)


_EXAMPLE = "Example:"


def _plain(value: object) -> str:
    """Return a default as it is typed."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def command_parser(
    purpose: str, example: str, *, prog: str | None = None, version: str | None = None
) -> ArgumentParser:
    """Return a parser without arguments.

    Args:
        purpose: of the command, a sentence that fits a line.
        example: a command line.
        prog: name of the program; only of the parser that is no sub-command.
        version: of the program, for `--version`.
    """
    return ArgumentParser(
        prog=prog,
        version=version,
        exit_on_error=False,
        description=purpose,
        epilog=f"{_EXAMPLE}\n  {example}",
        formatter_class=HelpFormatter,
    )


def _with_dashes(text: str) -> str:
    """Return a text in which options have dashes, as `--run-dir` for `--run_dir`."""
    return re.sub(r"--\w[\w.]*", lambda option: option[0].replace("_", "-"), text)


def parse_seed(text: str | int) -> int:
    """Return the seed that a text holds.

    Raises:
        ArgumentTypeError: it is not a whole number that NumPy accepts as a seed.
    """
    try:
        with as_input_error("command line", "seed", "a whole number"):
            seed = int(text)
        require_integer("command line", "seed", seed, least=0, most=MAX_SEED)
    except InputError as error:
        raise ArgumentTypeError(str(error)) from error
    return seed


class ReadConfig(ActionConfigFile):
    """Reads a configuration file that may be another person's.

    jsonargparse imports the module of a class that a file names, and expands aliases without a limit. So the file is
    checked before jsonargparse reads it.
    """

    def __call__(self, parser, cfg, values, option_string=None) -> None:
        read_fields(Path(values))
        super().__call__(parser, cfg, values, option_string)


def add_reading(parser: ArgumentParser) -> None:
    """Add the arguments that state how structure files are read."""
    parser.add_argument("--species", help="chemical symbols of LAMMPS types 1, 2, ..., for example Cu,Zr")
    parser.add_argument(
        "--pbc", help="periodicity along the cell vectors, for example p,p,f; by default as in the file, else p,p,p"
    )
    parser.add_argument(
        "--format", help="format of the files: extxyz, lammps-data, lammps-dump-text, npz, pickle or any that ASE reads"
    )
    parser.add_argument("--atom_style", help="atom style of LAMMPS data files that do not state it")


def read_options(
    args: Namespace, *, label: str | None = None, species: str | None = None, keep_columns: bool = False
) -> ReadOptions:
    """Return the options that the arguments of `add_reading` state.

    Args:
        args: the arguments.
        label: column or key of the energy barriers, eV; None reads none.
        species: as `--species`, where that is not given.
        keep_columns: whether all further per-atom columns are read.

    Raises:
        InputError: an argument is invalid.
    """
    return ReadOptions(
        label=label,
        species=split_symbols(args.species or species),
        pbc=None if args.pbc is None else parse_pbc(args.pbc),
        format=args.format,
        atom_style=args.atom_style,
        keep_columns=keep_columns,
    )
