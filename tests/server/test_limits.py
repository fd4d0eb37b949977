"""Limits of the server: number, size and time of requests and responses."""

import http.client
import re
import socket
import threading
import time

import numpy as np
import pytest

from tests.conftest import SPECIES
from tests.server.servers import PREDICT, Client, in_thread
from tf_symgnn.server import server as server_module
from tf_symgnn.server.app import Service
from tf_symgnn.server.protocol import Tensor
from tf_symgnn.server.workers import Limits


class Slow:
    """A substitute for a model, which predicts after `release` is set and counts its calls in `called`."""

    version, species, symbols, cutoff, reach = 1, list(SPECIES), ["Cu", "Zr"], 5.0, 5.0
    metadata: dict = {}
    signature_defs: dict = {}
    signatures = {"serving_default": {"x": Tensor(np.dtype("float32"), (None,))}}

    def __init__(self):
        self.release, self.called = threading.Event(), threading.Semaphore(0)

    def predict(self, signature: str, inputs: dict) -> dict:
        self.called.release()
        assert self.release.wait(60)
        return {"y": inputs["x"]}


def ask_in_thread(port: int, answers: list) -> threading.Thread:
    def ask() -> None:
        answers.append(Client(port).ask("POST", PREDICT, {"inputs": [1.0]})[0])

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_requests_beyond_the_limit_get_status_503():
    slow, answers = Slow(), []
    with in_thread(Service(slow, "symgnn", Limits(open_requests=2, workers=2)).app()) as port:
        threads = [ask_in_thread(port, answers) for _ in range(2)]
        assert all(slow.called.acquire(timeout=60) for _ in threads)
        status, answer = Client(port).ask("POST", PREDICT, {"inputs": [1.0]})
        assert status == 503 and "try again" in answer["error"]
        assert Client(port).ask("GET", "/v1/models/symgnn")[0] == 200  # requests without a computation still work
        slow.release.set()
        for thread in threads:
            thread.join()
    assert answers == [200, 200]


def test_a_slow_computation_gets_status_504_and_keeps_its_slot_until_it_ends():
    slow = Slow()
    with in_thread(Service(slow, "symgnn", Limits(open_requests=1, workers=1, response_seconds=2.0)).app()) as port:
        client = Client(port)
        status, answer = client.ask("POST", PREDICT, {"inputs": [1.0]})
        assert status == 504 and "2 seconds" in answer["error"]
        assert client.ask("POST", PREDICT, {"inputs": [1.0]})[0] == 503
        slow.release.set()
        while client.ask("POST", PREDICT, {"inputs": [1.0]})[0] == 503:
            pass
        assert client.ask("POST", PREDICT, {"inputs": [1.0]}) == (200, {"outputs": [1.0]})


@pytest.fixture
def short_limits():
    slow = Slow()
    slow.release.set()
    with in_thread(Service(slow, "symgnn", Limits(body_bytes=1000, body_seconds=2.0)).app()) as port:
        yield port


def test_a_large_body_is_refused_with_and_without_a_declared_length(short_limits):
    client = Client(short_limits)
    assert client.ask("POST", PREDICT, b" " * 1001) == (413, {"error": "the body is larger than 1000 bytes"})
    connection = http.client.HTTPConnection("127.0.0.1", short_limits, timeout=60)
    connection.request(
        "POST", PREDICT, iter([b" " * 400] * 5), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 413
    assert client.ask("POST", PREDICT, b'{"inputs": [1]}')[0] == 200


def test_an_incomplete_body_is_refused_after_some_time(short_limits):
    with socket.create_connection(("127.0.0.1", short_limits), timeout=60) as connection:
        connection.sendall(
            f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n".encode() + b'{"in'
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert Client(short_limits).ask("POST", PREDICT, b'{"inputs": [1]}')[0] == 200


@pytest.mark.parametrize("min_rate, naps, nap, complete", [(50_000, 16, 0.25, True), (10**9, 1, 10.0, False)])
def test_a_slow_client_gets_all_of_a_large_response_above_the_minimum_rate(monkeypatch, min_rate, naps, nap, complete):
    """The client takes several times as long as the timeout of idle connections."""
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(server_module, "MIN_CLIENT_RATE", min_rate)
    slow = Slow()
    slow.release.set()
    body = b'{"inputs":[' + b"0.125," * 1_500_000 + b"1]}"
    with in_thread(Service(slow, "symgnn", Limits()).app()) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**17)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", port))
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        received = bytearray()
        while part := connection.recv(2**19, socket.MSG_WAITALL):
            received += part
            naps -= 1
            time.sleep(nap if naps >= 0 else 0)
    length = int(re.search(rb"content-length: (\d+)", received)[1])
    assert length > 8_000_000
    assert (len(received.partition(b"\r\n\r\n")[2]) == length) == complete


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /about HTTP/1.1\r\nHost: localhost\r\n\r\nGET /ab"])
def test_a_connection_without_a_complete_request_is_closed(monkeypatch, sent):
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 1.0)
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
