"""Finished parts of a long computation, kept in a folder so that the same computation goes on where it was killed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tf_symgnn.data import as_input_error, replacing


class Parts:
    """Arrays by name and by all that they depend on.

    Args:
        folder: where parts are kept; None keeps none.
        origin: what every part depends on, such as the model's weights and the glass.
    """

    def __init__(self, folder: str | Path | None = None, origin: object = ""):
        self._folder, self._origin = None if folder is None else Path(folder), origin

    def get(self, name: str, key: object, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """What `make` gives, from the folder if it was made of the same key before.

        Raises:
            InputError: a kept file is damaged.
        """
        if self._folder is None:
            return make()
        digest = hashlib.sha256(repr((self._origin, name, key)).encode()).hexdigest()[:16]
        path = self._folder / f"{name.replace(' ', '-')}-{digest}.npz"
        if path.exists():
            with as_input_error(path, "part", "what an earlier run has kept"), np.load(path) as kept:
                return dict(kept)
        made = make()
        with replacing(path) as file:
            np.savez_compressed(file, **made)
        return made
