"""The sub-command `serve`."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import restricted_number_type

from tf_symgnn.cli.arguments import command_parser
from tf_symgnn.data import InputError
from tf_symgnn.locations import find_model

Port = restricted_number_type("Port", int, [(">=", 0), ("<=", 65535)])


def serve_parser() -> ArgumentParser:
    """Return the parser of `serve`."""
    parser = command_parser(serve.__doc__, "tf-symgnn serve model --port 8501")
    parser.add_argument("export", help="folder that `tf-symgnn export` wrote")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; the default is reachable from this machine only"
    )
    parser.add_argument("--port", type=Port, default=8501, help="0 takes any free port")
    parser.add_argument("--name", default="symgnn", help="name of the model in the paths of requests")
    return parser


def check_serve(args: Namespace) -> None:
    """Check that there is a folder of the export."""
    find_model(args.export)


def serve(args: Namespace) -> None:
    """Serve predictions by a REST API, and a viewer in the browser."""
    try:
        from tf_symgnn.server.server import serve
    except ModuleNotFoundError as error:
        raise InputError("serve", "package", f"no {error.name}", 'pip install "tf_symgnn[serve]"') from error

    serve(args.export, host=args.host, port=int(args.port), name=args.name)
