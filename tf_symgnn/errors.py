"""The error that invalid input raises, and checks of arguments that raise it."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import Any


class InputError(ValueError):
    """Invalid input, described in one line: `PATH: FIELD: found FOUND, expected EXPECTED`.

    Args:
        path: the file or folder, or the name of another source of input.
        field: the invalid part of it.
        found: the value of that part.
        expected: a description of the values that are valid.
    """

    def __init__(self, path: Path | str, field: str, found: object, expected: object):
        self.path, self.field = path, field
        self.found, self.expected = _one_line(found), _one_line(expected)
        super().__init__(f"{path}: {field}: found {self.found}, expected {self.expected}")

    def __reduce__(self) -> tuple:
        """Return what `pickle` makes the error from again, in another process."""
        return type(self), (self.path, self.field, self.found, self.expected)


@contextmanager
def as_input_error(path: Path | str, field: str, expected: str) -> Iterator[None]:
    """Raise an `InputError` in place of any other exception of the block, such as those of a parser."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(path, field, f"{type(error).__name__} {error}", expected) from error


def require_number(
    path: Path | str,
    field: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> None:
    """Check that a value is a finite real number within bounds; booleans are no numbers.

    Args:
        path: the source of the value, for the error.
        field: its name.
        value: the value.
        above: an exclusive lower bound, instead of `least` and `most`.
        least: an inclusive lower bound.
        most: an inclusive upper bound.

    Raises:
        InputError: it is not.
    """
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
    _require(valid, path, field, value, "a number", above=above, least=least, most=most)


def require_integer(
    path: Path | str, field: str, value: object, *, least: int | None = None, most: int | None = None
) -> None:
    """Check that a value is an integer within inclusive bounds; arguments are those of `require_number`.

    Raises:
        InputError: it is not.
    """
    valid = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    _require(valid, path, field, value, "a whole number", least=least, most=most)


def require_type(path: Path | str, field: str, value: object, kind: type | tuple[type, ...], expected: str) -> None:
    """Check that a value is an instance of a type, or of one of several types, that `expected` describes.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, kind):
        raise InputError(path, field, repr(value), expected)


def require_path(path: Path | str, field: str, value: Any) -> None:
    """Check that a value is a path, and not an empty text, as of a shell variable that is not set.

    Raises:
        InputError: it is not.
    """
    require_type(path, field, value, (str, PathLike), "a path")
    if not fspath(value):
        raise InputError(path, field, "an empty text", "a path")


def require_choice(path: Path | str, field: str, value: object, choices: Sequence[str | None]) -> None:
    """Check that a value is one of some choices.

    Raises:
        InputError: it is not.
    """
    if value not in choices:
        raise InputError(path, field, repr(value), "one of " + ", ".join(str(choice) for choice in choices))


def _require(
    valid: bool,
    path: Path | str,
    field: str,
    value: Any,
    kind: str,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> None:
    valid = valid and (above is None or value > above) and (least is None or value >= least)
    if valid and (most is None or value <= most):
        return
    if above is not None:
        kind += f" above {above}"
    elif least is not None:
        kind += f" of at least {least}" if most is None else f" from {least} to {most}"
    elif most is not None:
        kind += f" of at most {most}"
    raise InputError(path, field, value if isinstance(value, numbers.Real) else repr(value), kind)


def _one_line(text: object, limit: int = 200) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
