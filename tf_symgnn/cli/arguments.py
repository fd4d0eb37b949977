"""Types of arguments that several commands have."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

from jsonargparse import ActionConfigFile

from tf_symgnn.config import MAX_SEED, read_fields
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
