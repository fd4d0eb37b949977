"""The SavedModel: the live model's numbers, without this package, whole or not at all."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.graph import to_graph_tensor
from tf_symgnn.serving.export import export
from tf_symgnn.training import Predictor, RunFolder, glass_graphs

# A client of the export has TensorFlow, and neither this package nor TF-GNN.
CLIENT = """
import sys, numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
examples = [record.numpy() for record in tf.data.TFRecordDataset(sys.argv[2])]
result = served.signatures["serving_default"](examples=tf.constant(examples))
assert not any(name.startswith(("tf_symgnn", "tensorflow_gnn")) for name in sys.modules)
np.savez(sys.argv[3], **{name: value.numpy() for name, value in result.items()})
"""


@pytest.fixture(scope="module")
def graphs(finished_run):
    return glass_graphs(finished_run.config(), [random_glass(20, 30, name="a"), random_glass(21, 45, name="b")])


@pytest.fixture(scope="module")
def exported(finished_run, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("exports") / "model"
    export(finished_run, directory)
    return directory


def examples(graphs) -> list[bytes]:
    return [tfgnn.write_example(to_graph_tensor(graph)).SerializeToString() for graph in graphs]


def test_a_client_without_this_package_gets_the_live_models_numbers(finished_run, exported, graphs, tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "requests")) as writer:
        for example in examples(graphs):
            writer.write(example)
    client = [sys.executable, "-c", CLIENT, str(exported), str(tmp_path / "requests"), str(tmp_path / "result.npz")]
    subprocess.run(client, cwd=tmp_path, check=True)
    result = np.load(tmp_path / "result.npz")
    np.testing.assert_array_equal(result["n_atoms"], [30, 45])
    predict = Predictor(finished_run.load_model())
    expected = np.concatenate([predict(graph) for graph in graphs])
    np.testing.assert_allclose(result[names.ENERGY_BARRIER], expected, atol=1e-5)


def test_a_species_the_model_does_not_know_is_not_guessed(exported, finished_run):
    glass = random_glass(22, 12)
    (graph,) = glass_graphs(finished_run.config(), [glass])
    graph.atomic_numbers[3] = 79
    served = tf.saved_model.load(str(exported)).signatures["serving_default"]
    result = served(examples=tf.constant(examples([graph])))[names.ENERGY_BARRIER].numpy()
    assert np.isnan(result[3])


def test_the_metadata_says_what_a_client_must_know(finished_run, exported):
    record = json.loads((exported / "assets" / "metadata.json").read_text())
    assert record["species"] == {"Cu": 29, "Zr": 40}
    assert record["cutoff"] == 4.0
    assert record["self_loops"] is True
    assert record["units"] == {"length": "angstrom", "energy_barrier": "eV"}
    facts = finished_run.facts()
    assert record["label_scaling"] == {"mean": facts.label_mean, "std": facts.label_std}
    assert record["versions"]["tensorflow"] == tf.__version__


def test_an_export_is_replaced_only_when_asked(finished_run, exported):
    with pytest.raises(InputError, match="existing file or folder"):
        export(finished_run, exported)
    export(finished_run, exported, overwrite=True)
    assert tf.saved_model.contains_saved_model(str(exported))
    assert [path.name for path in exported.parent.iterdir()] == [exported.name]


def test_a_folder_of_something_else_is_never_replaced(finished_run, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="no SavedModel"):
        export(finished_run, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_failed_export_leaves_nothing(finished_run, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="no space"):
        export(finished_run, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_run_without_weights_cannot_be_exported(finished_run, tmp_path):
    for file in (finished_run.config_file, finished_run.facts_file):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="no finished epoch"):
        export(RunFolder.open(tmp_path), tmp_path / "model")
