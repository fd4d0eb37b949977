"""What `tf-symgnn serve` does."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import restricted_number_type

from tf_symgnn.data import InputError

Port = restricted_number_type("Port", int, [(">=", 0), ("<=", 65535)])


def serve_parser() -> ArgumentParser:
    """The arguments of `serve`."""
    parser = ArgumentParser(exit_on_error=False, description=serve.__doc__)
    parser.add_argument("export", help="folder that `tf-symgnn export` has made")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; others than this machine need another"
    )
    parser.add_argument("--port", type=Port, default=8501, help="or 0 for any that is free")
    parser.add_argument("--name", default="symgnn", help="of the model, as clients ask for it")
    return parser


def serve(args: Namespace) -> None:
    """Answers by TensorFlow Serving's REST API, and shows structures with their barriers in a browser."""
    try:
        from tf_symgnn.server.server import serve
    except ModuleNotFoundError as error:
        raise InputError("serve", "package", f"no {error.name}", 'pip install "tf_symgnn[serve]"') from error

    serve(args.export, host=args.host, port=int(args.port), name=args.name)
