"""Limits of requests, and the threads that read files and compute responses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tf_symgnn.server.protocol import RequestError


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Attributes:
        body_bytes: size of a body.
        body_seconds: time in which a body must arrive.
        response_seconds: time in which a response must be computed.
        open_requests: number of requests that are read, wait or are computed at the same time.
        workers: number of requests that are computed at the same time.
        parsers: number of structure files that are read at the same time, apart from those that are computed.
    """

    body_bytes: int = 16 * 2**20
    body_seconds: float = 20.0
    response_seconds: float = 120.0
    open_requests: int = 64
    workers: int = 2
    parsers: int = 2


class WorkerPool:
    """Reads structure files and computes responses in threads, and refuses requests beyond the limit.

    Args:
        limits: limits of requests.
    """

    def __init__(self, limits: Limits):
        self._limits = limits
        self._slots = threading.BoundedSemaphore(limits.open_requests)
        self._workers = ThreadPoolExecutor(limits.workers, "predict")
        # A file that takes long to read keeps no worker from predictions.
        self._parsers = ThreadPoolExecutor(limits.parsers, "parse")

    async def respond(
        self, request: Request, compute: Callable[[Any], bytes], *, parse: Callable[[bytes], Any] | None = None
    ) -> Response:
        """Return the response whose JSON body `compute` returns.

        Args:
            request: its body is the argument of `compute`, or of `parse`.
            compute: returns the JSON of the response.
            parse: returns the argument of `compute` for the body.

        Raises:
            RequestError: status 503 for too many open requests or a server that stops, 408 or 413 for a slow or large
                body, 504 if the computation takes too long.
        """
        if not self._slots.acquire(blocking=False):
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once, try again")
        steps = [(self._workers, compute)] if parse is None else [(self._parsers, parse), (self._workers, compute)]
        future: Future | None = None
        try:
            value = await self._read(request)
            async with asyncio.timeout(self._limits.response_seconds):
                for pool, function in steps:
                    future = pool.submit(function, value)
                    value = await asyncio.wrap_future(future)
            return json_response(value)
        except TimeoutError as error:
            message = f"no response within {self._limits.response_seconds:g} seconds"
            raise RequestError(HTTPStatus.GATEWAY_TIMEOUT, message) from error
        except asyncio.CancelledError as error:  # uvicorn cancels what is not finished some time after a signal
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "the server is stopping") from error
        finally:
            # A computation cannot be stopped after a timeout, so that it occupies its slot until it ends.
            if future is None:
                self._slots.release()
            else:
                future.add_done_callback(lambda _: self._slots.release())

    async def _read(self, request: Request) -> bytes:
        limit = self._limits.body_bytes
        too_large = RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit} bytes")
        declared = request.headers.get("content-length", "0")
        if len(declared) > 18 or int(declared) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > limit:
                        raise too_large
        except TimeoutError as error:
            message = f"the body did not arrive within {self._limits.body_seconds:g} seconds"
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT, message) from error
        return bytes(body)


def json_response(body: bytes, status: int = HTTPStatus.OK) -> Response:
    """Return a response with a JSON body."""
    return Response(body, status_code=status, media_type="application/json")
