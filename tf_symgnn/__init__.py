"""Predict and explain the energy barriers of metallic glasses from their structure."""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from tf_symgnn.api.calculator import BarrierCalculator
    from tf_symgnn.api.functions import evaluate, explain_barriers, export_model, graph_tensor
    from tf_symgnn.api.predictor import Predictor, load_model
    from tf_symgnn.config import GraphConfig, NetworkConfig, OptimizerConfig, RunConfig, StreamConfig
    from tf_symgnn.data import Glass, ReadOptions, iter_glasses, read_glass, read_glasses, write_glasses
    from tf_symgnn.errors import InputError
    from tf_symgnn.inference import predict_files
    from tf_symgnn.inference.extrapolation import ExtrapolationWarning
    from tf_symgnn.models.catalog import register_model
    from tf_symgnn.runs import RunFolder
    from tf_symgnn.training import train

# Imported on first use, so that `import tf_symgnn` is fast and does not import TensorFlow.
_MODULE_OF = {
    "BarrierCalculator": "api.calculator",
    "ExtrapolationWarning": "inference.extrapolation",
    "Glass": "data",
    "GraphConfig": "config",
    "InputError": "errors",
    "NetworkConfig": "config",
    "OptimizerConfig": "config",
    "Predictor": "api.predictor",
    "ReadOptions": "data",
    "RunConfig": "config",
    "RunFolder": "runs",
    "StreamConfig": "config",
    "evaluate": "api.functions",
    "explain_barriers": "api.functions",
    "export_model": "api.functions",
    "graph_tensor": "api.functions",
    "iter_glasses": "data",
    "load_model": "api.predictor",
    "predict_files": "inference",
    "read_glass": "data",
    "read_glasses": "data",
    "register_model": "models.catalog",
    "train": "training",
    "write_glasses": "data",
}

__all__ = [
    "BarrierCalculator",
    "ExtrapolationWarning",
    "Glass",
    "GraphConfig",
    "InputError",
    "NetworkConfig",
    "OptimizerConfig",
    "Predictor",
    "ReadOptions",
    "RunConfig",
    "RunFolder",
    "StreamConfig",
    "__version__",
    "evaluate",
    "explain_barriers",
    "export_model",
    "graph_tensor",
    "iter_glasses",
    "load_model",
    "predict_files",
    "read_glass",
    "read_glasses",
    "register_model",
    "train",
    "write_glasses",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """Return the names of the Python interface."""
    return sorted(__all__)
