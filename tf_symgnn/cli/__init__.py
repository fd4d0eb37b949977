"""`tf-symgnn SUBCOMMAND`: the command line, and how whatever ends a command is told."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

import tf_symgnn
from tf_symgnn.cli import explaining, models, serving, simulations
from tf_symgnn.config import RunConfig
from tf_symgnn.data import InputError

# TensorFlow takes seconds to import: commands import what needs it when they run.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

BAD_INPUT = 2
INTERRUPTED = 130


class Command(NamedTuple):
    """A sub-command.

    Attributes:
        parser: of its arguments.
        run: what it does.
        going_on: how it goes on where it was interrupted, if it does.
        add_parts: adds its parts, if it has any.
        tensorflow: whether TensorFlow does it.
    """

    parser: Callable[[], ArgumentParser]
    run: Callable[[Namespace], None]
    going_on: str | None = None
    add_parts: Callable[[ArgumentParser], None] | None = None
    tensorflow: bool = True


COMMANDS = {
    "train": Command(models.train_parser, models.train, "it goes on with --resume"),
    "evaluate": Command(models.evaluate_parser, models.evaluate),
    "predict": Command(models.predict_parser, models.predict, "with --memory or --beam the same command goes on"),
    "export": Command(models.export_parser, models.export),
    "convert": Command(models.convert_parser, models.convert, "with --beam the same command goes on"),
    "serve": Command(serving.serve_parser, serving.serve),
    "compare": Command(models.compare_parser, models.compare, "the same command goes on"),
    "explain": Command(explaining.explain_parser, explaining.explain),
    "simulate": Command(
        simulations.simulate_parser,
        simulations.simulate,
        "of barriers the same command goes on",
        simulations.add_parts,
        tensorflow=False,
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a sub-command and returns its exit status: 2 for bad input, with one line that says what and where."""
    parser = ArgumentParser(
        prog="tf-symgnn", description=tf_symgnn.__doc__, exit_on_error=False, version=tf_symgnn.__version__
    )
    commands = parser.add_subcommands(dest="command")
    for name, command in COMMANDS.items():
        subparser = command.parser()
        commands.add_subcommand(name, subparser, help=subparser.description)
        if command.add_parts:
            command.add_parts(subparser)
    # A batch system ends a job with SIGTERM: the same tidy end as a person's Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        args = parser.instantiate(parser.parse_args(_arguments(sys.argv[1:] if argv is None else argv)))
    except (ArgumentError, ValueError) as error:
        return _refuse(error)
    command = COMMANDS[args.command]
    try:
        if command.tensorflow:
            _import_tensorflow_quietly()
        command.run(args[args.command])
    except (InputError, *_of_the_machine()) as error:
        return _refuse(error)
    except KeyboardInterrupt:
        print("; ".join(filter(None, ["tf-symgnn: interrupted", command.going_on])), file=sys.stderr)
        return INTERRUPTED
    return 0


def _of_the_machine() -> tuple[type[Exception], ...]:
    """What a full disk, a folder that may not be written or too little memory raise, from TensorFlow as from Python."""
    if "tensorflow" not in sys.modules:
        return OSError, MemoryError
    errors = import_module("tensorflow").errors
    return OSError, MemoryError, errors.ResourceExhaustedError, errors.PermissionDeniedError


def _import_tensorflow_quietly() -> None:
    """Keeps what TensorFlow's libraries print while they load, which no log level holds back, off the terminal."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import_module("tensorflow")
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _refuse(error: Exception) -> int:
    told = _of_tensorflow(error.message) if hasattr(error, "node_def") else str(error)
    print(f"tf-symgnn: {' '.join(told.split()) or type(error).__name__}", file=sys.stderr)
    return BAD_INPUT


def _of_tensorflow(message: str) -> str:
    """The line of a TensorFlow error that says what is wrong, among headings, operations and where they stand."""
    beside = (" ", "\t", "<", "Graph execution error:", "Detected at node")
    return next((line for line in message.splitlines() if line and not line.startswith(beside)), message)


def _arguments(argv: Sequence[str]) -> list[str]:
    """The command line as jsonargparse takes it.

    Options may be spelt with dashes where fields have underscores. A run that is resumed starts from its stored
    configuration, which the remaining options must agree with.
    """
    arguments = [_underscored(argument) if argument.startswith("--") else argument for argument in argv]
    if arguments[:1] == ["train"]:
        resumed = argparse.ArgumentParser(add_help=False)
        resumed.add_argument("--resume", action="store_true")
        resumed.add_argument("--run_dir", default=RunConfig.run_dir)
        resumed.add_argument("--config", action=_RunDirOfFile)
        known, _ = resumed.parse_known_args(arguments)
        stored = Path(known.run_dir) / "config.yaml"
        if known.resume and stored.is_file():
            arguments[1:1] = ["--config", str(stored)]
    return arguments


class _RunDirOfFile(argparse.Action):
    """Takes the run folder that a configuration file names, if it does; what is wrong with the file is told later."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        with suppress(OSError, ValueError, yaml.YAMLError, AttributeError):
            namespace.run_dir = str(yaml.safe_load(Path(values).read_text()).get("run_dir", namespace.run_dir))


def _underscored(option: str) -> str:
    name, equals, value = option[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"
