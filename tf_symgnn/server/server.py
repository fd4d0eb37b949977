"""Run the server on one port until it receives a signal."""

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
from tf_symgnn.server.app import Service
from tf_symgnn.server.origins import is_loopback
from tf_symgnn.server.paths import require_path_name
from tf_symgnn.server.servable import Servable
from tf_symgnn.server.workers import Limits

MAX_CONNECTIONS = 256
IDLE_SECONDS = 10  # after which a connection without a request is closed
MIN_CLIENT_RATE = 50_000  # bytes/s; a client that receives a response more slowly is idle
SHUTDOWN_SECONDS = 10  # for open requests after a signal


def serve(export: Path | str, listener: socket.socket, name: str) -> None:
    """Serve the newest version of an export by TensorFlow Serving's REST API, with a viewer at `/`.

    Returns after SIGINT or SIGTERM.

    Args:
        export: folder of numbered SavedModels.
        listener: that `listen` returned.
        name: name of the model in the paths of requests.

    Raises:
        InputError: there is no export, it cannot be loaded, or the name is invalid.
    """
    require_path_name(name)
    path = newest(export)
    print(f"loading {path}", file=sys.stderr)
    servable = Servable(path)
    servable.warm_up()
    address, port = listener.getsockname()[:2]
    loopback = is_loopback(address)
    if not loopback:
        warning = "it asks for no password, so that all who can reach it can use it"
        print(f"tf-symgnn: warning: the server listens on {address}; {warning}", file=sys.stderr)
    server = http_server(Service(servable, name, Limits(), loopback=loopback).app())
    address = f"[{address}]" if ":" in address else address
    listener.listen()  # clients that connect before the server runs wait instead of being refused
    print(f"{name}, version {servable.version}: http://{address}:{port}/", flush=True)
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again after its shutdown
        server.run(sockets=[listener])
    print("stopped", file=sys.stderr)


def http_server(app: ASGIApp) -> uvicorn.Server:
    """Return a server with limits on the number and slowness of connections; call `run(sockets=[...])` on it."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_TimeoutProtocol,
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket for `serve`, which accepts no connections yet.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes any free port.

    Raises:
        InputError: the address is in use or invalid.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = addresses[0]
        # With its protocol, asyncio sends small responses at once; without it, each waits 40 ms for an acknowledgment.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, UnicodeError) as error:  # UnicodeError: an invalid host name
        found = getattr(error, "strerror", None) or error
        raise InputError(f"{host}:{port}", "address", found, "a free address") from error
    return listener


class _TimeoutProtocol(H11Protocol):
    """HTTP/1.1 that closes idle connections, including those on which a request arrives incompletely.

    uvicorn itself waits without limit for the rest of a request's header, and for a body that is no longer read. A
    connection is not idle while its client receives a response, which may take longer than uvicorn's own timeout.
    """

    _timer: TimerHandle | None = None
    _deadline: float | None = None  # time at which the client must have received the current response

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._timer = self.loop.call_later(IDLE_SECONDS, self._check, None, True)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def _check(self, last: object, was_idle: bool) -> None:
        """Close the connection if it has been idle for `IDLE_SECONDS`; otherwise check again after that time.

        Args:
            last: request cycle at the previous check.
            was_idle: whether the connection was idle at the previous check.
        """
        if self.cycle is last and was_idle:
            self.transport.abort()
            return
        unsent = self.transport.get_write_buffer_size()
        if not unsent or self.cycle is not last:
            self._deadline = None
        if unsent and self._deadline is None:
            self._deadline = self.loop.time() + unsent / MIN_CLIENT_RATE
        is_receiving = self._deadline is not None and self.loop.time() < self._deadline
        is_idle = (self.cycle is None or self.cycle.response_complete) and not is_receiving
        self._timer = self.loop.call_later(IDLE_SECONDS, self._check, self.cycle, is_idle)
