"""`--beam` of `convert` and `predict`: process many files with an Apache Beam pipeline."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser, Namespace

from tf_symgnn.cli.arguments import read_options
from tf_symgnn.data import InputError

if TYPE_CHECKING:
    from tf_symgnn.beam.pipelines import Summary

# Exit status if some files could not be read completely. All others are processed.
INCOMPLETE = 3


def add_beam(parser: ArgumentParser) -> None:
    """Add `--beam` to the parser of a command."""
    parser.add_argument(
        "--beam",
        nargs="?",
        const="",
        help="write one shard per file to a folder with an Apache Beam pipeline, on all cores or as its flags "
        'specify: --beam="--runner=FlinkRunner --flink_master=HOST:PORT"',
    )


@contextmanager
def _without_logs() -> Iterator[None]:
    """Disable logging: Beam logs tracebacks, also on the root logger, where this program prints one line."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@_without_logs()
def convert(args: Namespace) -> None:
    """Run `convert` as a pipeline."""
    from tf_symgnn.beam.pipelines import convert_in_pipeline

    if args.shards != 1:
        raise InputError("command line", "--shards", args.shards, "1 with --beam, which writes one shard per file")
    summary = convert_in_pipeline(
        args.data,
        args.output,
        args.graph,
        _flags(args.beam),
        options=read_options(args, label=args.label),
        overwrite=args.overwrite,
    )
    _report(args.output, summary)


@_without_logs()
def predict(args: Namespace) -> None:
    """Run `predict` as a pipeline."""
    from tf_symgnn.beam.pipelines import predict_in_pipeline
    from tf_symgnn.runs import open_run

    if args.memory:
        raise InputError("command line", "--memory", args.memory, "no memory limit with --beam")
    summary = predict_in_pipeline(
        open_run(args.run),
        args.files,
        args.output,
        _flags(args.beam),
        options=read_options(args, keep_columns=args.keep_columns),
        overwrite=args.overwrite,
    )
    _report(args.output, summary)


def _flags(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError("command line", "--beam", f"{text} ({error})", "flags that a shell can split") from error


def _report(output: str, summary: Summary) -> None:
    """Print what was written, and end the program with status 3 if some files could not be read completely."""
    from tf_symgnn.beam.pipelines import DEAD_LETTERS

    print(f"{output}: {summary.glasses} glasses of {summary.files} files")
    if summary.problems:
        print(f"tf-symgnn: {summary.problems} files not read completely: {output}/{DEAD_LETTERS}", file=sys.stderr)
        sys.exit(INCOMPLETE)
