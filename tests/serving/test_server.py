"""The server over HTTP: the SavedModel's numbers, TensorFlow Serving's forms, every limit, and a tidy end."""

import base64
import http.client
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tests.conftest import SPECIES, ZOO, fcc_copper, random_glass
from tests.serving.servers import PREDICT, ROOT, Client, in_thread, running
from tf_symgnn import names
from tf_symgnn.cli import main
from tf_symgnn.data import write_glasses
from tf_symgnn.graph import to_graph_tensor
from tf_symgnn.serving import server as server_module
from tf_symgnn.serving.app import Limits, Service
from tf_symgnn.serving.protocol import Tensor
from tf_symgnn.training import glass_graphs


def columns(glass) -> dict:
    """The inputs of `serving_default` as JSON takes them."""
    return {
        "positions": glass.positions.tolist(),
        "cell": glass.cell.tolist(),
        "pbc": glass.pbc.tolist(),
        "atomic_numbers": glass.atomic_numbers.tolist(),
    }


def direct(saved_model, glass) -> np.ndarray:
    inputs = {
        "positions": tf.constant(glass.positions, tf.float32),
        "cell": tf.constant(glass.cell, tf.float32),
        "pbc": tf.constant(glass.pbc),
        "atomic_numbers": tf.constant(glass.atomic_numbers),
    }
    return saved_model.signatures["serving_default"](**inputs)[names.ENERGY_BARRIER].numpy()


@pytest.mark.parametrize("name", [name for name in ZOO if name != "fcc"])
def test_what_is_served_is_what_the_saved_model_says(client, saved_model, name):
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


def test_graphs_travel_as_base64_and_a_graph_of_one_atom_row_by_row(client, finished_run):
    glasses = [random_glass(62, 20), ZOO["isolated atom"]()]
    graphs = glass_graphs(finished_run.config(), glasses)
    encoded = [
        {"b64": base64.b64encode(tfgnn.write_example(to_graph_tensor(graph)).SerializeToString()).decode()}
        for graph in graphs
    ]
    asked = {"signature_name": "serialized_graphs"}
    status, by_column = client.ask("POST", PREDICT, asked | {"inputs": {"examples": encoded}})
    assert status == 200 and by_column["outputs"]["n_atoms"] == [20, 1]
    # As TensorFlow Serving: rows need as many barriers as graphs.
    status, refused = client.ask("POST", PREDICT, asked | {"instances": encoded})
    assert status == 400 and "inconsistent batch size" in refused["error"]
    status, by_row = client.ask("POST", PREDICT, asked | {"instances": encoded[1:]})
    assert status == 200
    assert by_row["predictions"] == [
        {"n_atoms": 1, names.ENERGY_BARRIER: pytest.approx(by_column["outputs"][names.ENERGY_BARRIER][-1])}
    ]


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
def test_what_is_not_there_is_told_as_json(client, method, path, expected, words):
    status, answer = client.ask(method, path, b"{}" if method == "POST" else None)
    assert status == expected and words in answer["error"]
    assert client.headers["content-type"] == "application/json"


BAD_GLASSES = {
    "unknown species": ({"atomic_numbers": [29, 79]}, "species: found Au"),
    "no element": ({"atomic_numbers": [29, 0]}, "atomic_numbers"),
    "flat cell": ({"cell": [[5, 0, 0], [0, 5, 0], [5, 5, 0]]}, "cell: found volume 0"),
    "one point": ({"positions": [[1, 1, 1], [1, 1, 1]]}, "positions"),
    "one point through the box": ({"positions": [[1, 1, 1], [6, -4, 1]]}, "positions"),
    "crowded": ({"cell": [[0.01, 0, 0], [0, 0.01, 0], [0, 0, 0.01]]}, "pairs to look at"),
    "too few numbers": ({"atomic_numbers": [29]}, "atoms"),
    "no atom": ({"atomic_numbers": [], "positions": []}, "positions"),
    "far": ({"positions": [[1, 1, 1], [1e20, 1, 1]]}, "at most 10000 A"),
}


@pytest.mark.parametrize("name", BAD_GLASSES)
def test_what_no_glass_could_be_like_is_a_bad_request(client, name):
    changes, words = BAD_GLASSES[name]
    inputs = {"positions": [[0, 0, 0], [2, 2, 2]], "cell": (np.eye(3) * 5).tolist(), "pbc": [True] * 3}
    inputs |= {"atomic_numbers": [29, 40]} | changes
    status, answer = client.ask("POST", PREDICT, {"inputs": inputs})
    assert status == 400 and words in answer["error"], answer


def test_rows_add_an_axis_that_one_glass_does_not_have(client):
    status, answer = client.ask("POST", PREDICT, {"instances": [columns(random_glass(64, 5))]})
    assert status == 400 and "use 'inputs'" in answer["error"]


def test_every_page_says_what_a_browser_may_load(client):
    for path in ("/about", "/v1/models/symgnn"):
        client.ask("GET", path)
        assert client.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert client.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in client.headers


class Slow:
    """Stands in for a model: it answers when it is let, and says when it is asked."""

    version, species, symbols, cutoff = 1, list(SPECIES), ["Cu", "Zr"], 5.0
    facts: dict = {}
    signature_defs: dict = {}
    signatures = {"serving_default": {"x": Tensor(np.dtype("float32"), (None,))}}

    def __init__(self):
        self.let, self.asked = threading.Event(), threading.Semaphore(0)

    def predict(self, signature: str, inputs: dict) -> dict:
        self.asked.release()
        assert self.let.wait(60)
        return {"y": inputs["x"]}


def ask_in_thread(port: int, answers: list) -> threading.Thread:
    def ask() -> None:
        answers.append(Client(port).ask("POST", PREDICT, {"inputs": [1.0]})[0])

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_more_than_is_taken_in_hand_is_told_to_come_back():
    slow, answers = Slow(), []
    with in_thread(Service(slow, "symgnn", Limits(in_hand=2, at_work=2)).app()) as port:
        threads = [ask_in_thread(port, answers) for _ in range(2)]
        assert all(slow.asked.acquire(timeout=60) for _ in threads)
        status, answer = Client(port).ask("POST", PREDICT, {"inputs": [1.0]})
        assert status == 503 and "try again" in answer["error"]
        assert Client(port).ask("GET", "/v1/models/symgnn")[0] == 200  # it still tells its status
        slow.let.set()
        for thread in threads:
            thread.join()
    assert answers == [200, 200]


def test_a_slow_answer_is_not_waited_for_and_keeps_its_place_until_it_ends():
    slow = Slow()
    with in_thread(Service(slow, "symgnn", Limits(in_hand=1, at_work=1, answer_seconds=0.2)).app()) as port:
        client = Client(port)
        status, answer = client.ask("POST", PREDICT, {"inputs": [1.0]})
        assert status == 504 and "0.2 seconds" in answer["error"]
        assert client.ask("POST", PREDICT, {"inputs": [1.0]})[0] == 503
        slow.let.set()
        while client.ask("POST", PREDICT, {"inputs": [1.0]})[0] == 503:
            pass
        assert client.ask("POST", PREDICT, {"inputs": [1.0]}) == (200, {"outputs": [1.0]})


@pytest.fixture
def hurried():
    slow = Slow()
    slow.let.set()
    with in_thread(Service(slow, "symgnn", Limits(body_bytes=1000, body_seconds=0.3)).app()) as port:
        yield port


def test_a_large_body_is_refused_whether_or_not_it_says_so(hurried):
    client = Client(hurried)
    assert client.ask("POST", PREDICT, b" " * 1001) == (413, {"error": "the body is larger than 1000 bytes"})
    connection = http.client.HTTPConnection("127.0.0.1", hurried, timeout=60)
    connection.request(
        "POST", PREDICT, iter([b" " * 400] * 5), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 413
    assert client.ask("POST", PREDICT, b'{"inputs": [1]}')[0] == 200


def test_a_body_that_drips_is_given_up(hurried):
    with socket.create_connection(("127.0.0.1", hurried), timeout=60) as connection:
        connection.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode() + b'{"in')
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert Client(hurried).ask("POST", PREDICT, b'{"inputs": [1]}')[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /about HTTP/1.1\r\nHost: x\r\n\r\nGET /ab"])
def test_a_connection_without_a_whole_request_is_ended(monkeypatch, sent):
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 0.2)
    with in_thread(Service(Slow(), "symgnn", Limits()).app()) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(sent)
            received = b""
            try:
                while part := connection.recv(4096):
                    received += part
            except ConnectionResetError:
                pass
        assert received.startswith(b"HTTP/1.1 200" if b"about" in sent else b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_tidily(export_folder, number):
    with running(export_folder) as (process, port):
        assert Client(port).ask("GET", "/v1/models/symgnn")[0] == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0
        assert errors.splitlines() == [f"loading {export_folder / '2'}", "stopped"]


def test_it_starts_without_tf_gnn_and_what_needs_it(export_folder):
    program = (
        "import sys; from tf_symgnn.serving.servable import Servable; import tf_symgnn.serving.server\n"
        "from pathlib import Path; Servable(Path(sys.argv[1])).warm_up()\n"
        "unneeded = {'tensorflow_gnn', 'keras', 'tf_symgnn.graph', 'tf_symgnn.model', 'tf_symgnn.training'}\n"
        "assert not unneeded & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", program, str(export_folder / "2")], cwd=ROOT, check=True)


def test_what_cannot_be_served_is_told_in_a_line(export_folder, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(export_folder), "--port", str(port)]) == 2
        assert capsys.readouterr().err == (
            f"tf-symgnn: 127.0.0.1:{port}: address: found Address already in use, expected one that is free here\n"
        )
    (tmp_path / "1").mkdir()
    for export in (tmp_path / "absent", tmp_path, tmp_path / "1"):
        assert main(["serve", str(export), "--port", "0"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines[-1].startswith("tf-symgnn: ") and str(export) in lines[-1]
    assert main(["serve", str(export_folder), "--port", "99999"]) == 2


def test_a_structure_file_comes_back_with_barriers(client, saved_model, tmp_path):
    glass = random_glass(65, 30)
    for suffix in (".xyz", ".npz", ".dump"):
        file = tmp_path / f"glass{suffix}"
        write_glasses(file, [glass])
        status, answer = client.ask("POST", f"/structures?name=mine{suffix}", file.read_bytes())
        assert status == 200, answer
        assert (answer["name"], answer["frames"], len(answer["radii"])) == (f"mine{suffix}", 1, 30)
        assert answer["symbols"] == glass.species.tolist()
        np.testing.assert_allclose(answer["energy_barrier"], direct(saved_model, glass), atol=2e-5)
    assert "energy_barrier" in answer["extxyz"].splitlines()[1]


def test_the_last_frame_is_taken_and_atoms_are_shown_in_the_cell(client, tmp_path):
    first, last = random_glass(66, 10), random_glass(67, 20)
    outside = type(last)(last.positions - 100 * last.cell.sum(0), last.cell, last.pbc, last.species, None, "out")
    write_glasses(tmp_path / "two.xyz", [first, outside])
    status, answer = client.ask("POST", "/structures?name=two.xyz", (tmp_path / "two.xyz").read_bytes())
    assert status == 200 and answer["frames"] == 2
    np.testing.assert_allclose(answer["positions"], last.positions, atol=1e-4)


def test_lammps_types_are_named_as_asked(client, tmp_path):
    data = "a title\n\n2 atoms\n2 atom types\n0 9 xlo xhi\n0 9 ylo yhi\n0 9 zlo zhi\n\nAtoms\n\n1 1 1 1 1\n2 2 3 3 3\n"
    for species, expected in (("", ["Cu", "Zr"]), ("Zr,%20Cu", ["Zr", "Cu"])):
        status, answer = client.ask("POST", f"/structures?name=a.data&species={species}", data.encode())
        assert status == 200, answer
        assert answer["symbols"] == expected


def test_structure_files_that_cannot_be_used_are_bad_requests(client, tmp_path):
    write_glasses(tmp_path / "a.xyz", [fcc_copper(1)])
    good = (tmp_path / "a.xyz").read_bytes()
    for name, content, words in (
        ("a.pickle", good, "a.pickle: suffix: found .pickle"),
        ("a.xyz", b"", "a.xyz: file: found nothing in it"),
        ("a.xyz", good.rsplit(b"\n", 2)[0], "a.xyz: atoms: found 3 lines"),
        ("a.xyz", good.replace(b"Cu ", b"Au "), "a.xyz: species: found Au"),
        ("a.npz", good, "a.npz: archive"),
        ("a.dump", good, "a.dump: content"),
        ("", good, "name"),
        ("%00.xyz", good, "name"),
        ("a.data&species=%00", good, "species"),
    ):
        status, answer = client.ask("POST", f"/structures?name={name}", content)
        assert status == 400 and words in answer["error"], answer
        assert "/tmp" not in answer["error"] and "structure." not in answer["error"]
