"""The numbered versions of an export, `DIR/1`, `DIR/2` and so on; TensorFlow Serving serves the highest number."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from tf_symgnn.data import InputError

# File name in the folder `assets` of a version.
METADATA = "metadata.json"


def versions(directory: str | Path) -> dict[int, Path]:
    """Return the versions in a folder by number, in ascending order; none if the folder does not exist."""
    directory = Path(directory)
    members = directory.iterdir() if directory.is_dir() else ()
    folders = (path for path in members if path.name.isdecimal() and path.is_dir())
    return dict(sorted((int(path.name), path) for path in folders))


def newest(export: str | Path) -> Path:
    """Return the folder of the newest version of an export, or `export` itself if it is the folder of a version.

    Raises:
        InputError: there is no SavedModel.
    """
    export = Path(export)
    if not tf.saved_model.contains_saved_model(str(export)):
        existing = versions(export)
        if not existing:
            raise InputError(export, "export", "no version of a SavedModel", "a folder that tf-symgnn export has made")
        export = existing[max(existing)]
    return export
