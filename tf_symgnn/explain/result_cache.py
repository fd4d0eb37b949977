"""Finished parts of a long computation, stored in a folder so that the computation continues after a kill."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tf_symgnn.data import as_input_error, replacing


class ResultCache:
    """Stores arrays under a name and a key, which represents everything that they depend on.

    Args:
        folder: where results are stored; None stores nothing.
        origin: part of every key, for example a hash of the model's weights and of the glass.
    """

    def __init__(self, folder: str | Path | None = None, origin: object = ""):
        self._folder, self._origin = None if folder is None else Path(folder), origin

    def get(self, name: str, key: object, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return stored arrays, or compute and store them.

        Args:
            name: name of the result, part of the file name.
            key: everything else that the result depends on; its `repr` must contain all of it.
            compute: returns the arrays.

        Raises:
            InputError: a stored file is damaged.
        """
        if self._folder is None:
            return compute()
        digest = hashlib.sha256(repr((self._origin, name, key)).encode()).hexdigest()[:16]
        path = self._folder / f"{name.replace(' ', '-')}-{digest}.npz"
        if path.exists():
            with as_input_error(path, "part", "a result that an earlier run stored"), np.load(path) as stored:
                return dict(stored)
        arrays = compute()
        with replacing(path) as file:
            np.savez_compressed(file, **arrays)
        return arrays
