"""Rows of the table: each finished run is one JSON file in a folder that is committed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, InputError, as_input_error, label_scaling, replacing

FOLDER = "rows"

# Fields of a configuration that may differ between the rows of a table.
_RUN_FIELDS = ("data", "run_dir", "model", "potential", "pair_style", "seed", "minutes")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Settings that all rows of one table share.

    Attributes:
        budget_minutes: training time per run.
        configuration: fields of the run configuration, except those that differ between runs.
        splits: names of the glasses of each split.
        label_mean: mean of the training labels, eV, rounded to digits that all machines reproduce.
        label_std: standard deviation of the training labels, eV, rounded likewise.
        potential: digest of the tables that models with a potential read; None for a row of a model that reads none.
    """

    budget_minutes: float
    configuration: dict
    splits: dict[str, list[str]]
    label_mean: float
    label_std: float
    potential: str | None = None

    @classmethod
    def of(cls, config: RunConfig, glasses: dict[str, list[Glass]], potential: str | None = None) -> Protocol:
        """Return the protocol of runs with a configuration on a data set.

        Args:
            config: that all runs share.
            glasses: of the data set, by split.
            potential: digest of the tables of the potential, or None.
        """
        common = {name: value for name, value in config.as_plain().items() if name not in _RUN_FIELDS}
        splits = {split: [glass.name for glass in members] for split, members in glasses.items()}
        scaling = label_scaling(glasses[names.TRAIN])
        return cls(
            budget_minutes=config.minutes,
            configuration=common,
            splits=splits,
            label_mean=round(scaling.mean, 6),
            label_std=round(scaling.std, 6),
            potential=potential,
        )


@dataclass(frozen=True, kw_only=True)
class Row(Protocol):
    """Results of one run of one model, with the protocol of the run.

    Attributes:
        model: name in the model catalog, or `ridge`.
        seed: seed of the run.
        train: record of `scores_by_glass` on the training glasses.
        validation: the same on the validation glasses.
        test: the same on the test glasses.
        invariance_error: on the validation glasses.
        parameters: number of fitted parameters.
        epochs: number of finished epochs; None for a model without epochs.
        best_epoch: epoch with the best validation Pearson; None for a model without epochs.
        training_seconds: training time, including validation.
        prediction_seconds: time from a glass to its barriers, with the neighbor list; mean over validation glasses.
        rising: whether validation Pearson was still rising when the run ended.
        machine: processor and number of cores.
        versions: versions of the packages that made the run.
    """

    model: str
    seed: int
    train: dict
    validation: dict
    test: dict
    invariance_error: float | None
    parameters: int
    epochs: int | None
    best_epoch: int | None
    training_seconds: float
    prediction_seconds: float
    rising: bool
    machine: str
    versions: dict[str, str]


def row_file(output: Path, model: str, seed: int) -> Path:
    """Return the path of a run's row in a results folder."""
    return output / FOLDER / f"{model}-{seed}.json"


def write_row(output: Path, row: Row) -> None:
    """Write a row to its file in a results folder, whole or not at all."""
    with replacing(row_file(output, row.model, row.seed)) as file:
        file.write_text(json.dumps(asdict(row), indent=2) + "\n")


def read_rows(output: Path) -> list[Row]:
    """Return all rows of a results folder, sorted by model and seed.

    Raises:
        InputError: a file is not a row, its name is another run's, or two rows have different protocols.
    """
    rows = []
    for path in sorted((output / FOLDER).glob("*.json")):
        with as_input_error(path, "row", "a row that compare wrote"):
            record = json.loads(path.read_text())
            row = Row(**record | {"configuration": _completed(record["configuration"])})
        if path != row_file(output, row.model, row.seed):
            raise InputError(
                path, "row", f"that of {row.model}, seed {row.seed}", "the row of the run in the file's name"
            )
        rows.append(row)
    # A row without a potential has the protocol of rows with any.
    first = next((row for row in rows if row.potential), rows[0] if rows else None)
    for row in rows:
        require_protocol(row_file(output, row.model, row.seed), row, first)
    return rows


def _completed(configuration: dict) -> dict:
    """Return a row's configuration with the defaults of fields that are newer than the row."""
    default = {name: value for name, value in RunConfig().as_plain().items() if name not in _RUN_FIELDS}
    return default | {
        name: default.get(name, {}) | value if isinstance(value, dict) else value
        for name, value in configuration.items()
    }


def require_protocol(path: Path, row: Row, other: Protocol) -> None:
    """Check that a row has the protocol `other`; their potentials are compared only where both have one.

    Raises:
        InputError: a field of the protocol differs; the message starts with `path`.
    """
    for field in fields(Protocol):
        if field.name == "potential" and None in (row.potential, other.potential):
            continue
        found, expected = (
            _by_name(field.name, getattr(row, field.name)),
            _by_name(field.name, getattr(other, field.name)),
        )
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                raise InputError(path, name, found.get(name), f"{expected.get(name)}, as all rows of one table")


def _by_name(name: str, value: object) -> dict[str, object]:
    """Return the values inside nested dictionaries, with names such as `configuration.graph.cutoff`."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: inner for own, part in value.items() for key, inner in _by_name(f"{name}.{own}", part).items()}
