"""The sub-command `serve`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import restricted_number_type

from tf_symgnn.cli.arguments import command_parser
from tf_symgnn.data import InputError
from tf_symgnn.locations import find_model, is_run, require_run
from tf_symgnn.server.paths import require_path_name

Port = restricted_number_type("Port", int, [(">=", 0), ("<=", 65535)])


def serve_parser() -> ArgumentParser:
    """Return the parser of `serve`."""
    parser = command_parser(serve.__doc__, "tf-symgnn serve cuzr --port 8501")
    parser.add_argument("model", help="folder that `tf-symgnn export` wrote, run folder, or name of a shipped model")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; the default is reachable from this machine only"
    )
    parser.add_argument("--port", type=Port, default=8501, help="0 takes any free port")
    parser.add_argument("--name", default="symgnn", help="name of the model in the paths of requests")
    return parser


def check_serve(args: Namespace) -> None:
    """Check the name, and that there is a folder of a model."""
    require_path_name(args.name)
    model = find_model(args.model)
    if is_run(model):
        require_run(model)


def serve(args: Namespace) -> None:
    """Serve predictions by a REST API, and a viewer in the browser."""
    try:
        from tf_symgnn.server.server import listen, serve
    except ModuleNotFoundError as error:
        raise InputError("serve", "package", f"no {error.name}", 'pip install "tf_symgnn[serve]"') from error

    model = find_model(args.model)
    with tempfile.TemporaryDirectory() as folder, listen(args.host, int(args.port)) as listener:
        if is_run(model):
            model = _exported(model, Path(folder))
        serve(model, listener, args.name)


def _exported(run: Path, folder: Path) -> Path:
    """Return the folder of an export of a run, made from its weights.

    The SavedModel in a run folder is not used: it is a program, while configuration and weights are data.
    """
    from tf_symgnn.api.functions import export_model  # needs seconds and TF-GNN, which the server does without

    print(f"exporting {run}, in about a minute; to skip this, export it once and serve the export", file=sys.stderr)
    return export_model(run, folder / "export").parent
