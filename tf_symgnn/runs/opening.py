"""Runs by path or by the name of a shipped model, and configurations of runs that start from them."""

from __future__ import annotations

import os

from tf_symgnn.config import RunConfig
from tf_symgnn.locations import find_model
from tf_symgnn.runs.folder import RunFolder

Run = RunFolder | str | os.PathLike[str]


def open_run(run: Run) -> RunFolder:
    """Return a run from its folder, or from the name of a model that is part of the package.

    Raises:
        InputError: there is no run.
    """
    return run if isinstance(run, RunFolder) else RunFolder.open(find_model(run))


def fine_tuning_config(run: Run) -> RunConfig:
    """Return the configuration of a run that starts from the best weights of another one.

    Model, graph and network are those of that run, and in training the potential, if it has one. All other fields have
    their defaults; `dataclasses.replace` changes them.

    Args:
        run: the run to start from, its folder, or the name of a model that is part of the package.

    Raises:
        InputError: there is no run.
    """
    before = open_run(run)
    config = before.config()
    return RunConfig(model=config.model, graph=config.graph, network=config.network, init=str(before.path))
