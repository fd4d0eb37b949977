"""Pearson metric, callbacks, the fit loop, evaluation and the run folder."""

from tf_symgnn.training.checkpointing import TrainingStopped, read_history
from tf_symgnn.training.distribution import Team
from tf_symgnn.training.evaluation import Predictor, evaluate, invariance_error, scores_by_glass
from tf_symgnn.training.fit import glass_graphs, read_labelled, train
from tf_symgnn.training.run_folder import RunFolder, package_versions

__all__ = [
    "Predictor",
    "RunFolder",
    "Team",
    "TrainingStopped",
    "evaluate",
    "glass_graphs",
    "invariance_error",
    "package_versions",
    "read_history",
    "read_labelled",
    "scores_by_glass",
    "train",
]
