"""A SavedModel export: numbered versions, each written whole or not at all, with metadata and a warm-up request."""

import json
import threading

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from tf_symgnn.data import InputError, locked
from tf_symgnn.export.saved_model import _move_to_next, export
from tf_symgnn.export.versions import newest, versions
from tf_symgnn.export.warmup import WARMUP_FILE, write_warmup
from tf_symgnn.runs import RunFolder


def test_versions_are_numbered_and_other_files_are_kept(finished_run, tmp_path):
    directory = tmp_path / "models" / "barriers"
    assert export(finished_run, directory) == directory / "1"
    (directory / "7").mkdir()
    (directory / "notes.txt").write_text("mine")
    for name in (".export-killed", ".export-running"):
        (directory / name / "export").mkdir(parents=True)
    with locked(directory / ".export-running"):
        assert export(finished_run, directory) == directory / "8"
    assert sorted(path.name for path in directory.iterdir()) == [".export-running", "1", "7", "8", "notes.txt"]
    assert newest(directory) == directory / "8"
    for version in ("1", "8"):
        assert tf.saved_model.contains_saved_model(str(directory / version))
        assert (directory / version).stat().st_mode & 0o055 == 0o055  # a server may run as another user


def test_versions_are_ordered_as_numbers(tmp_path):
    for name in ("10", "9", "0", ".export-x", "temp"):
        (tmp_path / name).mkdir()
    assert list(versions(tmp_path)) == [0, 9, 10]


def test_simultaneous_exports_get_different_numbers(tmp_path):
    new = [tmp_path / f".new-{k}" for k in range(20)]
    for path in new:
        path.mkdir()
        (path / "saved_model.pb").write_text(path.name)
    threads = [threading.Thread(target=_move_to_next, args=(path, tmp_path)) for path in new]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(versions(tmp_path)) == list(range(1, 21))
    assert {(path / "saved_model.pb").read_text() for path in versions(tmp_path).values()} == {p.name for p in new}


def test_the_metadata_has_species_cutoff_units_and_scaling(finished_run, exported):
    record = json.loads((exported / "1" / "assets" / "metadata.json").read_text())
    assert record["model"] == "symgnn"
    assert record["species"] == {"Cu": 29, "Zr": 40}
    assert record["cutoff"] == 4.0
    assert record["self_loops"] is True
    assert record["units"] == {"length": "angstrom", "energy_barrier": "eV"}
    facts = finished_run.statistics()
    assert record["label_scaling"] == {"mean": facts.label_mean, "std": facts.label_std}
    assert record["versions"]["tensorflow"] == tf.__version__


def test_the_metadata_describes_the_signatures(exported):
    signatures = json.loads((exported / "1" / "assets" / "metadata.json").read_text())["signatures"]
    assert list(signatures) == ["batch", "serialized_graphs", "serving_default"]
    loaded = tf.saved_model.load(str(exported / "1")).signatures
    for name, described in signatures.items():
        specs = loaded[name].structured_input_signature[1]
        assert {key: (x["dtype"], x["shape"]) for key, x in described["inputs"].items()} == {
            key: (spec.dtype.name, list(spec.shape)) for key, spec in specs.items()
        }
        assert described["outputs"].keys() == loaded[name].structured_outputs.keys()
    assert signatures["serving_default"]["inputs"]["positions"] == {
        "dtype": "float32",
        "shape": [None, 3],
        "tensor": "serving_default_positions:0",
    }


def test_the_warm_up_request_is_valid(exported):
    (record,) = tf.data.TFRecordDataset(str(exported / "1" / WARMUP_FILE))
    request = PredictionLog.FromString(record.numpy()).predict_log.request
    assert request.model_spec.name == "" and request.model_spec.signature_name == "serving_default"
    inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
    loaded = tf.saved_model.load(str(exported / "1"))  # a signature has no reference to the weights
    barrier = loaded.signatures[request.model_spec.signature_name](**inputs)["energy_barrier"].numpy()
    assert len(barrier) == 64 and np.isfinite(barrier).all()


def test_the_warm_up_record_is_encoded_as_tensorflow_serving_api_encodes_it(tmp_path):
    """The lengths of fields are encoded in one, two and three bytes."""
    arrays = {"short": np.zeros(1, np.float32), "longer": np.arange(100.0), "longest": np.arange(5000.0)}
    for name, values in arrays.items():
        expected = PredictionLog()
        request = expected.predict_log.request
        request.model_spec.signature_name = "serving_default"
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
        write_warmup(tmp_path / name, "serving_default", {name: values})
        (record,) = tf.data.TFRecordDataset(str(tmp_path / name / WARMUP_FILE))
        assert record.numpy() == expected.SerializeToString()


def test_a_folder_that_cannot_hold_versions_is_not_changed(finished_run, exported, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="a file"):
        export(finished_run, tmp_path / "file")
    with pytest.raises(InputError, match="a SavedModel without versions"):
        export(finished_run, exported / "1")
    assert not versions(exported / "1")


def test_a_failed_export_writes_nothing(finished_run, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    (tmp_path / "there").mkdir()
    for directory in (tmp_path / "model", tmp_path / "there"):
        with pytest.raises(OSError, match="no space"):
            export(finished_run, directory)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_a_run_without_weights_cannot_be_exported(finished_run, tmp_path):
    for file in (finished_run.config_file, finished_run.statistics_file):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="no finished epoch"):
        export(RunFolder.open(tmp_path), tmp_path / "model")
    assert not (tmp_path / "model").exists()
