"""Load a SavedModel. The server uses this module, so that it imports no model code."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from absl import logging


def load_without_gradients(version: Path) -> tf.Module:
    """Return a SavedModel, without a warning per function that its gradients, which no export has, are missing."""
    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        return tf.saved_model.load(str(version))
    finally:
        logging.set_verbosity(level)
