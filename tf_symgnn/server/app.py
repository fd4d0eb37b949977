"""Endpoints of the server, and their limits on body size, on time and on concurrent requests."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import orjson
from ase.data import covalent_radii
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tf_symgnn import names
from tf_symgnn.data import InputError, write_glasses
from tf_symgnn.data.limits import MAX_ATOMS_A_REQUEST
from tf_symgnn.inference.extrapolation import ADVICE, glass_extrapolation
from tf_symgnn.server import parsing, protocol
from tf_symgnn.server.admission import admit_frame
from tf_symgnn.server.protocol import RequestError
from tf_symgnn.server.servable import Servable

VIEWER = Path(__file__).parent / "viewer"
MAX_NAME = 200

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Attributes:
        body_bytes: size of a body.
        body_seconds: time in which a body must arrive.
        response_seconds: time in which a response must be computed.
        open_requests: number of requests that are read, wait or are computed at the same time.
        workers: number of requests that are computed at the same time.
    """

    body_bytes: int = 16 * 2**20
    body_seconds: float = 20.0
    response_seconds: float = 120.0
    open_requests: int = 64
    workers: int = 2


class WorkerPool:
    """Computes responses in threads and refuses requests beyond the limit.

    Args:
        limits: limits of requests.
    """

    def __init__(self, limits: Limits):
        self._limits = limits
        self._slots = threading.BoundedSemaphore(limits.open_requests)
        self._workers = ThreadPoolExecutor(limits.workers, "predict")

    async def respond(self, request: Request, compute: Callable[[bytes], bytes]) -> Response:
        """Return the response whose JSON body `compute` returns for the body of a request.

        Raises:
            RequestError: status 503 for too many open requests, 408 or 413 for a slow or large body, 504 if `compute`
                takes too long.
        """
        if not self._slots.acquire(blocking=False):
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once, try again")
        try:
            body = await self._read(request)
            future = self._workers.submit(compute, body)
        except BaseException:
            self._slots.release()
            raise
        # A computation cannot be stopped after a timeout, so that it occupies its slot until it ends.
        future.add_done_callback(lambda _: self._slots.release())
        try:
            async with asyncio.timeout(self._limits.response_seconds):
                return _json(await asyncio.wrap_future(future))
        except TimeoutError as error:
            message = f"no response within {self._limits.response_seconds:g} seconds"
            raise RequestError(HTTPStatus.GATEWAY_TIMEOUT, message) from error

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


class Service:
    """The endpoints of a model.

    Args:
        servable: the loaded version of the model.
        name: name of the model in the paths of requests.
        limits: limits of requests.
    """

    def __init__(self, servable: Servable, name: str, limits: Limits):
        self.servable, self.name, self.limits = servable, name, limits
        self._pool = WorkerPool(limits)

    def app(self) -> ASGIApp:
        """Return the ASGI application."""
        model, version = "/v1/models/{model}", "/v1/models/{model}/versions/{version}"
        routes = [
            Route("/about", self._about),
            Route("/structures", self._structure, methods=["POST"]),
            Route(f"{model}:predict", self._predict, methods=["POST"]),
            Route(f"{version}:predict", self._predict, methods=["POST"]),
            Route(f"{model}/metadata", self._metadata),
            Route(f"{version}/metadata", self._metadata),
            Route(model, self._status),
            Route(version, self._status),
            Mount("/", StaticFiles(directory=VIEWER, html=True)),
        ]
        handlers = {
            RequestError: _on_request_error,
            InputError: _on_input_error,
            HTTPException: _on_http_error,
            Exception: _on_other_error,
        }
        return _WithHeaders(Starlette(routes=routes, exception_handlers=handlers))

    async def _about(self, request: Request) -> Response:
        """Return what the viewer needs to know before it sends a file."""
        servable = self.servable
        about = {
            "name": self.name,
            "version": servable.version,
            "model": servable.metadata.get("model", ""),
            "species": servable.symbols,
            "cutoff": servable.cutoff,
            "suffixes": parsing.SUFFIXES,
            "max_bytes": self.limits.body_bytes,
            "max_atoms": MAX_ATOMS_A_REQUEST,
        }
        return _json(orjson.dumps(about))

    async def _status(self, request: Request) -> Response:
        self._require_served(request)
        return _json(protocol.status_response(self.servable.version))

    async def _metadata(self, request: Request) -> Response:
        self._require_served(request)
        return _json(protocol.metadata_response(self.name, self.servable.version, self.servable.signature_defs))

    async def _predict(self, request: Request) -> Response:
        self._require_served(request)

        def predict(body: bytes) -> bytes:
            parsed = protocol.parse_predict(body, self.servable.signatures)
            outputs = self.servable.predict(parsed.signature, parsed.inputs)
            return protocol.predict_response(outputs, by_row=parsed.by_row)

        return await self._pool.respond(request, predict)

    async def _structure(self, request: Request) -> Response:
        """Return the last frame of a structure file with its barriers, as arrays for the viewer and as extended XYZ."""
        name = request.query_params.get("name", "")
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise protocol.bad_request(
                f"expected the parameter name, the name of the file, at most {MAX_NAME} characters"
            )
        species = request.query_params.get("species", "").replace(" ", "")
        if len(species) > MAX_NAME or not species.isprintable():
            raise protocol.bad_request("expected symbols of LAMMPS types in the parameter species, for example Cu,Zr")
        symbols = species.split(",") if species else self.servable.symbols
        return await self._pool.respond(request, lambda body: self._predict_file(body, name, symbols))

    def _predict_file(self, content: bytes, name: str, type_names: list[str]) -> bytes:
        servable = self.servable
        glass, frames = parsing.parse_structure(content, name, type_names)
        inputs = admit_frame(glass, servable.species, servable.cutoff, name)
        barrier = servable.predict(protocol.DEFAULT_SIGNATURE, inputs)[names.ENERGY_BARRIER]
        found = glass_extrapolation(servable.metadata, glass, barrier)
        with tempfile.TemporaryDirectory(prefix="tf-symgnn-") as folder:
            file = Path(folder) / "predicted.xyz"
            write_glasses(file, [replace(glass, barrier=barrier)])
            extxyz = file.read_text()
        response = {
            "name": name,
            "frames": frames,
            "symbols": glass.species.tolist(),
            "positions": inputs["positions"],
            "cell": inputs["cell"],
            "radii": covalent_radii[glass.atomic_numbers],
            names.ENERGY_BARRIER: barrier,
            "extrapolation": found.score,
            "warning": f"This structure is {found}; {ADVICE}." if found.reasons else "",
            "extxyz": extxyz,
        }
        return orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)

    def _require_served(self, request: Request) -> None:
        """Check that a path names this model; like TensorFlow Serving, serve its newest version only.

        Raises:
            RequestError: status 404, another model or version.
        """
        model, version = request.path_params["model"], request.path_params.get("version")
        if model != self.name or version not in (None, str(self.servable.version)):
            requested = f"Latest({model})" if version is None else f"Specific({model}, {version})"
            message = f"Servable not found for request: {requested[:MAX_NAME]}"
            raise RequestError(HTTPStatus.NOT_FOUND, message)


class _WithHeaders:
    """Adds headers to every response, with which a browser runs and frames nothing but the viewer."""

    def __init__(self, app: ASGIApp):
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _json(body: bytes, status: int = HTTPStatus.OK) -> Response:
    return Response(body, status_code=status, media_type="application/json")


def _error(status: int, message: str) -> Response:
    return _json(protocol.error_response(message), status)


async def _on_request_error(request: Request, error: RequestError) -> Response:
    return _error(error.status, error.message)


async def _on_input_error(request: Request, error: InputError) -> Response:
    return _error(HTTPStatus.BAD_REQUEST, str(error))


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    message = f"Malformed request: {request.method} {request.url.path[:MAX_NAME]}"
    return _error(error.status_code, message)


async def _on_other_error(request: Request, error: Exception) -> Response:
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__} in the server")
