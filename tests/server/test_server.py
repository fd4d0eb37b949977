"""The server over HTTP: predictions of the SavedModel, formats of TensorFlow Serving, errors, and shutdown."""

import base64
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn

import tf_symgnn
from tests.conftest import ZOO, random_glass
from tests.server.servers import PREDICT, ROOT, Client, columns, direct, running
from tf_symgnn import names
from tf_symgnn.cli import main
from tf_symgnn.data import read_glass
from tf_symgnn.graph import to_graph_tensor
from tf_symgnn.runs import glass_graphs


@pytest.mark.parametrize("name", [name for name in ZOO if name != "fcc"])
def test_served_barriers_are_those_of_the_saved_model(client, saved_model, name):
    glass = ZOO[name]()
    status, answer = client.ask("POST", PREDICT, {"inputs": columns(glass)})
    assert status == 200, answer
    np.testing.assert_allclose(answer["outputs"], direct(saved_model, glass), atol=1e-6)


def test_several_glasses_at_once(client, saved_model):
    glasses = [random_glass(60, 20), random_glass(61, 35)]
    inputs = {
        "positions": sum((glass.positions.tolist() for glass in glasses), []),
        "atomic_numbers": sum((glass.atomic_numbers.tolist() for glass in glasses), []),
        "cells": [glass.cell.tolist() for glass in glasses],
        "pbc": [glass.pbc.tolist() for glass in glasses],
        "n_atoms": [20, 35],
    }
    status, answer = client.ask("POST", PREDICT, {"signature_name": "batch", "inputs": inputs})
    assert status == 200, answer
    assert answer["outputs"]["n_atoms"] == [20, 35]
    expected = np.concatenate([direct(saved_model, glass) for glass in glasses])
    np.testing.assert_allclose(answer["outputs"][names.ENERGY_BARRIER], expected, atol=1e-6)


def test_graphs_are_encoded_as_base64_and_a_graph_of_one_atom_has_a_row_format(client, finished_run):
    glasses = [random_glass(62, 20), ZOO["isolated atom"]()]
    graphs = glass_graphs(finished_run.config(), glasses)
    encoded = [
        {"b64": base64.b64encode(tfgnn.write_example(to_graph_tensor(graph)).SerializeToString()).decode()}
        for graph in graphs
    ]
    body = {"signature_name": "serialized_graphs"}
    status, by_column = client.ask("POST", PREDICT, body | {"inputs": {"examples": encoded}})
    assert status == 200 and by_column["outputs"]["n_atoms"] == [20, 1]
    # As in TensorFlow Serving, the row format requires as many barriers as graphs.
    status, error = client.ask("POST", PREDICT, body | {"instances": encoded})
    assert status == 400 and "inconsistent batch size" in error["error"]
    status, by_row = client.ask("POST", PREDICT, body | {"instances": encoded[1:]})
    assert status == 200
    assert by_row["predictions"] == [
        {"n_atoms": 1, names.ENERGY_BARRIER: pytest.approx(by_column["outputs"][names.ENERGY_BARRIER][-1])}
    ]


def with_sizes(example: tf.train.Example, feature: str, sizes: list[int]) -> tf.train.Example:
    changed = tf.train.Example.FromString(example.SerializeToString())
    changed.features.feature[feature].int64_list.value[:] = sizes
    return changed


def test_graphs_with_wrong_sizes_are_refused(client, finished_run):
    (graph,) = glass_graphs(finished_run.config(), [random_glass(62, 20)])
    valid = tfgnn.write_example(to_graph_tensor(graph))
    invalid = [
        with_sizes(valid, feature, sizes)
        for feature in ("nodes/atoms.#size", "edges/neighbors.#size")
        for sizes in ([2 * 10**9], [-1], [])
    ]
    for example in [tf.train.Example(), *invalid]:
        encoded = {"b64": base64.b64encode(example.SerializeToString()).decode()}
        body = {"signature_name": "serialized_graphs", "inputs": {"examples": [encoded]}}
        status, error = client.ask("POST", PREDICT, body)
        assert status == 400 and "error" in error
    encoded = {"b64": base64.b64encode(valid.SerializeToString()).decode()}
    status, _ = client.ask("POST", PREDICT, body | {"inputs": {"examples": [encoded]}})
    assert status == 200


def test_status_metadata_and_versions(client, export_folder, saved_model):
    for path in ("/v1/models/symgnn", "/v1/models/symgnn/versions/2"):
        status, answer = client.ask("GET", path)
        assert status == 200
        assert [(entry["version"], entry["state"]) for entry in answer["model_version_status"]] == [("2", "AVAILABLE")]
    status, answer = client.ask("GET", "/v1/models/symgnn/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": "symgnn", "signature_name": "", "version": "2"}
    described = answer["metadata"]["signature_def"]["signature_def"]
    assert described.keys() == saved_model.signatures.keys()
    positions = described["serving_default"]["inputs"]["positions"]
    shape = {"dim": [{"size": "-1", "name": ""}, {"size": "3", "name": ""}], "unknown_rank": False}
    assert (positions["dtype"], positions["tensor_shape"]) == ("DT_FLOAT", shape)
    assert described["batch"]["method_name"] == "tensorflow/serving/predict"
    glass = random_glass(63, 12)
    ask = [
        client.ask("POST", f"/v1/models/symgnn{of}:predict", {"inputs": columns(glass)}) for of in ("", "/versions/2")
    ]
    assert ask[0] == ask[1] and ask[0][0] == 200


@pytest.mark.parametrize(
    ("method", "path", "expected", "words"),
    [
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("POST", "/v1/models/symgnn/versions/1:predict", 404, "Servable not found for request: Specific(symgnn, 1)"),
        ("GET", "/v1/models/other/metadata", 404, "Latest(other)"),
        ("GET", f"/v1/models/symgnn/versions/{'9' * 5000}", 404, "Specific(symgnn, 999"),
        ("GET", "/v1/nothing", 404, "Malformed request: GET /v1/nothing"),
        ("GET", PREDICT, 404, "Latest(symgnn:predict)"),
        ("POST", "/about", 405, "Malformed request: POST /about"),
        ("GET", "/..%2f..%2f..%2fsetup.cfg", 404, "Malformed request"),
    ],
)
def test_unknown_paths_get_json_errors(client, method, path, expected, words):
    status, answer = client.ask(method, path, b"{}" if method == "POST" else None)
    assert status == expected and words in answer["error"]
    assert client.headers["content-type"] == "application/json"


BAD_GLASSES = {
    "unknown species": ({"atomic_numbers": [29, 79]}, "species: found Au"),
    "no element": ({"atomic_numbers": [29, 0]}, "atomic_numbers"),
    "flat cell": ({"cell": [[5, 0, 0], [0, 5, 0], [5, 5, 0]]}, "cell: found volume 0"),
    "one point": ({"positions": [[1, 1, 1], [1, 1, 1]]}, "positions"),
    "one point through the box": ({"positions": [[1, 1, 1], [6, -4, 1]]}, "positions"),
    "crowded": ({"cell": [[0.01, 0, 0], [0, 0.01, 0], [0, 0, 0.01]]}, "candidate pairs"),
    "too few numbers": ({"atomic_numbers": [29]}, "atoms"),
    "no atom": ({"atomic_numbers": [], "positions": []}, "positions"),
    "far": ({"positions": [[1, 1, 1], [1e20, 1, 1]]}, "at most 10000 A"),
}


@pytest.mark.parametrize("name", BAD_GLASSES)
def test_an_invalid_glass_is_a_bad_request(client, name):
    changes, words = BAD_GLASSES[name]
    inputs = {"positions": [[0, 0, 0], [2, 2, 2]], "cell": (np.eye(3) * 5).tolist(), "pbc": [True] * 3}
    inputs |= {"atomic_numbers": [29, 40]} | changes
    status, answer = client.ask("POST", PREDICT, {"inputs": inputs})
    assert status == 400 and words in answer["error"], answer


def test_the_row_format_does_not_fit_a_glass(client):
    status, answer = client.ask("POST", PREDICT, {"instances": [columns(random_glass(64, 5))]})
    assert status == 400 and "use 'inputs'" in answer["error"]


def test_every_response_has_a_content_security_policy(client):
    for path in ("/about", "/v1/models/symgnn"):
        client.ask("GET", path)
        assert client.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert client.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in client.headers


@pytest.mark.slow
@pytest.mark.parametrize(("number", "host"), [(signal.SIGINT, "127.0.0.1"), (signal.SIGTERM, "0.0.0.0")])
def test_a_signal_ends_the_server(export_folder, number, host):
    """A server that other machines can reach prints a warning first."""
    with running(export_folder, "--host", host) as (process, port):
        assert Client(port).ask("GET", "/v1/models/symgnn")[0] == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        loading, *warnings, stopped = errors.splitlines()
        assert (loading, stopped) == (f"loading {export_folder / '2'}", "stopped")
        expected = "tf-symgnn: warning: the server listens on 0.0.0.0; it asks for no password"
        assert [line.partition(",")[0] for line in warnings] == ([expected] if host == "0.0.0.0" else [])


@pytest.mark.slow
def test_a_run_is_served_from_its_weights(finished_run, data, tmp_path):
    """Its own export is not loaded: a SavedModel is a program, and a run folder may come from elsewhere."""
    run = tmp_path / "run"
    shutil.copytree(finished_run.path, run)
    for saved in (run / "export").rglob("saved_model.pb"):
        saved.write_bytes(b"not a model")
    glass = read_glass(data / "test0.xyz")
    with running(run) as (process, port):
        status, answer = Client(port).ask("POST", PREDICT, {"inputs": columns(glass)})
        assert status == 200
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    expected = tf_symgnn.load_model(finished_run).predict(glass)
    np.testing.assert_allclose(answer["outputs"], expected, atol=1e-5)
    line, loading, stopped = errors.splitlines()[-3:]
    assert line.startswith(f"exporting {run}, ") and stopped == "stopped"
    assert not Path(loading.removeprefix("loading ")).exists()


@pytest.mark.slow
def test_the_server_imports_neither_tf_gnn_nor_model_code(export_folder):
    program = (
        "import sys; from tf_symgnn.server.servable import Servable; import tf_symgnn.server.server\n"
        "from pathlib import Path; Servable(Path(sys.argv[1])).warm_up()\n"
        "ours = [f'tf_symgnn.{name}' for name in ('graph.tensors', 'nn', 'models', 'runs', 'inference', 'training')]\n"
        "unneeded = {'tensorflow_gnn', 'keras', *ours}\n"
        "assert not unneeded & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program, str(export_folder / "2")], cwd=ROOT, check=True)


def test_errors_at_the_start_give_one_line(export_folder, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        assert main(["serve", str(export_folder), "--port", str(port)]) == 2
        assert capsys.readouterr().err == (
            f"tf-symgnn: 127.0.0.1:{port}: address: found Address already in use, expected a free address\n"
        )
    (tmp_path / "1").mkdir()
    for export in (tmp_path / "absent", tmp_path, tmp_path / "1"):
        assert main(["serve", str(export), "--port", "0"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines[-1].startswith("tf-symgnn: ") and str(export) in lines[-1]
    assert main(["serve", str(export_folder), "--port", "99999"]) == 2
