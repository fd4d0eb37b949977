"""An exported ONNX file in ONNX Runtime."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, ZOO, random_glass
from tf_symgnn import names
from tf_symgnn.cli import main
from tf_symgnn.data import InputError, LabelScaling
from tf_symgnn.export.onnx_file import export_onnx
from tf_symgnn.graph import to_graph_tensor
from tf_symgnn.inference import CompiledModel
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.runs import configured_model, glass_graphs

pytestmark = pytest.mark.slow


def inputs(glass) -> dict[str, np.ndarray]:
    return {
        "positions": glass.positions.astype(np.float32),
        "cell": glass.cell.astype(np.float32),
        "pbc": glass.pbc,
        "atomic_numbers": glass.atomic_numbers,
    }


@pytest.fixture(scope="module")
def file(finished_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    assert main(["export", str(finished_run.path), str(path), "--format", "onnx"]) == 0
    return path


@pytest.fixture(scope="module")
def session(file):
    return onnxruntime.InferenceSession(str(file))


def test_onnx_runtime_predicts_as_the_model_does(session, finished_run):
    live = CompiledModel(finished_run.load_model())
    for make in ZOO.values():
        glass = make()
        (barrier,) = session.run([names.ENERGY_BARRIER], inputs(glass))
        np.testing.assert_allclose(barrier, live(*glass_graphs(finished_run.config(), [glass])), atol=1e-4)


def test_the_exact_mean_over_transforms_can_be_exported(finished_run, tmp_path, monkeypatch):
    tf.keras.utils.set_random_seed(0)
    sizes = {"species": SPECIES, "cutoff": 4.0, "width": 8, "heads": (2, 1), "decoder_layers": 1}
    model = SymGNN(distribution="haar", **sizes)
    glasses = [make() for make in ZOO.values()]
    graphs = [to_graph_tensor(graph) for graph in glass_graphs(finished_run.config(), glasses)]
    for graph in graphs:
        model(graph, training=True)
    monkeypatch.setattr(finished_run, "load_model", lambda: model)
    export_onnx(finished_run, tmp_path / "haar.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "haar.onnx"))
    for glass, graph in zip(glasses, graphs, strict=True):
        np.testing.assert_allclose(session.run(None, inputs(glass))[0], model(graph), atol=1e-4)


def test_the_prediction_for_an_unknown_species_is_nan(session):
    gold = inputs(random_glass(22, 12))
    gold["atomic_numbers"][3] = 79
    (barrier,) = session.run(None, gold)
    assert np.isnan(barrier[3])


def test_the_file_has_metadata(session):
    record = json.loads(session.get_modelmeta().custom_metadata_map["tf_symgnn"])
    assert (record["species"], record["cutoff"]) == ({"Cu": 29, "Zr": 40}, 4.0)


def test_existing_files_and_models_without_a_portable_form_are_refused(finished_run, file, monkeypatch):
    with pytest.raises(InputError, match="an existing file"):
        export_onnx(finished_run, file)
    other = replace(finished_run.config(), model="gcn")
    monkeypatch.setattr(finished_run, "load_model", lambda: configured_model(other, SPECIES, LabelScaling(1.6, 0.3)))
    monkeypatch.setattr(finished_run, "config", lambda: other)
    with pytest.raises(InputError, match="found gcn, expected symgnn"):
        export_onnx(finished_run, file.with_name("other.onnx"))
    assert [path.name for path in file.parent.iterdir()] == [file.name]
