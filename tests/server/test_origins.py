"""Web pages of other origins cannot use the server; programs and the viewer can."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.server.servers import PREDICT, ROOT, Client, in_thread
from tests.server.test_limits import Slow, ask_in_thread
from tf_symgnn.server import parsing
from tf_symgnn.server import server as server_module
from tf_symgnn.server.app import Service
from tf_symgnn.server.origins import is_loopback, require_own_origin
from tf_symgnn.server.protocol import RequestError
from tf_symgnn.server.workers import Limits

VIEWER = {"host": "localhost:8501", "origin": "http://localhost:8501", "sec-fetch-site": "same-origin"}
LINK = {"host": "localhost:8501", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


@pytest.mark.parametrize(
    ("method", "headers", "loopback"),
    [
        ("POST", {"host": "127.0.0.1:8501"}, True),  # a program
        ("POST", {"host": "[::1]:8501"}, True),
        ("POST", {"host": "LOCALHOST"}, True),
        ("POST", VIEWER, True),
        ("GET", {"host": "localhost:8501", "sec-fetch-site": "none"}, True),  # typed into the address bar
        ("GET", LINK, True),
        ("POST", {"host": "glass.example:8501", "origin": "http://glass.example:8501"}, False),
    ],
)
def test_programs_and_the_viewer_are_admitted(method, headers, loopback):
    require_own_origin(method, headers, loopback=loopback)


@pytest.mark.parametrize(
    ("method", "headers", "loopback", "words"),
    [
        ("GET", {"host": "rebound.example:8501"}, True, "Host 'rebound.example:8501'"),
        ("GET", {"host": "localhost.example"}, True, "Host"),
        ("GET", {"host": ""}, True, "Host ''"),
        ("GET", {"host": "["}, True, "Host '['"),
        ("POST", {"host": "localhost:8501", "origin": "http://["}, True, "Origin 'http://['"),
        ("POST", {"host": "localhost:8501", "origin": "http://page.example"}, True, "Origin 'http://page.example'"),
        ("POST", {"host": "localhost:8501", "origin": "http://localhost:3000"}, True, "Origin"),
        ("POST", {"host": "localhost:8501", "origin": "null"}, True, "Origin 'null'"),
        ("POST", {"host": "localhost:8501", "sec-fetch-site": "cross-site"}, True, "Sec-Fetch-Site 'cross-site'"),
        ("GET", {"host": "localhost:8501", "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, True, "Sec"),
        ("POST", LINK, True, "Sec-Fetch-Site"),  # a form
        ("POST", {"host": "glass.example", "origin": "http://page.example"}, False, "Origin"),
    ],
)
def test_other_pages_are_refused(method, headers, loopback, words):
    with pytest.raises(RequestError) as caught:
        require_own_origin(method, headers, loopback=loopback)
    assert caught.value.status == 403 and words in caught.value.message


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("0.0.0.0", False), ("::", False)]
)
def test_addresses_of_this_machine_only(host, expected):
    assert is_loopback(host) == expected


def test_a_refusal_is_json_and_computes_nothing():
    slow = Slow()
    with in_thread(Service(slow, "symgnn", Limits()).app()) as port:
        client = Client(port)
        client._connection.request("POST", PREDICT, b'{"inputs": [1]}', {"Origin": "http://page.example"})
        response = client._connection.getresponse()
        assert response.status == 403 and b'"error"' in response.read()
        assert response.headers["x-content-type-options"] == "nosniff"
    assert not slow.called.acquire(blocking=False)


def test_a_request_that_a_shutdown_ends_gets_status_503(monkeypatch):
    monkeypatch.setattr(server_module, "SHUTDOWN_SECONDS", 1)
    slow, answers = Slow(), []
    with in_thread(Service(slow, "symgnn", Limits()).app()) as port:
        thread = threading.Thread(
            target=lambda: answers.append(Client(port).ask("POST", PREDICT, {"inputs": [1.0]})), daemon=True
        )
        thread.start()
        assert slow.called.acquire(timeout=60)
    thread.join(60)
    slow.release.set()
    assert answers == [(503, {"error": "the server is stopping"})]


def test_files_that_take_long_to_read_keep_no_worker_from_predictions(monkeypatch):
    slow, reading, answers = Slow(), threading.Semaphore(0), []
    parsed = threading.Event()

    def parse(content: bytes, name: str, species: list) -> None:
        reading.release()
        assert parsed.wait(60)
        raise RequestError(422, "not read")

    monkeypatch.setattr(parsing, "parse_structure", parse)
    slow.release.set()
    with in_thread(Service(slow, "symgnn", Limits(workers=1, parsers=2)).app()) as port:
        threads = [
            threading.Thread(target=lambda: answers.append(Client(port).ask("POST", "/structures?name=a.xyz", b"1")))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        assert all(reading.acquire(timeout=60) for _ in range(2))
        predictions: list = []
        ask_in_thread(port, predictions).join(60)
        assert predictions == [200]
        parsed.set()
        for thread in threads:
            thread.join(60)
    assert answers == [(422, {"error": "not read"})] * 3


CHILD = """
import sys, threading, time
from pathlib import Path
from tf_symgnn.server.parsing import _end_with_the_server
threading.Thread(target=_end_with_the_server, args=(Path(sys.argv[1]),)).start()
print("reading", flush=True)
time.sleep(600)
"""

SERVER = """
import subprocess, sys
from tf_symgnn.server.parsing import _end_of_life
with _end_of_life() as pipe:
    subprocess.run([sys.executable, "-c", *sys.argv[1:]], stdin=pipe)
"""


def test_a_killed_server_leaves_neither_a_process_nor_a_folder(tmp_path):
    folder = tmp_path / "structure"
    folder.mkdir()
    (folder / "structure.xyz").touch()
    server = subprocess.Popen([sys.executable, "-c", SERVER, CHILD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"reading\n"
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    # The child has the other end of the output: it is closed when the child has ended.
    assert server.stdout.read() == b""
    assert not folder.exists()


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a:b", "ü", "x" * 201])
def test_a_name_that_cannot_be_asked_for_is_refused(name, tmp_path, capsys):
    from tf_symgnn.cli import main

    assert main(["serve", str(tmp_path), "--name", name]) == 2
    assert capsys.readouterr().err.startswith("tf-symgnn: server: --name: found ")
