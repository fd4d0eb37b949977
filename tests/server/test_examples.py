"""The examples of `tf_symgnn/server/README.md`, run as printed against substitutes for TensorFlow Serving."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

import tf_symgnn
from tests.conftest import random_glass
from tf_symgnn.data import write_glasses

README = Path(tf_symgnn.__file__).parent / "server" / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(), re.DOTALL)
REST, GRPC, ALONE = (text for language, text in BLOCKS if language == "python")


@pytest.fixture(scope="module")
def model(exported):
    return tf.saved_model.load(str(exported / "1"))


@pytest.fixture(autouse=True)
def glass(exported, tmp_path, monkeypatch):
    """Run each test in a folder with `glass.xyz` and `model`, as the README assumes."""
    glass = random_glass(50, 30)
    write_glasses(tmp_path / "glass.xyz", [glass])
    (tmp_path / "model").symlink_to(exported)
    monkeypatch.chdir(tmp_path)
    return glass


@pytest.fixture
def expected(model, glass):
    served = model.signatures["serving_default"](
        positions=tf.constant(glass.positions, tf.float32),
        cell=tf.constant(glass.cell, tf.float32),
        pbc=tf.constant(glass.pbc),
        atomic_numbers=tf.constant(glass.atomic_numbers),
    )
    return served["energy_barrier"].numpy()


def barriers_of(example: str) -> np.ndarray:
    variables = {}
    exec(compile(example, "README.md", "exec"), variables)
    return np.array(variables["barriers"])


def test_rest(model, expected):
    signature = model.signatures["serving_default"]
    specs = signature.structured_input_signature[1]

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
            answer = signature(**{name: tf.constant(x, specs[name].dtype) for name, x in inputs.items()})
            assert self.path == "/v1/models/symgnn:predict"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"outputs": answer["energy_barrier"].numpy().tolist()}).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            barriers = barriers_of(REST.replace("localhost:8501", f"127.0.0.1:{server.server_port}"))
        finally:
            server.shutdown()
    np.testing.assert_allclose(barriers, expected, atol=1e-6)


def test_grpc(model, expected):
    class Service(PredictionServiceServicer):
        def Predict(self, request, context):
            assert request.model_spec.name == "symgnn"
            inputs = {name: tf.constant(tf.make_ndarray(x)) for name, x in request.inputs.items()}
            answer = model.signatures[request.model_spec.signature_name](**inputs)
            return PredictResponse(outputs={name: tf.make_tensor_proto(x) for name, x in answer.items()})

    server = grpc.server(ThreadPoolExecutor(1))
    add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        barriers = barriers_of(GRPC.replace("localhost:8500", f"127.0.0.1:{port}"))
    finally:
        server.stop(None).wait()
    np.testing.assert_allclose(barriers, expected, atol=1e-6)


def test_tensorflow_alone(expected):
    np.testing.assert_allclose(barriers_of(ALONE), expected, atol=1e-6)


def test_the_configuration_is_valid_for_tensorflow_serving():
    (text,) = (text for language, text in BLOCKS if language == "protobuf")
    (config,) = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    (docker,) = (text for language, text in BLOCKS if language == "bash")
    assert config.base_path in docker and f"MODEL_NAME={config.name}" in docker


def test_the_table_has_every_signature_with_its_inputs_and_outputs(exported):
    record = json.loads((exported / "1" / "assets" / "metadata.json").read_text())
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", README.read_text(), re.MULTILINE))
    assert rows.keys() == record["signatures"].keys()
    for name, row in rows.items():
        inputs, outputs = (set(re.findall(r"`(\w+)`", cell)) for cell in row.strip("|").split("|")[:2])
        signature = record["signatures"][name]
        assert (inputs, outputs) == (set(signature["inputs"]), set(signature["outputs"]))


def test_links_have_targets():
    prose = re.sub(r"```.*?```", "", README.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)]+)\)", prose)
    assert links
    for link in links:
        assert (README.parent / link).exists(), link
