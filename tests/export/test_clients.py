"""Clients of an export that have TensorFlow but not this package: in Python, at the command line and in C."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import ZOO
from tf_symgnn import names
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import glass_graphs

# Importing a module whose entry in `sys.modules` is None raises ImportError.
PYTHON = """
import sys
for module in ("tf_symgnn", "tensorflow_gnn", "tf_keras"):
    sys.modules[module] = None
import numpy as np, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
inputs = np.load(sys.argv[2])
answer = loaded.signatures["serving_default"](**{name: tf.constant(inputs[name]) for name in inputs.files})
np.save(sys.argv[3], answer["energy_barrier"])
"""


@pytest.fixture(scope="module")
def glass():
    return ZOO["triclinic"]()


@pytest.fixture(scope="module")
def expected(finished_run, glass):
    return CompiledModel(finished_run.load_model())(*glass_graphs(finished_run.config(), [glass]))


@pytest.fixture
def request_file(glass, tmp_path) -> Path:
    np.savez(
        tmp_path / "request.npz",
        positions=glass.positions.astype(np.float32),
        cell=glass.cell.astype(np.float32),
        pbc=glass.pbc,
        atomic_numbers=glass.atomic_numbers,
    )
    return tmp_path / "request.npz"


def run(command: list, **settings) -> str:
    """Run a command without this process's choice of Keras, and return its standard output."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    finished = subprocess.run([str(x) for x in command], env=environment, capture_output=True, text=True, **settings)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_python_without_this_package_or_tf_gnn_or_keras_2(exported, request_file, expected, tmp_path):
    run([sys.executable, "-c", PYTHON, exported / "1", request_file, tmp_path / "answer.npy"], cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "answer.npy"), expected, atol=1e-5)


def test_saved_model_cli(exported, request_file, expected, tmp_path):
    keys = ("positions", "cell", "pbc", "atomic_numbers")
    inputs = ";".join(f"{key}={request_file}[{key}]" for key in keys)
    program = Path(sys.executable).with_name("saved_model_cli")
    which = ["--dir", exported / "1", "--tag_set", "serve", "--signature_def", "serving_default"]
    run([program, "run", *which, "--inputs", inputs, "--outdir", tmp_path])
    np.testing.assert_allclose(np.load(tmp_path / f"{names.ENERGY_BARRIER}.npy"), expected, atol=1e-5)


@pytest.fixture(scope="module")
def c_client(tmp_path_factory) -> Path:
    """Return the program of `client.c`, linked with the libraries of the TensorFlow wheel."""
    program, libraries = tmp_path_factory.mktemp("client") / "client", tf.sysconfig.get_lib()
    command = ["gcc", "-std=c11", "-Wall", "-Werror", Path(__file__).with_name("client.c"), "-o", program]
    command += ["-I", tf.sysconfig.get_include(), "-L", libraries, f"-Wl,-rpath,{libraries}"]
    run([*command, "-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"])
    return program


@pytest.fixture
def c_command(c_client, exported) -> list[str]:
    record = json.loads((exported / "1" / "assets" / "metadata.json").read_text())
    tensor = record["signatures"]["serving_default"]["outputs"][names.ENERGY_BARRIER]["tensor"]
    return [str(c_client), str(exported / "1"), *tensor.split(":")]


def as_text(glass, atomic_numbers) -> str:
    head = [[glass.n_atoms], glass.cell.ravel(), glass.pbc.astype(int)]
    atoms = [(z, *x) for z, x in zip(atomic_numbers, glass.positions, strict=True)]
    return "\n".join(" ".join(repr(float(x)) for x in row) for row in [*head, *atoms])


def test_the_c_client(c_command, glass, expected):
    barriers = run(c_command, input=as_text(glass, glass.atomic_numbers))
    np.testing.assert_allclose([float(line) for line in barriers.split()], expected, atol=1e-5)


def test_the_c_client_prints_the_error(c_command, glass):
    text = as_text(glass, glass.atomic_numbers + 1)
    finished = subprocess.run(c_command, input=text, capture_output=True, text=True)
    assert finished.returncode == 1
    assert "atomic_numbers: expected only what the model was trained on" in finished.stderr
