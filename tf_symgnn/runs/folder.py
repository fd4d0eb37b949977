"""The folder of one run: what it was asked, what it was trained on, what it learned and how well it does.

config.yaml      the run's configuration
splits.json      names of the training, validation and test glasses
run.json         species, label mean and standard deviation, package versions
history.csv      one row an epoch, counted from 0 as in TensorBoard
metrics.json     validation and test figures of the best weights; its best epoch counts from 1
checkpoints/     the state to go on from, and the best weights by validation Pearson
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

from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, InputError, LabelScaling, as_input_error, is_unfinished, replacing
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.models.catalog import Setting, build_model, complete
from tf_symgnn.runs.statistics import FORMAT, RunFacts

# What a run writes into its folder; anything else there is somebody's, and never removed.
OWN = {
    *("config.yaml", "splits.json", "run.json", "history.csv", "metrics.json"),
    *("checkpoints", "logs", "plots", "export"),
}


class RunFolder:
    """Paths and records of one run."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.splits_file = self.path / "splits.json"
        self.facts_file = self.path / "run.json"
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
        for file in (folder.config_file, folder.facts_file):
            if not file.is_file():
                raise InputError(path, "run folder", f"no {file.name}", "a folder that training has made")
        folder.facts()
        return folder

    @classmethod
    def create(
        cls, config: RunConfig, splits: dict[str, list[Glass]], facts: RunFacts, *, overwrite: bool
    ) -> RunFolder:
        """A new run's folder, with what is known before training.

        Raises:
            InputError: the folder holds a run already and `overwrite` is not set, or holds something else.
        """
        folder = cls(config.run_dir)
        folder.refuse_occupied(overwrite=overwrite)
        folder.path.mkdir(parents=True, exist_ok=True)
        for path in folder._own():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        folder.write_json(folder.splits_file, {split: [g.name for g in glasses] for split, glasses in splits.items()})
        folder.write_json(folder.facts_file, asdict(facts))
        # Last, for it is what makes the folder a run.
        with replacing(folder.config_file) as file:
            file.write_text(yaml.safe_dump(config.as_plain(), sort_keys=False))
        return folder

    def refuse_occupied(self, *, overwrite: bool) -> None:
        """Raises InputError where making this run would lose something."""
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
        """What a run wrote into the folder, and what one that was killed was about to."""
        return [path for path in self.path.iterdir() if path.name in OWN or is_unfinished(path)]

    def config(self) -> RunConfig:
        """The run's configuration.

        Raises:
            InputError: the stored configuration is not one.
        """
        return read_config(self.config_file)

    def require_config(self, config: RunConfig) -> None:
        """Raises InputError where a configuration differs from the run's: a run goes on as it was started."""
        stored, asked = self.config().as_plain(), config.as_plain()
        for name, value in stored.items():
            if asked[name] != value and name != "run_dir":
                raise InputError(self.config_file, name, asked[name], f"{value}, as the run was started")

    def require_same_model(self, config: RunConfig) -> None:
        """Raises InputError where a configuration's model could not take this run's weights."""
        whole = (replace(x, network=complete(x.model, x.network)) for x in (self.config(), config))
        stored, asked = (x.as_plain() for x in whole)
        for name in ("model", "graph", "network"):
            if asked[name] != stored[name]:
                raise InputError(self.config_file, name, asked[name], f"{stored[name]}, as in the run to start from")

    def require_weights(self) -> None:
        """Raises InputError where no epoch of the run has finished yet."""
        if not self.best_weights.with_suffix(".index").exists():
            raise InputError(self.path, "run folder", "no finished epoch", "a trained run")

    def require_data(self, splits: dict[str, list[Glass]], facts: RunFacts) -> None:
        """Raises InputError where the data are no longer those that the run was started on."""
        found = {split: [glass.name for glass in glasses] for split, glasses in splits.items()}
        with as_input_error(self.splits_file, "record", "the record that training wrote"):
            stored = json.loads(self.splits_file.read_text())
        if found != stored:
            raise InputError(self.splits_file, "glasses", found, f"{stored}, as the run was started")
        was, now = self.facts().scaling, facts.scaling
        # Machines add up in different orders.
        if not (math.isclose(now.mean, was.mean, rel_tol=1e-12) and math.isclose(now.std, was.std, rel_tol=1e-12)):
            raise InputError(self.facts_file, "labels", now, f"{was}, as the run was started")

    def facts(self) -> RunFacts:
        """Return what the run learned from its data.

        Raises:
            InputError: the record is damaged or of an earlier version.
        """
        try:
            stored = {"format": 1} | json.loads(self.facts_file.read_text())
            facts = RunFacts(**stored | {"species": tuple(stored["species"])})
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(self.facts_file, "record", str(error), "the record that training wrote") from error
        if facts.format != FORMAT:
            again = f"tf-symgnn train --config {self.config_file} --run-dir NEW_FOLDER"
            raise InputError(self.facts_file, "format", facts.format, f"{FORMAT}; train again: {again}")
        return facts

    def build_model(self) -> BarrierModel:
        """Return the run's model with fresh weights."""
        facts = self.facts()
        return configured_model(self.config(), facts.species, facts.scaling)

    def load_model(self) -> BarrierModel:
        """Return the run's model with its best weights by validation Pearson.

        Raises:
            InputError: no epoch of the run has finished yet.
        """
        model = self.build_model()
        self.load_best_weights(model)
        return model

    def load_best_weights(self, model: BarrierModel) -> None:
        """Restores the best weights into a model of the run's configuration, built or not.

        Raises:
            InputError: no epoch of the run has finished yet, or the weights are damaged or another model's.
        """
        self.require_weights()
        try:
            status = tf.train.Checkpoint(model=model).read(str(self.best_weights))
            # Neither may lack anything: a version that leaves a layer out would predict something else, and not say so.
            status.assert_existing_objects_matched().assert_consumed()
        except (ValueError, AssertionError, IndexError, tf.errors.OpError) as error:
            expected = "the weights that training wrote, by this version, for the model of config.yaml"
            raise InputError(self.best_weights, "weights", type(error).__name__, expected) from error

    def save_best_weights(self, model: BarrierModel) -> None:
        """Keeps a model's weights as the best ones."""
        tf.train.Checkpoint(model=model).write(str(self.best_weights))

    @staticmethod
    def write_json(path: Path, record: dict) -> None:
        """Writes a record whole or not at all."""
        with replacing(path) as file:
            file.write_text(json.dumps(record, indent=2) + "\n")


def configured_model(config: RunConfig, species: Sequence[int], scaling: LabelScaling) -> BarrierModel:
    """Return the model of a configuration, with fresh weights.

    Args:
        config: of the run.
        species: atomic numbers of the training glasses.
        scaling: mean and standard deviation of the training labels, eV.

    Raises:
        InputError: no model has the configuration's name for it.
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
    """A configuration from YAML; nothing in the file is evaluated.

    Raises:
        InputError: an unknown field, or a value of the wrong type.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(RunConfig, "run")
    try:
        fields = yaml.safe_load(path.read_text())
        return parser.instantiate(parser.parse_object({"run": fields})).run
    except InputError as error:
        raise InputError(path, error.field, error.found, error.expected) from error
    except Exception as error:  # jsonargparse and yaml raise a dozen kinds, and each means the same to the user
        first = str(error).strip().splitlines()[0]
        raise InputError(path, "configuration", first, "the fields of a run's configuration") from error
