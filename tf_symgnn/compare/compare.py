"""Runs what is not finished yet, and makes the table of all that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tf_symgnn import names, runtime
from tf_symgnn.compare.published import CONTENDERS
from tf_symgnn.compare.rows import Protocol, read_rows, require_protocol, row_file, write_row
from tf_symgnn.compare.runs import RUNS, network_row, ridge_row
from tf_symgnn.compare.table import write_table
from tf_symgnn.config import NetworkConfig, OptimizerConfig, RunConfig
from tf_symgnn.data import Glass, InputError, require_species
from tf_symgnn.models.catalog import PUBLISHED, is_chunked
from tf_symgnn.runs import read_labelled

RIDGE = "ridge"

# A run ends before its budget only where so many epochs found no better validation Pearson.
PATIENCE = 100

# What the configuration of a single run takes by default may change; what rows were made with may not.
NETWORK = NetworkConfig(**PUBLISHED)
OPTIMIZER = OptimizerConfig(learning_rate=2e-3)

# More than any budget holds: time ends a run, not the number of epochs.
EPOCHS = 100_000


def compare(
    data: str,
    output: Path | str,
    *,
    models: Sequence[str],
    seeds: Sequence[int],
    budget_minutes: float,
    label: str = names.ENERGY_BARRIER,
    species: str | None = None,
) -> Path:
    """Trains each model with each seed under one protocol and tabulates every finished run of the results folder.

    The split is the data set's, the best epoch is chosen on validation, and the configuration is the same but for the
    model and the seed, and for heads and distribution of the default model. A run whose row is there is not repeated.

    Args:
        data: a folder of labelled structure files.
        output: the results folder: `rows/` with a file a run, `table.md`, `table.csv` and `table.png` made from them,
            and `runs/` to go on from after an interruption.
        models: names in the model catalog, or `ridge`.
        seeds: of each model; ridge regression has none, and runs once.
        budget_minutes: training time of a run.
        label: per-atom column or key of the energy barrier in the files, eV.
        species: chemical symbols of LAMMPS types 1, 2, ..., as in `Cu,Zr`.

    Returns:
        The table's path.

    Raises:
        InputError: a model is unknown, the data cannot be used, or the folder's rows are of another protocol.
        TrainingStopped: a loss is no longer finite.
    """
    output = Path(output)
    for model in models:
        if model not in CONTENDERS:
            raise InputError("command line", "models", model, "one of " + ", ".join(CONTENDERS))
    runtime.configure(chunked=all(is_chunked(model) for model in models))
    config = configuration(data, budget_minutes, label=label, species=species)
    glasses = _glasses(config)
    protocol = Protocol.of(config, glasses)
    for row in read_rows(output):
        require_protocol(row_file(output, row.model, row.seed), row, protocol)

    for model, seed in _wanted(models, seeds):
        if row_file(output, model, seed).exists():
            continue
        print(f"{model}, seed {seed}", flush=True)
        folder = output / RUNS / f"{model}-{seed}"
        # Left to the model: that of the protocol, but for the default model's own heads and distribution.
        run = replace(config, model=model, seed=seed, run_dir=str(folder), network=NetworkConfig())
        write_row(output, ridge_row(glasses, protocol) if model == RIDGE else network_row(run, glasses, protocol))
    return write_table(output, read_rows(output))


def configuration(
    data: str, budget_minutes: float, *, label: str = names.ENERGY_BARRIER, species: str | None = None
) -> RunConfig:
    """What all runs have in common."""
    return RunConfig(
        data=str(data),
        run_dir="",
        epochs=EPOCHS,
        patience=PATIENCE,
        minutes=float(budget_minutes),
        label=label,
        species=species,
        network=NETWORK,
        optimizer=OPTIMIZER,
    )


def _glasses(config: RunConfig) -> dict[str, list[Glass]]:
    """The labelled glasses of all three splits, none of which may be empty."""
    glasses = read_labelled(config)
    for split, members in glasses.items():
        if not members:
            raise InputError(config.data, f"{split} split", "no glass", "at least one")
    trained = {int(z) for glass in glasses[names.TRAIN] for z in glass.atomic_numbers}
    for members in glasses.values():
        require_species(members, sorted(trained))
    return glasses


def _wanted(models: Sequence[str], seeds: Sequence[int]) -> list[tuple[str, int]]:
    """Models and seeds, seed by seed, so that an interruption leaves every model with about as many."""
    runs = [(model, 0 if model == RIDGE else seed) for seed in seeds for model in models]
    return list(dict.fromkeys(runs))
