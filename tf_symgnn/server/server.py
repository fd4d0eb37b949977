"""Runs the server: one port, until it is told to stop."""

from __future__ import annotations

import socket
import sys
from asyncio import BaseTransport, TimerHandle
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tf_symgnn.data import InputError
from tf_symgnn.export.versions import newest
from tf_symgnn.server.app import Limits, Service
from tf_symgnn.server.servable import Servable

MAX_CONNECTIONS = 256
IDLE_SECONDS = 10
SLOWEST = 50_000  # bytes/s at which a client takes an answer, or it is idle
# Time for requests in hand when the server is told to stop.
FAREWELL_SECONDS = 10


def serve(export: Path | str, *, host: str, port: int, name: str) -> None:
    """Serves an export's newest version by TensorFlow Serving's REST API, and a viewer at `/`, until SIGINT or SIGTERM.

    Args:
        export: folder of numbered SavedModels.
        host: address to listen at.
        port: or 0 for any that is free.
        name: of the model, in the paths that clients ask for.

    Raises:
        InputError: there is no export, it cannot be loaded, or the address is taken.
    """
    path = newest(export)
    listener = _listen(host, port)
    print(f"loading {path}", file=sys.stderr)
    servable = Servable(path)
    servable.warm_up()
    server = http_server(Service(servable, name, Limits()).app())
    address, port = listener.getsockname()[:2]
    address = f"[{address}]" if ":" in address else address
    listener.listen()  # from here on clients are not refused, and wait for the moment that is left
    print(f"{name}, version {servable.version}: http://{address}:{port}/", flush=True)
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again that has made it stop
        server.run(sockets=[listener])
    print("stopped", file=sys.stderr)


def http_server(app: ASGIApp) -> uvicorn.Server:
    """A server of an application that neither many nor slow connections bring down; `run(sockets=[...])` runs it."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_ImpatientProtocol,
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=FAREWELL_SECONDS,
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:  # a name that can be none
        found = getattr(error, "strerror", None) or error
        raise InputError(f"{host}:{port}", "address", found, "one that is free here") from error
    return listener


class _ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that ends connections on which no request is under way and none arrives, however slowly it drips in.

    uvicorn itself waits for ever for the rest of a request's head, and for a body that nobody will read any more. While
    an answer is on its way, for as long as slow clients take, a connection is not idle, though uvicorn is done with it.
    """

    _timer: TimerHandle | None = None
    _taken_by: float | None = None  # when an answer that is on its way must have been taken

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._timer = self.loop.call_later(IDLE_SECONDS, self._check, None, True)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def _check(self, last: object, was_idle: bool) -> None:
        """Ends the connection if it was idle `IDLE_SECONDS` ago and no request has begun since; else looks again."""
        if self.cycle is last and was_idle:
            self.transport.abort()
            return
        unsent = self.transport.get_write_buffer_size()
        if not unsent or self.cycle is not last:
            self._taken_by = None
        if unsent and self._taken_by is None:
            self._taken_by = self.loop.time() + unsent / SLOWEST
        on_its_way = self._taken_by is not None and self.loop.time() < self._taken_by
        is_idle = (self.cycle is None or self.cycle.response_complete) and not on_its_way
        self._timer = self.loop.call_later(IDLE_SECONDS, self._check, self.cycle, is_idle)
