"""Types of arguments that several commands have."""

from __future__ import annotations

from argparse import ArgumentTypeError

from tf_symgnn.config import MAX_SEED
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
