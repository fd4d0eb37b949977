#!/usr/bin/env python3
"""Many concurrent clients of a server for minutes: wrong answers, refused requests, latency and memory.

    python benchmarks/serving_load.py MODEL --minutes 10 --clients 32

MODEL is an export, a run folder or the name of a model that ships; the server runs `tf-symgnn serve`. Each client sends
one request after another, a glass of 20 to 600 atoms by turns, and compares the answer with that of the first request
for this glass. Prints a Markdown table with a line per minute.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.conftest import random_glass
from tests.server.servers import PREDICT, Client, columns, running

ATOMS = (20, 60, 200, 600)
TOLERANCE = 1e-5  # eV


class Load:
    """Requests of glasses of several sizes, and what became of them.

    Args:
        port: of the server on the loopback interface.
    """

    def __init__(self, port: int):
        self._port, self._lock, self._done = port, threading.Lock(), []
        self._bodies = [{"inputs": columns(random_glass(seed, size))} for seed, size in enumerate(ATOMS)]
        client = Client(port)
        self._expected = [client.ask("POST", PREDICT, body)[1]["outputs"] for body in self._bodies]
        client.close()

    def ask_until(self, end: float, first: int) -> None:
        """Send requests from one client until a time of `time.perf_counter`, beginning with a glass."""
        client, number = Client(self._port), first
        while (start := time.perf_counter()) < end:
            which = number % len(self._bodies)
            status, answer = client.ask("POST", PREDICT, self._bodies[which])
            right = status == 200 and np.allclose(answer["outputs"], self._expected[which], atol=TOLERANCE)
            with self._lock:
                self._done.append((time.perf_counter() - start, status, right))
            number += 1
        client.close()

    def since_last_call(self) -> list[tuple[float, int, bool]]:
        """Return seconds, status and whether the answer was right of each request since the last call."""
        with self._lock:
            done, self._done = self._done, []
        return done


def minutes(load: Load, number: int, clients: int) -> Iterator[list[tuple[float, int, bool]]]:
    """Yield the requests of each minute."""
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(load.ask_until, start + 60 * number, client) for client in range(clients)]
        for minute in range(1, number + 1):
            time.sleep(max(0.0, start + 60 * minute - time.perf_counter()))
            yield load.since_last_call()
    for client in asking:
        client.result()  # raises what ended it


def resident_gigabytes(process_id: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{process_id}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="export, run folder, or name of a shipped model")
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--clients", type=int, default=32)
    args = parser.parse_args()
    print(
        "| minute | requests | refused | wrong | median, s | 99% below, s | memory, GB |\n|---|---|---|---|---|---|---|"
    )
    with running(args.model) as (process, port):
        for minute, done in enumerate(minutes(Load(port), args.minutes, args.clients), start=1):
            seconds = [each for each, *_ in done]
            refused, wrong = (sum(status != 200 for _, status, _ in done), sum(not right for *_, right in done))
            median, high = statistics.median(seconds), np.quantile(seconds, 0.99)
            memory = resident_gigabytes(process.pid)
            print(
                f"| {minute} | {len(done)} | {refused} | {wrong} | {median:.2f} | {high:.2f} | {memory:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
