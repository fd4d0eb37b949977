"""The folder of one training run.

config.yaml      the run's configuration
splits.json      names of the training, validation and test glasses
run.json         species, label mean and standard deviation, package versions
potential.eam.fs tables of the potential, if the model reads descriptors from one
history.csv      one row per epoch, counted from 0 as in TensorBoard; a copy of the checkpoint's, for its reader
metrics.json     validation and test metrics of the best weights; its best epoch counts from 1
checkpoints/     the state to resume from, and the best weights by validation Pearson; see checkpoints.py
logs/            TensorBoard
plots/           curves and parity plots
export/          a folder of versions of a SavedModel: export/1
glasses/         the data of a run that Python started with glasses in memory

The files may come from other people and may be damaged. Each is checked when it is read: run.json, metrics.json and the
records of checkpoints/ hold checksums, and run.json that of config.yaml; see configuration.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path

from tf_symgnn import runtime
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, InputError, as_input_error, file_digest, remove_unfinished, replacing
from tf_symgnn.graph import GlassGraph
from tf_symgnn.locations import CONFIG_FILE, STATISTICS_FILE, require_run
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.models.catalog import complete, is_chunked
from tf_symgnn.potentials.response import PotentialDescriptors
from tf_symgnn.runs.checkpoints import Checkpoints, State
from tf_symgnn.runs.configuration import extend, read_stored, require_extension, write_new
from tf_symgnn.runs.glasses import GLASSES, glass_graphs, write_splits_of
from tf_symgnn.runs.models import configured_model
from tf_symgnn.runs.parts import FILES, FOLDERS, has_data_of, remove_run, require_free
from tf_symgnn.runs.potential import POTENTIAL, read_potential, write_potential
from tf_symgnn.runs.records import locked_folder, read_record
from tf_symgnn.runs.statistics import DatasetStatistics, glasses_digest, read_statistics


class RunFolder:
    """Paths and records of one run.

    Args:
        path: of the folder, which need not exist.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config_file = self.path / CONFIG_FILE
        self.splits_file = self.path / "splits.json"
        self.statistics_file = self.path / STATISTICS_FILE
        self.potential_file = self.path / POTENTIAL
        self.history_file = self.path / "history.csv"
        self.metrics_file = self.path / "metrics.json"
        self.checkpoints = Checkpoints(self.path / "checkpoints")
        self.logs = self.path / "logs"
        self.plots = self.path / "plots"
        self.export = self.path / "export"
        self.glasses = self.path / GLASSES

    def __fspath__(self) -> str:
        """Return the path, so that a run is accepted where a path is."""
        return str(self.path)

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Return an existing run.

        Raises:
            InputError: the folder holds no run, one of an earlier version, or a damaged one.
        """
        require_run(path)
        folder = cls(path)
        for part in (folder.path / name for name in (*FILES, *FOLDERS)):
            if part.exists() and part.is_dir() != (part.name in FOLDERS):
                kinds = ("a file", "a folder") if part.is_file() else ("a folder", "a file")
                raise InputError(part, "run folder", *kinds)
        folder.statistics()
        return folder

    @classmethod
    def create(
        cls,
        config: RunConfig,
        splits: dict[str, list[Glass]],
        statistics: DatasetStatistics,
        *,
        potential: PotentialDescriptors | None = None,
        store_glasses: bool = False,
        overwrite: bool,
    ) -> RunFolder:
        """Make the folder of a new run, with its configuration, splits and statistics.

        Args:
            config: of the run.
            splits: glasses by split.
            statistics: of the training glasses.
            potential: that the model reads descriptors from, or None.
            store_glasses: whether the folder stores the glasses.
            overwrite: whether to replace a run that the folder holds.

        Raises:
            InputError: as `require_free`.
        """
        folder = cls(config.run_dir)
        folder.require_free(overwrite=overwrite)
        folder.path.mkdir(parents=True, exist_ok=True)
        remove_run(folder.path, keep_glasses=not store_glasses and has_data_of(folder.path, config))
        if store_glasses:
            write_splits_of(folder.glasses, splits)
        listed = {split: [glass.name for glass in glasses] for split, glasses in splits.items()}
        with replacing(folder.splits_file) as file:
            file.write_text(json.dumps(listed, indent=2) + "\n")
        if potential is not None:
            write_potential(folder.potential_file, potential.potential.tables)
            statistics = replace(statistics, potential=file_digest(folder.potential_file))
        statistics = replace(statistics, glasses=glasses_digest(splits))
        write_new(folder.config_file, folder.statistics_file, config, asdict(statistics))
        return folder

    def locked(self) -> AbstractContextManager[None]:
        """Return a context that keeps other processes from training in the folder, and removes what killed ones left.

        Raises:
            InputError: another process trains in it.
        """
        return locked_folder(self.path)

    def remove_unfinished(self) -> None:
        """Remove the temporary files that a killed process left in the folder."""
        for folder in (self.path, self.plots):
            remove_unfinished(folder)
        self.checkpoints.remove_unneeded()

    def require_free(self, *, overwrite: bool) -> None:
        """Check that a new run in the folder would replace nothing but a run, and that only with `overwrite`.

        Raises:
            InputError: the folder holds a run, or a part of one, and `overwrite` is not set, or it holds other files.
        """
        require_free(self.path, overwrite=overwrite)

    def config(self) -> RunConfig:
        """Return the run's configuration.

        Raises:
            InputError: the stored configuration is invalid, or is not that of the run.
        """
        return read_stored(self.config_file, self.statistics_file)

    def require_extension(self, config: RunConfig) -> None:
        """Check that the run can be resumed with a configuration: the stored one, or one of more epochs or minutes.

        Raises:
            InputError: another field than `run_dir` differs, there are fewer, or patience has ended the run.
        """
        stored = self.config()
        require_extension(self.config_file, stored, config)
        longer = (config.epochs, config.minutes) != (stored.epochs, stored.minutes)
        if longer and self.state().exhausted(stored.patience):
            found = f"a run that ended after {stored.patience} epochs without a better one"
            raise InputError(self.path, "patience", found, f"a new run that starts from it: --init {self.path}")

    def extend(self, config: RunConfig) -> None:
        """Store the epochs and minutes of a configuration that `require_extension` has checked."""
        extend(self.config_file, self.statistics_file, config)

    def require_same_model(self, config: RunConfig) -> None:
        """Check that the model of a configuration has weights of the same shapes and meaning as the run's.

        Raises:
            InputError: model, graph or network differ.
        """
        completed = (replace(x, network=complete(x.model, x.network)) for x in (self.config(), config))
        stored, present = (x.as_plain() for x in completed)
        for name in ("model", "graph", "network"):
            if present[name] != stored[name]:
                raise InputError(self.config_file, name, present[name], f"{stored[name]}, as in the run to start from")

    def require_weights(self) -> Path:
        """Return the prefix of the weights to predict with: those of a finished run, or the best ones so far.

        Raises:
            InputError: no epoch of the run has finished, or the weights are damaged.
        """
        weights = self.checkpoints.weights()
        if weights is None:
            raise InputError(self.path, "run folder", "no finished epoch", "a trained run")
        return weights

    def state(self) -> State:
        """Return what training continues from: the newest undamaged state, or that before the first epoch.

        Raises:
            InputError: all states are damaged, or they are gone though epochs have finished.
        """
        state = self.checkpoints.latest()
        if not state.epochs and (self.history_file.exists() or self.metrics_file.exists()):
            expected = "the state of the epochs in history.csv; --overwrite trains again"
            raise InputError(self.checkpoints.folder, "checkpoints", "none", expected)
        return state

    def require_data(self, splits: dict[str, list[Glass]], statistics: DatasetStatistics) -> None:
        """Check that glasses and statistics are those that the run was started with.

        Raises:
            InputError: they are not, or a record is damaged.
        """
        present = {split: [glass.name for glass in glasses] for split, glasses in splits.items()}
        with as_input_error(self.splits_file, "record", "the record that training wrote"):
            stored = json.loads(self.splits_file.read_text())
        if present != stored:
            raise InputError(self.splits_file, "glasses", present, f"{stored}, as the run was started")
        before = self.statistics()
        old, new = before.scaling, statistics.scaling
        # The order of a sum, and so its rounding, depends on the machine.
        if not (math.isclose(new.mean, old.mean, rel_tol=1e-12) and math.isclose(new.std, old.std, rel_tol=1e-12)):
            raise InputError(self.statistics_file, "labels", new, f"{old}, as the run was started")
        if before.glasses not in (None, glasses_digest(splits)):
            expected = "those that the run was started with, or a new run"
            raise InputError(self.splits_file, "glasses", "other structures or labels", expected)

    def statistics(self) -> DatasetStatistics:
        """Return the statistics of the training glasses.

        Raises:
            InputError: the record is damaged or of an earlier version.
        """
        return read_statistics(self.statistics_file, train_again_with=self.config_file)

    def potential(self) -> PotentialDescriptors | None:
        """Return the descriptors from the stored potential; None if the model reads none.

        Raises:
            InputError: the file is damaged or missing.
        """
        digest = self.statistics().potential
        return None if digest is None else read_potential(self.potential_file, digest)

    def graphs(self, glasses: Sequence[Glass]) -> list[GlassGraph]:
        """Return the graphs of glasses as the run's model takes them.

        Raises:
            InputError: a glass exceeds a limit, or is not at a minimum of the energy of the run's potential.
        """
        return glass_graphs(self.config(), glasses, self.potential())

    def metrics(self) -> dict:
        """Return the metrics of the finished run.

        Raises:
            InputError: the record is damaged or missing.
        """
        return read_record(self.metrics_file)

    def build_model(self) -> BarrierModel:
        """Return the run's model with fresh weights."""
        statistics = self.statistics()
        return configured_model(self.config(), statistics.species, statistics.scaling)

    def load_model(self) -> BarrierModel:
        """Return the run's model with its best weights by validation Pearson, and configure the process for it.

        Raises:
            InputError: no epoch of the run has finished yet, or its weights are damaged.
        """
        runtime.configure(chunked=is_chunked(self.config().model))
        model = self.build_model()
        self.load_weights(model)
        return model

    def load_weights(self, model: BarrierModel) -> None:
        """Restore the weights to predict with into a model of the run's configuration, built or not.

        Raises:
            InputError: no epoch of the run has finished yet, or the weights are damaged or another model's.
        """
        self.checkpoints.load_weights(model, self.require_weights())
