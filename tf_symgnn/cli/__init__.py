"""`tf-symgnn SUBCOMMAND`: the command line, its error messages and its exit status."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from jsonargparse import ArgumentError, ArgumentParser, Namespace

import tf_symgnn
from tf_symgnn import runtime
from tf_symgnn.cli import explaining, models, serving, simulations
from tf_symgnn.cli.notices import printed_notices
from tf_symgnn.config import RunConfig, read_fields
from tf_symgnn.data import InputError

# TensorFlow takes seconds to import, so that commands import modules that need it when they run.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

BAD_INPUT = 2
INTERRUPTED = 130


class Command(NamedTuple):
    """A sub-command.

    Attributes:
        make_parser: returns the parser of its arguments.
        run: executes it.
        continuation: how an interrupted command continues; None if it starts again.
        add_parts: adds its own sub-commands to its parser; None if it has none.
        needs_tensorflow: whether it uses TensorFlow.
    """

    make_parser: Callable[[], ArgumentParser]
    run: Callable[[Namespace], None]
    continuation: str | None = None
    add_parts: Callable[[ArgumentParser], None] | None = None
    needs_tensorflow: bool = True


COMMANDS = {
    "train": Command(models.train_parser, models.train, "--resume continues it"),
    "evaluate": Command(models.evaluate_parser, models.evaluate),
    "predict": Command(models.predict_parser, models.predict, "with --memory or --beam the same command continues it"),
    "export": Command(models.export_parser, models.export),
    "convert": Command(models.convert_parser, models.convert, "with --beam the same command continues it"),
    "serve": Command(serving.serve_parser, serving.serve),
    "compare": Command(models.compare_parser, models.compare, "the same command continues it"),
    "explain": Command(explaining.explain_parser, explaining.explain),
    "simulate": Command(
        simulations.simulate_parser,
        simulations.simulate,
        "of barriers the same command goes on",
        simulations.add_parts,
        needs_tensorflow=False,
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command and return its exit status.

    Args:
        argv: the arguments; by default those of the process.

    Returns:
        0 on success, 2 for bad input (one line on standard error names the file and the field), 130 if interrupted.
    """
    parser = ArgumentParser(
        prog="tf-symgnn", description=tf_symgnn.__doc__, exit_on_error=False, version=tf_symgnn.__version__
    )
    commands = parser.add_subcommands(dest="command")
    for name, command in COMMANDS.items():
        subparser = command.make_parser()
        commands.add_subcommand(name, subparser, help=subparser.description)
        if command.add_parts:
            command.add_parts(subparser)
    # Batch systems end a job with SIGTERM. It is handled like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        args = parser.instantiate(parser.parse_args(_arguments(sys.argv[1:] if argv is None else argv)))
    except (ArgumentError, ValueError) as error:
        return _print_error(error)
    command = COMMANDS[args.command]
    try:
        if command.needs_tensorflow:
            _import_tensorflow_quietly()
        with printed_notices():
            command.run(args[args.command])
    except (InputError, *_system_errors()) as error:
        return _print_error(error)
    except KeyboardInterrupt:
        print("; ".join(filter(None, ["tf-symgnn: interrupted", command.continuation])), file=sys.stderr)
        return INTERRUPTED
    return 0


def _system_errors() -> tuple[type[Exception], ...]:
    """Return the errors for a full disk, missing permissions or too little memory, of Python and of TensorFlow."""
    if "tensorflow" not in sys.modules:
        return OSError, MemoryError
    errors = import_module("tensorflow").errors
    of_tensorflow = errors.ResourceExhaustedError, errors.PermissionDeniedError, errors.FailedPreconditionError
    return OSError, MemoryError, *of_tensorflow


def _import_tensorflow_quietly() -> None:
    """Import TensorFlow without the output of its libraries, which ignore the log level while they load."""
    with runtime.quiet_standard_error():
        import_module("tensorflow")


def _print_error(error: Exception) -> int:
    """Print an error in one line and return the exit status."""
    message = _cause(error.message) if hasattr(error, "node_def") else str(error)
    print(f"tf-symgnn: {' '.join(message.split()) or type(error).__name__}", file=sys.stderr)
    return BAD_INPUT


def _cause(message: str) -> str:
    """Return the line of a TensorFlow error that names the cause, without headings, operations and code locations."""
    other_lines = (" ", "\t", "<", "Graph execution error:", "Detected at node")
    line = next((line for line in message.splitlines() if line and not line.startswith(other_lines)), message)
    return re.sub(r"\{\{[^}]*\}\} *| *\[Op:.*", "", line)


def _arguments(argv: Sequence[str]) -> list[str]:
    """Return the command line as jsonargparse expects it.

    Dashes in option names become underscores, as in the fields of configurations. A resumed run reads its stored
    configuration, with which the other options must agree.
    """
    arguments = [_with_underscores(argument) if argument.startswith("--") else argument for argument in argv]
    if arguments[:1] == ["train"]:
        resumed = argparse.ArgumentParser(add_help=False)
        resumed.add_argument("--resume", action="store_true")
        resumed.add_argument("--run_dir", default=RunConfig.run_dir)
        resumed.add_argument("--config", action=_ReadRunDir)
        options, _ = resumed.parse_known_args(arguments)
        stored = Path(options.run_dir) / "config.yaml"
        if options.resume and stored.is_file():
            arguments[1:1] = ["--config", str(stored)]
    return arguments


class _ReadRunDir(argparse.Action):
    """Reads the run folder from a configuration file; the main parser reports errors in the file."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        with suppress(InputError):
            namespace.run_dir = str(read_fields(Path(values)).get("run_dir", namespace.run_dir))


def _with_underscores(option: str) -> str:
    name, equals, value = option[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"
