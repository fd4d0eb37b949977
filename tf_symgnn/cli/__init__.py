"""`tf-symgnn SUBCOMMAND`: the command line, its error messages and its exit status."""

from __future__ import annotations

import argparse
import json
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
from tf_symgnn.cli import explaining, predicting, relaxing, serving, simulations, training
from tf_symgnn.cli.arguments import command_parser
from tf_symgnn.cli.messages import options_of, reword
from tf_symgnn.cli.notices import printed_notices
from tf_symgnn.config import RunConfig
from tf_symgnn.config_files import read_fields
from tf_symgnn.data import InputError
from tf_symgnn.locations import CONFIG_FILE, find_model

# TensorFlow takes seconds to import, so that commands import modules that need it when they run.
# It logs errors where there is no GPU. Errors that matter are exceptions, too.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BAD_INPUT = 2
INTERRUPTED = 130


class Command(NamedTuple):
    """A sub-command.

    Attributes:
        make_parser: returns the parser of its arguments.
        run: executes it.
        check: checks paths and arguments and makes settings that TensorFlow reads when it is imported; None without.
        continuation: how an interrupted command continues; None if it starts again.
        add_parts: adds its own sub-commands to its parser; None if it has none.
        needs_tensorflow: whether it uses TensorFlow.
    """

    make_parser: Callable[[], ArgumentParser]
    run: Callable[[Namespace], None]
    check: Callable[[Namespace], None] | None = None
    continuation: str | None = None
    add_parts: Callable[[ArgumentParser], None] | None = None
    needs_tensorflow: bool = True


COMMANDS = {
    "train": Command(training.train_parser, training.train, training.check_train, "--resume continues it"),
    "evaluate": Command(training.evaluate_parser, training.evaluate, training.check_evaluate),
    "predict": Command(
        predicting.predict_parser,
        predicting.predict,
        predicting.check_predict,
        "with --memory or --beam the same command continues it",
    ),
    "models": Command(predicting.models_parser, predicting.models),
    "relax": Command(relaxing.relax_parser, relaxing.relax, relaxing.check_relax),
    "export": Command(training.export_parser, training.export, training.check_export),
    "convert": Command(
        training.convert_parser, training.convert, training.check_convert, "with --beam the same command continues it"
    ),
    "serve": Command(serving.serve_parser, serving.serve, serving.check_serve),
    "compare": Command(
        training.compare_parser, training.compare, training.check_convert, "the same command continues it"
    ),
    "explain": Command(explaining.explain_parser, explaining.explain, explaining.check_explain),
    "simulate": Command(
        simulations.simulate_parser,
        simulations.simulate,
        None,
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
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(argv: Sequence[str] | None) -> int:
    example = "tf-symgnn predict RUN glass.xyz --output barriers.xyz"
    parser = command_parser(tf_symgnn.__doc__, example, prog="tf-symgnn", version=tf_symgnn.__version__)
    commands = parser.add_subcommands(dest="command")
    argv = list(sys.argv[1:] if argv is None else argv)
    for name, command in COMMANDS.items():
        subparser = command.make_parser()
        commands.add_subcommand(name, subparser, help=subparser.description)
        if command.add_parts:
            command.add_parts(subparser)
    # Batch systems end a job with SIGTERM. It is handled like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if argv[:1] == ["train"] and not {"-h", "--help"}.isdisjoint(argv):
            print(training.short_help(commands.choices["train"]))
            raise SystemExit(0)
        args = parser.instantiate(parser.parse_args(_arguments(argv)))
    except (ArgumentError, ValueError, PermissionError) as error:
        options = options_of(commands.choices[argv[0]]) if argv[:1] and argv[0] in commands.choices else ()
        return _print_error(error if isinstance(error, InputError) else ValueError(reword(str(error), options)))
    command = COMMANDS[args.command]
    try:
        with printed_notices():
            if command.check:
                command.check(args[args.command])
            if command.needs_tensorflow:
                _import_tensorflow_quietly()
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
        tensorflow = import_module("tensorflow")
    tensorflow.get_logger().setLevel("ERROR")  # its warnings are for those who write models


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
    configuration, with which the other options must agree. A run that starts from another one has its model.
    """
    arguments = [_with_underscores(argument) if argument.startswith("--") else argument for argument in argv]
    arguments = ["--help" if argument == "--help_all" else argument for argument in arguments]
    if arguments[:1] == ["train"]:
        arguments = _with_brackets(arguments)
        early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        early.add_argument("--resume", action="store_true")
        early.add_argument("--run_dir", default=RunConfig.run_dir)
        early.add_argument("--init")
        early.add_argument("--config", action=_ReadEarly)
        options, _ = early.parse_known_args(arguments)
        stored = Path(options.run_dir) / CONFIG_FILE
        if options.resume and stored.is_file():
            arguments[1:1] = ["--config", str(stored)]
        elif options.init:
            arguments[1:1] = _model_of(options.init)
    elif arguments[:1] == ["predict"]:
        arguments[1:1] = predicting.default_model(arguments[1:])
    return arguments


class _ReadEarly(argparse.Action):
    """Reads two fields from a configuration file; the main parser reports errors in the file."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        with suppress(InputError):
            fields = read_fields(Path(values))
            namespace.run_dir = str(fields.get("run_dir", namespace.run_dir))
            namespace.init = fields.get("init", namespace.init)


def _model_of(init: str) -> list[str]:
    """Return the options for the model of a run; none if it cannot be read, which `check_train` reports."""
    with suppress(InputError):
        stored = read_fields(find_model(init) / CONFIG_FILE)
        sections = {f"{part}.{name}": value for part in ("graph", "network") for name, value in stored[part].items()}
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in sections.items()}
        return [f"--model={stored['model']}", *(f"--{name}={text}" for name, text in texts.items())]
    return []


def _with_brackets(arguments: list[str]) -> list[str]:
    """Return arguments in which `--network.heads 2,2,1` is a list, as jsonargparse requires."""
    heads, found = "--network.heads", []
    for argument in arguments:
        name, equals, value = argument.rpartition("=") if argument.startswith(heads) else ("", "", argument)
        after = name == heads or (found[-1:] == [heads])
        found.append(f"{name}{equals}[{value}]" if after and re.fullmatch(r"\d+(,\d+)*", value) else argument)
    return found


def _with_underscores(option: str) -> str:
    name, equals, value = option[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"
