"""Predict and explain the energy barriers of metallic glasses from their structure."""

import os
import sys

import lazy_loader

__version__ = "0.2.0"

_KERAS_2 = (
    "tf_symgnn needs Keras 2, as TF-GNN does: import tf_symgnn before tensorflow, "
    "or set the environment variable TF_USE_LEGACY_KERAS=1"
)


def _require_keras_2() -> None:
    """Select Keras 2, which TensorFlow can only do before the first use of its `keras`.

    Raises:
        ImportError: Keras 3 is requested or already loaded.
    """
    if os.environ.setdefault("TF_USE_LEGACY_KERAS", "1").lower() not in ("1", "true"):
        raise ImportError(_KERAS_2)
    if "tensorflow" in sys.modules and not sys.modules["tensorflow"].keras.__name__.startswith("tf_keras"):
        raise ImportError(_KERAS_2)


_require_keras_2()

# Imported on first use, so that `import tf_symgnn` is fast and does not import TensorFlow. `__init__.pyi` lists them.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
