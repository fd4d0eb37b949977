"""Types of arguments that several commands have."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

from jsonargparse import ActionConfigFile, ArgumentParser, Namespace

from tf_symgnn.config import MAX_SEED, read_fields, split_symbols
from tf_symgnn.data import ReadOptions, parse_pbc
from tf_symgnn.errors import InputError, as_input_error, require_integer


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
