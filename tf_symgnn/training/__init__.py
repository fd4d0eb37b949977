"""The fit loop, its callbacks and metrics, training on several devices, and evaluation."""

from tf_symgnn.training.checkpointing import TrainingStopped
from tf_symgnn.training.distribution import Workers
from tf_symgnn.training.evaluation import evaluate, invariance_error, scores_by_glass
from tf_symgnn.training.fit import train

__all__ = ["Workers", "TrainingStopped", "evaluate", "invariance_error", "scores_by_glass", "train"]
