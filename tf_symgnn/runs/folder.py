"""The folder of one training run.

config.yaml      the run's configuration
splits.json      names of the training, validation and test glasses
run.json         species, label mean and standard deviation, package versions
history.csv      one row per epoch, counted from 0 as in TensorBoard
metrics.json     validation and test metrics of the best weights; its best epoch counts from 1
checkpoints/     the state to resume from, and the best weights by validation Pearson
logs/            TensorBoard
plots/           curves and parity plots
export/          a folder of versions of a SavedModel: export/1
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import tensorflow as tf
import yaml
from jsonargparse import ArgumentParser

from tf_symgnn import runtime
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, InputError, LabelScaling, as_input_error, is_unfinished, replacing
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.models.catalog import Setting, build_model, complete, is_chunked
from tf_symgnn.runs.domain import TrainingDomain
from tf_symgnn.runs.statistics import FORMAT, DatasetStatistics

# The files that a run writes. Anything else in the folder is the user's and is never removed.
OWN = {
    *("config.yaml", "splits.json", "run.json", "history.csv", "metrics.json"),
    *("checkpoints", "logs", "plots", "export"),
}


class RunFolder:
    """Paths and records of one run.

    Args:
        path: of the folder, which need not exist.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.splits_file = self.path / "splits.json"
        self.statistics_file = self.path / "run.json"
        self.history_file = self.path / "history.csv"
        self.metrics_file = self.path / "metrics.json"
        self.checkpoints = self.path / "checkpoints"
        self.best_weights = self.checkpoints / "best"
        self.logs = self.path / "logs"
        self.plots = self.path / "plots"
        self.export = self.path / "export"

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Return an existing run.

        Raises:
            InputError: the folder holds no run, or one of an earlier version, whose weights are of other models.
        """
        folder = cls(path)
        for file in (folder.config_file, folder.statistics_file):
            if not file.is_file():
                raise InputError(path, "run folder", f"no {file.name}", "a folder that training has made")
        folder.statistics()
        return folder

    @classmethod
    def create(
        cls, config: RunConfig, splits: dict[str, list[Glass]], statistics: DatasetStatistics, *, overwrite: bool
    ) -> RunFolder:
        """Make the folder of a new run, with its configuration, splits and statistics.

        Args:
            config: of the run.
            splits: glasses by split.
            statistics: of the training glasses.
            overwrite: whether to replace a run that the folder holds.

        Raises:
            InputError: the folder holds a run and `overwrite` is not set, or it holds other files.
        """
        folder = cls(config.run_dir)
        folder.require_free(overwrite=overwrite)
        folder.path.mkdir(parents=True, exist_ok=True)
        for path in folder._own():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        folder.write_json(folder.splits_file, {split: [g.name for g in glasses] for split, glasses in splits.items()})
        folder.write_json(folder.statistics_file, asdict(statistics))
        # Last, because a folder with a configuration is a run.
        with replacing(folder.config_file) as file:
            file.write_text(yaml.safe_dump(config.as_plain(), sort_keys=False))
        return folder

    def require_free(self, *, overwrite: bool) -> None:
        """Check that a new run in the folder would replace nothing but a run, and that only with `overwrite`.

        Raises:
            InputError: the folder holds a run and `overwrite` is not set, or it holds other files.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise InputError(self.path, "run folder", "a file", "a new folder")
        own = self._own()
        foreign = sorted(path.name for path in self.path.iterdir() if path not in own and path.name[0] != ".")
        if foreign:
            raise InputError(self.path, "run folder", f"{foreign[0]}, which is no run's", "a new or empty folder")
        if self.config_file.exists() and not overwrite:
            raise InputError(self.path, "run folder", "a run", "a new folder, or --resume or --overwrite")

    def _own(self) -> list[Path]:
        """Return what a run wrote into the folder, temporary files of a killed one included."""
        return [path for path in self.path.iterdir() if path.name in OWN or is_unfinished(path)]

    def config(self) -> RunConfig:
        """Return the run's configuration.

        Raises:
            InputError: the stored configuration is invalid.
        """
        return read_config(self.config_file)

    def require_config(self, config: RunConfig) -> None:
        """Check that a configuration equals that of the run, which is resumed as it was started.

        Raises:
            InputError: a field other than `run_dir` differs.
        """
        stored, given = self.config().as_plain(), config.as_plain()
        for name, value in stored.items():
            if given[name] != value and name != "run_dir":
                raise InputError(self.config_file, name, given[name], f"{value}, as the run was started")

    def require_same_model(self, config: RunConfig) -> None:
        """Check that the model of a configuration has weights of the same shapes and meaning as the run's.

        Raises:
            InputError: model, graph or network differ.
        """
        completed = (replace(x, network=complete(x.model, x.network)) for x in (self.config(), config))
        stored, given = (x.as_plain() for x in completed)
        for name in ("model", "graph", "network"):
            if given[name] != stored[name]:
                raise InputError(self.config_file, name, given[name], f"{stored[name]}, as in the run to start from")

    def require_weights(self) -> None:
        """Check that an epoch of the run has finished.

        Raises:
            InputError: none has.
        """
        if not self.best_weights.with_suffix(".index").exists():
            raise InputError(self.path, "run folder", "no finished epoch", "a trained run")

    def require_data(self, splits: dict[str, list[Glass]], statistics: DatasetStatistics) -> None:
        """Check that glasses and statistics are those that the run was started with.

        Raises:
            InputError: they are not, or a record is damaged.
        """
        given = {split: [glass.name for glass in glasses] for split, glasses in splits.items()}
        with as_input_error(self.splits_file, "record", "the record that training wrote"):
            stored = json.loads(self.splits_file.read_text())
        if given != stored:
            raise InputError(self.splits_file, "glasses", given, f"{stored}, as the run was started")
        old, new = self.statistics().scaling, statistics.scaling
        # The order of a sum, and so its rounding, depends on the machine.
        if not (math.isclose(new.mean, old.mean, rel_tol=1e-12) and math.isclose(new.std, old.std, rel_tol=1e-12)):
            raise InputError(self.statistics_file, "labels", new, f"{old}, as the run was started")

    def statistics(self) -> DatasetStatistics:
        """Return the statistics of the training glasses.

        Raises:
            InputError: the record is damaged or of an earlier version.
        """
        with as_input_error(self.statistics_file, "record", "the record that training wrote"):
            stored = json.loads(self.statistics_file.read_text())
            stored_format = stored.get("format", 1)
        if stored_format != FORMAT:
            again = f"tf-symgnn train --config {self.config_file} --run-dir NEW_FOLDER"
            raise InputError(self.statistics_file, "format", stored_format, f"{FORMAT}; train again: {again}")
        try:
            return DatasetStatistics(
                species=tuple(stored["species"]),
                label_mean=stored["label_mean"],
                label_std=stored["label_std"],
                versions=stored["versions"],
                domain=TrainingDomain.from_record(stored["domain"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(self.statistics_file, "record", str(error), "the record that training wrote") from error

    def build_model(self) -> BarrierModel:
        """Return the run's model with fresh weights."""
        statistics = self.statistics()
        return configured_model(self.config(), statistics.species, statistics.scaling)

    def load_model(self) -> BarrierModel:
        """Return the run's model with its best weights by validation Pearson, and configure the process for it.

        Raises:
            InputError: no epoch of the run has finished yet.
        """
        runtime.configure(chunked=is_chunked(self.config().model))
        model = self.build_model()
        self.load_best_weights(model)
        return model

    def load_best_weights(self, model: BarrierModel) -> None:
        """Restore the best weights into a model of the run's configuration, built or not.

        Raises:
            InputError: no epoch of the run has finished yet, or the weights are damaged or another model's.
        """
        self.require_weights()
        try:
            status = tf.train.Checkpoint(model=model).read(str(self.best_weights))
            # Both, because a model without one of the stored layers would predict other numbers without an error.
            status.assert_existing_objects_matched().assert_consumed()
        except (ValueError, AssertionError, IndexError, tf.errors.OpError) as error:
            expected = "the weights that training wrote, by this version, for the model of config.yaml"
            raise InputError(self.best_weights, "weights", type(error).__name__, expected) from error

    def save_best_weights(self, model: BarrierModel) -> None:
        """Store a model's weights as the best ones."""
        tf.train.Checkpoint(model=model).write(str(self.best_weights))

    @staticmethod
    def write_json(path: Path, record: dict) -> None:
        """Write a record as JSON, completely or not at all."""
        with replacing(path) as file:
            file.write_text(json.dumps(record, indent=2) + "\n")


def configured_model(config: RunConfig, species: Sequence[int], scaling: LabelScaling) -> BarrierModel:
    """Return the model of a configuration, with fresh weights.

    Args:
        config: of the run.
        species: atomic numbers of the training glasses.
        scaling: mean and standard deviation of the training labels, eV.

    Raises:
        InputError: the configuration's model is not in the catalog.
    """
    setting = Setting(
        species=species,
        scaling=scaling,
        cutoff=config.graph.cutoff,
        seed=config.seed,
        precision=config.precision,
    )
    return build_model(config.model, config.network, setting)


def read_config(path: Path) -> RunConfig:
    """Return the configuration in a YAML file, of which nothing is evaluated.

    Raises:
        InputError: the file cannot be read, a field is unknown, or a value is invalid.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(RunConfig, "run")
    try:
        fields = yaml.safe_load(path.read_text())
        return parser.instantiate(parser.parse_object({"run": fields})).run
    except InputError as error:
        raise InputError(path, error.field, error.found, error.expected) from error
    except Exception as error:  # jsonargparse and yaml have a dozen exceptions for an invalid file
        first = str(error).strip().splitlines()[0]
        raise InputError(path, "configuration", first, "the fields of a run's configuration") from error
