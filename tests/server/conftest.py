"""An export of two versions and a server of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from tests.server.servers import Client, running


@pytest.fixture(scope="session")
def export_folder(exported, tmp_path_factory) -> Path:
    """Two versions of a small trained model."""
    folder = tmp_path_factory.mktemp("served") / "model"
    for version in ("1", "2"):
        shutil.copytree(exported / "1", folder / version)
    return folder


@pytest.fixture(scope="session")
def saved_model(export_folder):
    """The newest version, loaded by TensorFlow."""
    return tf.saved_model.load(str(export_folder / "2"))


@pytest.fixture(scope="session")
def served(export_folder) -> Iterator[tuple]:
    """The process that serves the export and its port."""
    with running(export_folder) as (process, port):
        yield process, port


@pytest.fixture
def client(served) -> Iterator[Client]:
    """A connection to the server."""
    client = Client(served[1])
    yield client
    client.close()
