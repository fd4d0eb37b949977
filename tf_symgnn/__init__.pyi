from .api.calculator import BarrierCalculator
from .api.functions import evaluate, explain_barriers, export_model, graph_tensor, relax, train
from .api.predictor import Predictor, load_model, predict_files
from .config import GraphConfig, NetworkConfig, OptimizerConfig, RunConfig, StreamConfig
from .data import Glass, ReadOptions, iter_glasses, read_glass, read_glasses, write_glasses
from .domain.extrapolation import ExtrapolationWarning
from .errors import InputError
from .models.catalog import register_model
from .runs import RunFolder, fine_tuning_config

__version__: str

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
    "evaluate",
    "explain_barriers",
    "export_model",
    "fine_tuning_config",
    "graph_tensor",
    "iter_glasses",
    "load_model",
    "predict_files",
    "read_glass",
    "read_glasses",
    "register_model",
    "relax",
    "train",
    "write_glasses",
]
