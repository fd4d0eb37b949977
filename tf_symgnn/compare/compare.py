"""The comparison: run what is not finished yet, and tabulate all finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tf_symgnn import names, runtime
from tf_symgnn.compare.published import comparable_models
from tf_symgnn.compare.rows import Protocol, read_rows, require_protocol, row_file, write_row
from tf_symgnn.compare.runs import RUNS, network_row, ridge_row
from tf_symgnn.compare.table import write_table
from tf_symgnn.config import NetworkConfig, OptimizerConfig, PairStyle, RunConfig
from tf_symgnn.data import Glass, InputError, require_species
from tf_symgnn.models.catalog import complete, needs_potential
from tf_symgnn.potentials.tables import read_potential_file
from tf_symgnn.runs import read_labeled, tables_digest

RIDGE = "ridge"

# A run ends before its budget only after this many epochs without a better validation Pearson.
PATIENCE = 100

# Defaults of a single run may change, but the committed rows were made with these settings.
NETWORK = complete("symgnn", NetworkConfig())
OPTIMIZER = OptimizerConfig(learning_rate=2e-3)

# No budget is long enough for so many epochs, so that time ends a run.
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
    potential: str | None = None,
    pair_style: PairStyle | None = None,
) -> Path:
    """Train each model with each seed under one protocol, and tabulate every finished run of the results folder.

    All runs use the split of the data set, choose the best epoch on validation, and share one configuration. Only the
    model and the seed differ, and the heads and the distribution of the default model. A run whose row exists is not
    repeated.

    Args:
        data: folder of labeled structure files.
        output: results folder. It holds `rows/` with one file per run; `table.md`, `table.csv` and `table.png`, which
            are made from the rows; and `runs/`, from which an interrupted comparison continues.
        models: names in the model catalog, or `ridge`.
        seeds: seeds of each model. Ridge regression uses no random numbers and runs once.
        budget_minutes: training time per run.
        label: per-atom column or key of the energy barrier in the files, eV.
        species: chemical symbols of LAMMPS types 1, 2, ..., for example `Cu,Zr`.
        potential: LAMMPS file of the potential that the glasses are at rest under, for the models that need one.
        pair_style: of the potential; None takes it from the end of the file's name.

    Returns:
        The path of `table.md`.

    Raises:
        InputError: a model is unknown, the potential is missing or not read by any model, the data cannot be used, or
            the folder has rows of another protocol.
        TrainingStopped: a loss is no longer finite.
    """
    output = Path(output)
    digest = _checked_potential(models, potential, pair_style)
    runtime.configure(chunked=False)  # for all models alike, whatever others are compared
    config = configuration(data, budget_minutes, label=label, species=species)
    glasses = _read_splits(config)
    protocol = Protocol.of(config, glasses, digest)
    for row in read_rows(output):
        require_protocol(row_file(output, row.model, row.seed), row, protocol)

    for model, seed in _planned_runs(models, seeds):
        if row_file(output, model, seed).exists():
            continue
        print(f"{model}, seed {seed}", flush=True)
        folder = output / RUNS / f"{model}-{seed}"
        # An empty network configuration takes each model's own heads and distribution.
        run = replace(config, model=model, seed=seed, run_dir=str(folder), network=NetworkConfig())
        if needs_potential(model):
            run = replace(run, potential=potential, pair_style=pair_style)
        write_row(output, ridge_row(glasses, protocol) if model == RIDGE else network_row(run, glasses, protocol))
    return write_table(output, read_rows(output))


def configuration(
    data: str, budget_minutes: float, *, label: str = names.ENERGY_BARRIER, species: str | None = None
) -> RunConfig:
    """Return the configuration that all runs share; each run sets its model, seed and run folder."""
    return RunConfig(
        data=str(data),
        epochs=EPOCHS,
        patience=PATIENCE,
        minutes=float(budget_minutes),
        label=label,
        species=species,
        network=NETWORK,
        optimizer=OPTIMIZER,
    )


def _checked_potential(models: Sequence[str], potential: str | None, pair_style: PairStyle | None) -> str | None:
    """Check the models, and return the digest of the tables of the potential that some need, or None without one.

    Raises:
        InputError: a model is unknown, the file is no potential, a model needs one and there is none, or none reads it.
    """
    for model in models:
        if model not in comparable_models():
            raise InputError("command line", "models", model, "one of " + ", ".join(comparable_models()))
    needing = next((model for model in models if needs_potential(model)), None)
    if needing and potential is None:
        expected = f"the file of an interatomic potential, which {needing} reads descriptors from"
        raise InputError("command line", "potential", "none", expected)
    if potential is not None and not needing:
        raise InputError("command line", "potential", potential, "none, as no model reads descriptors from it")
    return None if potential is None else tables_digest(read_potential_file(potential, pair_style))


def _read_splits(config: RunConfig) -> dict[str, list[Glass]]:
    """Return the labeled glasses of all three splits, none of which may be empty."""
    glasses = read_labeled(config)
    for split, members in glasses.items():
        if not members:
            raise InputError(config.data, f"{split} split", "no glass", "at least one")
    trained = {int(z) for glass in glasses[names.TRAIN] for z in glass.atomic_numbers}
    for members in glasses.values():
        require_species(members, sorted(trained))
    return glasses


def _planned_runs(models: Sequence[str], seeds: Sequence[int]) -> list[tuple[str, int]]:
    """Return (model, seed) pairs, ordered by seed, so that an interruption leaves as many runs of each model."""
    runs = [(model, 0 if model == RIDGE else seed) for seed in seeds for model in models]
    return list(dict.fromkeys(runs))
