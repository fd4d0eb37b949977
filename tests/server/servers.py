"""Servers on the loopback interface: the program in its own process, or an application in a thread."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from starlette.types import ASGIApp

from tf_symgnn import names
from tf_symgnn.data import Glass
from tf_symgnn.server.server import http_server

ROOT = Path(__file__).resolve().parents[2]
PREDICT = "/v1/models/symgnn:predict"


class Client:
    """A persistent connection to a server on the loopback interface."""

    def __init__(self, port: int):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and the parsed JSON of a response; a body that is not bytes is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self._connection.request(method, path, body)
        response = self._connection.getresponse()
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, json.loads(response.read())

    def fetch(self, path: str) -> bytes:
        """Return the body of a response that is not JSON."""
        self._connection.request("GET", path)
        return self._connection.getresponse().read()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def running(export: Path, *options: str) -> Iterator[tuple[subprocess.Popen, int]]:
    """Run `tf-symgnn serve` in a process; the context has the process and its port."""
    command = [sys.executable, "-m", "tf_symgnn.cli", "serve", str(export), "--port", "0", *options]
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        line = process.stdout.readline()
        assert "http://" in line, process.stderr.read()
        yield process, int(line.rsplit(":", 1)[1].strip("/\n"))
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def in_thread(app: ASGIApp) -> Iterator[int]:
    """Serve an application from a thread; the context has the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = http_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def columns(glass: Glass) -> dict:
    """Return the inputs of `serving_default` as lists."""
    return {
        "positions": glass.positions.tolist(),
        "cell": glass.cell.tolist(),
        "pbc": glass.pbc.tolist(),
        "atomic_numbers": glass.atomic_numbers.tolist(),
    }


def direct(saved_model, glass: Glass) -> np.ndarray:
    """Return the barriers f32[N], eV, of the SavedModel without a server."""
    inputs = {
        "positions": tf.constant(glass.positions, tf.float32),
        "cell": tf.constant(glass.cell, tf.float32),
        "pbc": tf.constant(glass.pbc),
        "atomic_numbers": tf.constant(glass.atomic_numbers),
    }
    return saved_model.signatures["serving_default"](**inputs)[names.ENERGY_BARRIER].numpy()
