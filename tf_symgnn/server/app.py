"""Endpoints of the server."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import orjson
from ase.data import covalent_radii
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tf_symgnn import names
from tf_symgnn.data import DATA_SET, Glass, InputError, write_glasses
from tf_symgnn.data.limits import MAX_ATOMS_A_REQUEST
from tf_symgnn.domain.extrapolation import ADVICE, glass_extrapolation
from tf_symgnn.drawing import SCRIPTS, colors_of
from tf_symgnn.server import parsing, protocol
from tf_symgnn.server.admission import admit_frame
from tf_symgnn.server.origins import require_own_origin
from tf_symgnn.server.protocol import RequestError
from tf_symgnn.server.servable import Servable
from tf_symgnn.server.workers import Limits, WorkerPool, json_response

VIEWER = Path(__file__).parent / "viewer"
EXAMPLE, EXAMPLE_SPECIES = DATA_SET / "cu64zr36-1e12-1.xyz.xz", {"Cu", "Zr"}
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


class Service:
    """The endpoints of a model.

    Args:
        servable: the loaded version of the model.
        name: name of the model in the paths of requests.
        limits: limits of requests.
        loopback: whether the server listens on this machine only.
    """

    def __init__(self, servable: Servable, name: str, limits: Limits, *, loopback: bool = True):
        self.servable, self.name, self.limits, self._loopback = servable, name, limits, loopback
        self._pool = WorkerPool(limits)

    def app(self) -> ASGIApp:
        """Return the ASGI application."""
        model, version = "/v1/models/{model}", "/v1/models/{model}/versions/{version}"
        routes = [
            Route("/about", self._about),
            Route("/example", self._example),
            Route("/structures", self._structure, methods=["POST"]),
            Route(f"{model}:predict", self._predict, methods=["POST"]),
            Route(f"{version}:predict", self._predict, methods=["POST"]),
            Route(f"{model}/metadata", self._metadata),
            Route(f"{version}/metadata", self._metadata),
            Route(model, self._status),
            Route(version, self._status),
            Mount("/drawing", StaticFiles(directory=SCRIPTS)),
            Mount("/", StaticFiles(directory=VIEWER, html=True)),
        ]
        handlers = {
            RequestError: _on_request_error,
            InputError: _on_input_error,
            HTTPException: _on_http_error,
            Exception: _on_other_error,
        }
        return _WithHeaders(_OwnPages(Starlette(routes=routes, exception_handlers=handlers), loopback=self._loopback))

    async def _about(self, request: Request) -> Response:
        """Return what the viewer needs to know before it sends a file."""
        servable = self.servable
        about = {
            "name": self.name,
            "version": servable.version,
            "model": servable.metadata.get("model", ""),
            "species": servable.symbols,
            "cutoff": servable.cutoff,
            "suffixes": parsing.ACCEPTED,
            "example": EXAMPLE.name if set(servable.symbols) >= EXAMPLE_SPECIES else None,
            "max_bytes": self.limits.body_bytes,
            "max_atoms": MAX_ATOMS_A_REQUEST,
        }
        return json_response(orjson.dumps(about))

    async def _example(self, request: Request) -> Response:
        """Return a structure file to try the viewer with."""
        return FileResponse(EXAMPLE, media_type="chemical/x-xyz")

    async def _status(self, request: Request) -> Response:
        self._require_served(request)
        return json_response(protocol.status_response(self.servable.version))

    async def _metadata(self, request: Request) -> Response:
        self._require_served(request)
        return json_response(protocol.metadata_response(self.name, self.servable.version, self.servable.signature_defs))

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
        symbols = species.split(",") if species else []
        return await self._pool.respond(
            request,
            lambda parsed: self._predict_file(*parsed, name),
            parse=lambda body: parsing.parse_structure(body, name, symbols),
        )

    def _predict_file(self, glass: Glass, frames: int, notices: list[str], name: str) -> bytes:
        servable = self.servable
        inputs = admit_frame(glass, servable.species, servable.reach, name)
        barrier = servable.predict(protocol.DEFAULT_SIGNATURE, inputs)[names.ENERGY_BARRIER]
        extrapolation = glass_extrapolation(servable.metadata, glass, barrier)
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
            "species_colors": colors_of(set(glass.species.tolist())),
            names.ENERGY_BARRIER: barrier,
            "columns": {column: values.astype(float) for column, values in glass.columns.items()},
            "extrapolation": extrapolation.score,
            "notices": notices,
            "warning": f"This structure is {extrapolation}; {ADVICE}." if extrapolation.reasons else "",
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


class _OwnPages:
    """Refuses requests of web pages of other origins."""

    def __init__(self, app: ASGIApp, *, loopback: bool):
        self._app, self._loopback = app, loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            try:
                require_own_origin(scope["method"], Headers(scope=scope), loopback=self._loopback)
            except RequestError as error:
                app = _error(error.status, error.message)
        await app(scope, receive, send)


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


def _error(status: int, message: str) -> Response:
    return json_response(protocol.error_response(message), status)


async def _on_request_error(request: Request, error: RequestError) -> Response:
    return _error(error.status, error.message)


async def _on_input_error(request: Request, error: InputError) -> Response:
    return _error(HTTPStatus.BAD_REQUEST, str(error))


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    message = f"Malformed request: {request.method} {request.url.path[:MAX_NAME]}"
    return _error(error.status_code, message)


async def _on_other_error(request: Request, error: Exception) -> Response:
    return _error(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__} in the server")
