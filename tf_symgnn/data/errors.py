"""The one error that bad input raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used, told in one line: `PATH: FIELD: found FOUND, expected EXPECTED`.

    Args:
        path: the file or folder, or the name of another source of input.
        field: the part of it that is wrong.
        found: what stands there.
        expected: what should.
    """

    def __init__(self, path: Path | str, field: str, found: object, expected: object):
        self.path, self.field = path, field
        self.found, self.expected = _one_line(found), _one_line(expected)
        super().__init__(f"{path}: {field}: found {self.found}, expected {self.expected}")


@contextmanager
def as_input_error(path: Path | str, field: str, expected: str) -> Iterator[None]:
    """Turns whatever a parser runs into inside the block into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(path, field, f"{type(error).__name__} {error}", expected) from error


def _one_line(text: object, limit: int = 200) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
