"""The folder of a run: configuration, statistics of the data, weights, history and glasses."""

from tf_symgnn.runs.checkpoints import Checkpoints, State
from tf_symgnn.runs.folder import RunFolder
from tf_symgnn.runs.glasses import glass_graphs, read_labeled, read_labeled_splits, stored_in_run
from tf_symgnn.runs.history import notice_lost_epochs, read_history, write_history
from tf_symgnn.runs.models import configured_model
from tf_symgnn.runs.opening import Run, fine_tuning_config, open_run
from tf_symgnn.runs.potential import configured_potential, tables_digest
from tf_symgnn.runs.records import write_record
from tf_symgnn.runs.statistics import DatasetStatistics, package_versions

__all__ = [
    "Checkpoints",
    "DatasetStatistics",
    "Run",
    "RunFolder",
    "State",
    "configured_model",
    "configured_potential",
    "fine_tuning_config",
    "glass_graphs",
    "notice_lost_epochs",
    "open_run",
    "package_versions",
    "read_history",
    "read_labeled",
    "read_labeled_splits",
    "stored_in_run",
    "tables_digest",
    "write_history",
    "write_record",
]
