"""The numbered versions of an export, as TensorFlow Serving knows them: `DIR/1`, `DIR/2`, the highest being served."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from tf_symgnn.data import InputError

# Among the assets of a version.
METADATA = "metadata.json"


def versions(directory: str | Path) -> dict[int, Path]:
    """The versions in a folder, if there is one, by number in ascending order."""
    directory = Path(directory)
    members = directory.iterdir() if directory.is_dir() else ()
    found = (path for path in members if path.name.isdecimal() and path.is_dir())
    return dict(sorted((int(path.name), path) for path in found))


def newest(export: str | Path) -> Path:
    """The SavedModel that an export, or one version of it, names.

    Raises:
        InputError: there is none.
    """
    export = Path(export)
    if not tf.saved_model.contains_saved_model(str(export)):
        found = versions(export)
        if not found:
            raise InputError(export, "export", "no version of a SavedModel", "a folder that tf-symgnn export has made")
        export = found[max(found)]
    return export
