"""Every limit of the server: how much at once, how large, how slow."""

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
from tf_symgnn.server.app import Limits, Service
from tf_symgnn.server.protocol import Tensor


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
    with in_thread(Service(slow, "symgnn", Limits(in_hand=1, at_work=1, answer_seconds=2.0)).app()) as port:
        client = Client(port)
        status, answer = client.ask("POST", PREDICT, {"inputs": [1.0]})
        assert status == 504 and "2 seconds" in answer["error"]
        assert client.ask("POST", PREDICT, {"inputs": [1.0]})[0] == 503
        slow.let.set()
        while client.ask("POST", PREDICT, {"inputs": [1.0]})[0] == 503:
            pass
        assert client.ask("POST", PREDICT, {"inputs": [1.0]}) == (200, {"outputs": [1.0]})


@pytest.fixture
def hurried():
    slow = Slow()
    slow.let.set()
    with in_thread(Service(slow, "symgnn", Limits(body_bytes=1000, body_seconds=2.0)).app()) as port:
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


@pytest.mark.parametrize("slowest, naps, nap, whole", [(50_000, 16, 0.25, True), (10**9, 1, 10.0, False)])
def test_a_large_answer_is_waited_for_as_long_as_it_may_take(monkeypatch, slowest, naps, nap, whole):
    """By a client so slow that the answer is on its way several times as long as idle connections are kept."""
    monkeypatch.setattr(server_module, "IDLE_SECONDS", 1.0)
    monkeypatch.setattr(server_module, "SLOWEST", slowest)
    slow = Slow()
    slow.let.set()
    body = b'{"inputs":[' + b"0.125," * 1_500_000 + b"1]}"
    with in_thread(Service(slow, "symgnn", Limits()).app()) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**17)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", port))
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        received = bytearray()
        while part := connection.recv(2**19, socket.MSG_WAITALL):
            received += part
            naps -= 1
            time.sleep(nap if naps >= 0 else 0)
    length = int(re.search(rb"content-length: (\d+)", received)[1])
    assert length > 8_000_000
    assert (len(received.partition(b"\r\n\r\n")[2]) == length) == whole


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /about HTTP/1.1\r\nHost: x\r\n\r\nGET /ab"])
def test_a_connection_without_a_whole_request_is_ended(monkeypatch, sent):
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
