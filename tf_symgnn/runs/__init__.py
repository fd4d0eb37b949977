"""The folder of a run: its configuration, the statistics of its data, its weights, its history, and its glasses."""

from tf_symgnn.runs.folder import RunFolder, configured_model
from tf_symgnn.runs.glasses import glass_graphs, read_labelled
from tf_symgnn.runs.history import read_history
from tf_symgnn.runs.statistics import RunFacts, package_versions

__all__ = [
    "RunFacts",
    "RunFolder",
    "configured_model",
    "glass_graphs",
    "package_versions",
    "read_history",
    "read_labelled",
]
