"""Notices: what a user should look at in input that is valid."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path

_LONGEST = 2000  # characters of what is found


class InputNotice(UserWarning):
    """A notice about valid input, in one line: `PATH: FIELD: found FOUND; TEXT`.

    Args:
        path: the file or folder.
        field: the part of it.
        found: the value of that part.
        text: how it is taken, and what to do if that is wrong.
    """

    def __init__(self, path: Path | str, field: str, found: object, text: str):
        # Arguments of an exception, so that a notice can be issued again elsewhere.
        super().__init__(str(path), field, textwrap.shorten(str(found), _LONGEST, placeholder=" ..."), text)
        self.path, self.field, self.found, self.text = self.args

    def __str__(self) -> str:
        return f"{self.path}: {self.field}: found {self.found}; {self.text}"


def notice(path: Path | str, field: str, found: object, text: str) -> None:
    """Issue a notice as a warning; arguments are those of `InputNotice`."""
    warnings.warn(InputNotice(path, field, found, text), stacklevel=2)
