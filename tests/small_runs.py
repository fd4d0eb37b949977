"""Small data sets and runs that the tests of training and of later packages share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.config import GraphConfig, NetworkConfig, OptimizerConfig, RunConfig
from tf_symgnn.data import write_glasses

if TYPE_CHECKING:  # the process that only distributes the tests needs no TensorFlow
    from tf_symgnn.runs import RunFolder


def write_data(folder: Path, sizes: dict[str, int]) -> Path:
    """Return a folder of random labeled glasses, by stem and number of atoms."""
    for seed, (stem, n_atoms) in enumerate(sizes.items()):
        write_glasses(folder / f"{stem}.xyz", [random_glass(seed, n_atoms)])
    return folder


def padded(graph):
    """Return a GraphTensor with one more component, of padding: 7 atoms and 20 pairs among them."""
    import tensorflow_gnn as tfgnn  # the process that only distributes the tests needs no TensorFlow

    sizes = tfgnn.SizeConstraints(
        total_num_components=int(graph.num_components) + 1,
        total_num_nodes={names.ATOMS: int(graph.node_sets[names.ATOMS].total_size) + 7},
        total_num_edges={names.NEIGHBORS: int(graph.edge_sets[names.NEIGHBORS].total_size) + 20},
    )
    return tfgnn.pad_to_total_sizes(graph, sizes)[0]


def small_config(data: Path, run_dir: Path, **changes) -> RunConfig:
    """Return the configuration of a run of seconds: two narrow layers, a short cutoff."""
    config = RunConfig(
        data=str(data),
        run_dir=str(run_dir),
        model="symgnn",
        epochs=3,
        graph=GraphConfig(cutoff=4.0),
        network=NetworkConfig(width=8, heads=(2, 1), decoder_layers=1, transforms=2, distribution="uniform"),
        optimizer=OptimizerConfig(learning_rate=0.01),
    )
    return replace(config, **changes)


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first process to need it makes. Other processes wait until it is whole."""
    whole = folder.with_suffix(".whole")
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            whole.touch()
    return folder


def trained_once(config: RunConfig) -> RunFolder:
    """Return the folder of a run that the first process to need it trains."""
    from tf_symgnn.runs import RunFolder
    from tf_symgnn.training import train

    return RunFolder.open(made_once(Path(config.run_dir), lambda _: train(config)))


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """Return the folder of data and runs that no test changes, common to all processes of `python -m tests`."""
    return Path(os.environ.get("SHARED_BY_TESTS") or tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def data(shared) -> Path:
    """Return a folder of three training glasses, one for validation and one for test."""
    sizes = {"train0": 60, "train1": 50, "train2": 70, "val0": 55, "test0": 45}
    return made_once(shared / "data", lambda folder: write_data(folder, sizes))


@pytest.fixture(scope="session")
def finished_run(data, shared) -> RunFolder:
    """Return the folder of a run of three epochs, trained and evaluated."""
    return trained_once(small_config(data, shared / "finished"))


@pytest.fixture(scope="session")
def finished_hybrid_run(data, shared) -> RunFolder:
    """Return the folder of a run of one epoch of the default model."""
    return trained_once(small_config(data, shared / "symgnn_spectral", model="symgnn_spectral", epochs=1))


@pytest.fixture(scope="session")
def exported(finished_run, shared) -> Path:
    """Return the export of the finished run: a folder with version 1."""
    from tf_symgnn.export.saved_model import export

    return made_once(shared / "exported", lambda folder: export(finished_run, folder))
