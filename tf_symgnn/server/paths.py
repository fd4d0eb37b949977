"""Names of models in the paths of requests."""

from __future__ import annotations

import re

from tf_symgnn.errors import InputError


def require_path_name(name: str) -> None:
    """Check that a name can be part of a request's path.

    Raises:
        InputError: it is empty, too long, or has other characters.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", name):
        raise InputError("server", "--name", repr(name), "letters, digits, and . _ - in between")
