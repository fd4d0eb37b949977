"""Pearson metric, callbacks, the fit loop, evaluation and the run folder."""

from tf_symgnn.training.checkpointing import TrainingStopped
from tf_symgnn.training.evaluation import evaluate, predict
from tf_symgnn.training.fit import glass_graphs, read_labelled, train
from tf_symgnn.training.run_folder import RunFolder

__all__ = ["RunFolder", "TrainingStopped", "evaluate", "glass_graphs", "predict", "read_labelled", "train"]
