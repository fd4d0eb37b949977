"""Small data sets and runs for training and everything after it."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow_gnn as tfgnn

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.config import GraphConfig, NetworkConfig, OptimizerConfig, RunConfig
from tf_symgnn.data import write_glasses


def write_data(folder: Path, sizes: dict[str, int]) -> Path:
    """A folder of random labelled glasses, by stem and number of atoms."""
    for seed, (stem, n_atoms) in enumerate(sizes.items()):
        write_glasses(folder / f"{stem}.xyz", [random_glass(seed, n_atoms)])
    return folder


def padded(graph):
    """A graph tensor with a component of padding at its end: 7 atoms that are none, and 20 pairs among them."""
    sizes = tfgnn.SizeConstraints(
        total_num_components=int(graph.num_components) + 1,
        total_num_nodes={names.ATOMS: int(graph.node_sets[names.ATOMS].total_size) + 7},
        total_num_edges={names.NEIGHBORS: int(graph.edge_sets[names.NEIGHBORS].total_size) + 20},
    )
    return tfgnn.pad_to_total_sizes(graph, sizes)[0]


def small_config(data: Path, run_dir: Path, **changes) -> RunConfig:
    """A run of seconds: two layers, narrow, short-sighted."""
    own = {
        "model": "symgnn",
        "epochs": 3,
        "graph": GraphConfig(cutoff=4.0),
        "network": NetworkConfig(width=8, heads=(2, 1), decoder_layers=1, transforms=2, distribution="uniform"),
        "optimizer": OptimizerConfig(learning_rate=0.01),
    }
    return RunConfig(data=str(data), run_dir=str(run_dir), **own | changes)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """Three training glasses, one for validation, one for test."""
    sizes = {"train0": 60, "train1": 50, "train2": 70, "val0": 55, "test0": 45}
    return write_data(tmp_path_factory.mktemp("data"), sizes)


@pytest.fixture(scope="session")
def finished_run(data, tmp_path_factory):
    """A run of three epochs, trained and scored."""
    from tf_symgnn.training import train

    return train(small_config(data, tmp_path_factory.mktemp("runs") / "finished"))


@pytest.fixture(scope="session")
def exported(finished_run, tmp_path_factory) -> Path:
    """The finished run's export: a folder with version 1."""
    from tf_symgnn.export.saved_model import export

    directory = tmp_path_factory.mktemp("exports") / "model"
    export(finished_run, directory)
    return directory
