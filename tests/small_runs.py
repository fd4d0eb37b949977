"""Small data sets and runs that the tests of training and of later packages share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.config import GraphConfig, NetworkConfig, OptimizerConfig, RunConfig
from tf_symgnn.data import write_glasses


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


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """Return a folder of three training glasses, one for validation and one for test."""
    sizes = {"train0": 60, "train1": 50, "train2": 70, "val0": 55, "test0": 45}
    return write_data(tmp_path_factory.mktemp("data"), sizes)


@pytest.fixture(scope="session")
def epochs_seen() -> list:
    """Return the epochs and logs that a callback of the finished run has received."""
    return []


@pytest.fixture(scope="session")
def finished_run(data, tmp_path_factory, epochs_seen):
    """Return the folder of a run of three epochs, trained and evaluated."""
    import tensorflow as tf

    from tf_symgnn.training import train

    seen = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs_seen.append((epoch, dict(logs))))
    return train(small_config(data, tmp_path_factory.mktemp("runs") / "finished"), callbacks=[seen])


@pytest.fixture(scope="session")
def exported(finished_run, tmp_path_factory) -> Path:
    """Return the export of the finished run: a folder with version 1."""
    from tf_symgnn.export.saved_model import export

    directory = tmp_path_factory.mktemp("exports") / "model"
    export(finished_run, directory)
    return directory
