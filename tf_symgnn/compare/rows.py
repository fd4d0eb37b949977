"""One finished run as one JSON file, in a folder that is committed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, InputError, as_input_error, label_scaling, replacing

FOLDER = "rows"

# Fields of a configuration that tell runs apart, and where they lie.
_OWN = ("data", "run_dir", "model", "seed", "minutes")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What all rows of one table agree on.

    Attributes:
        budget_minutes: training time of a run.
        configuration: of a run, as plain fields, but for the data's path and what tells runs apart.
        splits: names of the glasses of each split.
        label_mean, label_std: of the training labels, eV, rounded to what machines agree on.
    """

    budget_minutes: float
    configuration: dict
    splits: dict[str, list[str]]
    label_mean: float
    label_std: float

    @classmethod
    def of(cls, config: RunConfig, glasses: dict[str, list[Glass]]) -> Protocol:
        """The protocol of runs of a configuration on a data set."""
        common = {name: value for name, value in config.as_plain().items() if name not in _OWN}
        splits = {split: [glass.name for glass in members] for split, members in glasses.items()}
        scaling = label_scaling(glasses[names.TRAIN])
        return cls(
            budget_minutes=config.minutes,
            configuration=common,
            splits=splits,
            label_mean=round(scaling.mean, 6),
            label_std=round(scaling.std, 6),
        )


@dataclass(frozen=True, kw_only=True)
class Row(Protocol):
    """What one run of one model came to, and the protocol it was made under.

    Attributes:
        model: name in the model catalog, or `ridge`.
        seed: of the run.
        train, validation, test: records of `scores_by_glass`.
        invariance_error: on the validation glasses.
        parameters: how many numbers were fitted.
        epochs, best_epoch: taken, and the best by validation Pearson; None where there are none.
        training_seconds: that were taken, validation included.
        prediction_seconds: from a glass to its barriers, neighbour list included; mean over validation glasses.
        rising: whether validation Pearson was still rising when the run ended.
        machine: processor and cores.
        versions: of the packages that made the run.
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
    """Where the row of a run lies."""
    return output / FOLDER / f"{model}-{seed}.json"


def write_row(output: Path, row: Row) -> None:
    """Writes a row whole or not at all."""
    with replacing(row_file(output, row.model, row.seed)) as file:
        file.write_text(json.dumps(asdict(row), indent=2) + "\n")


def read_rows(output: Path) -> list[Row]:
    """Every row of a results folder, by model and seed.

    Raises:
        InputError: a file is no row, or two rows are not of one protocol.
    """
    rows = []
    for path in sorted((output / FOLDER).glob("*.json")):
        with as_input_error(path, "row", "a row that compare wrote"):
            row = Row(**json.loads(path.read_text()))
        if path != row_file(output, row.model, row.seed):
            raise InputError(path, "row", f"that of {row.model}, seed {row.seed}", "the row that its name says")
        rows.append(row)
    for row in rows[1:]:
        require_protocol(row_file(output, row.model, row.seed), row, rows[0])
    return rows


def require_protocol(path: Path, row: Row, other: Protocol) -> None:
    """Raises InputError where a row is of another protocol than `other`, a row or what is to make rows."""
    for name in (field.name for field in fields(Protocol)):
        found, expected = getattr(row, name), getattr(other, name)
        if found != expected:
            raise InputError(path, name, found, f"{expected}, as all rows of one table")
