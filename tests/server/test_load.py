"""Many concurrent clients for a long time: correct responses, no refused request, constant memory."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import random_glass
from tests.server.servers import PREDICT, Client, columns, direct

CLIENTS, REQUESTS, ROUNDS = 32, 1000, 3
SIZES = range(2, 61, 2)
# Relative growth of memory that is allowed after the first round, which allocates buffers and starts threads.
MAX_GROWTH = 0.05


def resident_bytes(process_id: int) -> int:
    return 1024 * int(Path(f"/proc/{process_id}/status").read_text().partition("VmRSS:")[2].split()[0])


@pytest.mark.slow
def test_thousands_of_requests_from_many_clients(served, saved_model):
    process, port = served
    glasses = [random_glass(100 + size, size) for size in SIZES]
    expected = [direct(saved_model, glass) for glass in glasses]
    bodies = [{"inputs": columns(glass)} for glass in glasses]
    clients = threading.local()

    def ask(number: int) -> None:
        if not hasattr(clients, "client"):
            clients.client = Client(port)
        which = number % len(glasses)
        status, answer = clients.client.ask("POST", PREDICT, bodies[which])
        assert status == 200, answer
        np.testing.assert_allclose(answer["outputs"], expected[which], atol=1e-5)

    memory = []
    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(ROUNDS):
            responses = list(pool.map(ask, np.random.default_rng(0).permutation(REQUESTS)))
            assert len(responses) == REQUESTS
            memory.append(resident_bytes(process.pid))
    assert memory[-1] < (1 + MAX_GROWTH) * memory[0], memory
