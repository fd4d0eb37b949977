"""`--beam` of `convert` and `predict`: the same over many files, by an Apache Beam pipeline."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jsonargparse import ArgumentParser, Namespace

from tf_symgnn.config import split_symbols
from tf_symgnn.data import InputError

# Some files could not be used, or not to their end; the others were.
INCOMPLETE = 3


def add_beam(parser: ArgumentParser) -> None:
    """Adds `--beam`."""
    parser.add_argument(
        "--beam",
        nargs="?",
        const="",
        help="a folder of output, a shard a file, by an Apache Beam pipeline on all cores, or as its flags say: "
        '--beam="--runner=FlinkRunner --flink_master=HOST:PORT"',
    )


@contextmanager
def _without_logs() -> Iterator[None]:
    """Keeps back what Beam logs, on the root logger too and with tracebacks: how it ended is told in a line."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@_without_logs()
def convert(args: Namespace) -> None:
    """`convert` as a pipeline."""
    from tf_symgnn.beam.pipelines import convert_in_pipeline

    if args.shards != 1:
        raise InputError("command line", "--shards", args.shards, "none beside --beam, which writes a shard a file")
    settings = {"label": args.label, "species": split_symbols(args.species), "overwrite": args.overwrite}
    _tell(args.output, convert_in_pipeline(args.data, args.output, args.graph, _flags(args.beam), **settings))


@_without_logs()
def predict(args: Namespace) -> None:
    """`predict` as a pipeline."""
    from tf_symgnn.beam.pipelines import predict_in_pipeline
    from tf_symgnn.runs import RunFolder

    if args.memory:
        raise InputError("command line", "--memory", args.memory, "none beside --beam")
    settings = {"species": split_symbols(args.species), "overwrite": args.overwrite}
    run = RunFolder.open(args.run)
    _tell(args.output, predict_in_pipeline(run, args.files, args.output, _flags(args.beam), **settings))


def _flags(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InputError("command line", "--beam", f"{text} ({error})", "flags as a shell takes them") from error


def _tell(output: str, summary) -> None:
    from tf_symgnn.beam.pipelines import DEAD_LETTERS

    print(f"{output}: {summary.glasses} glasses of {summary.files} files")
    if summary.problems:
        print(f"tf-symgnn: {summary.problems} files not used to their end: {output}/{DEAD_LETTERS}", file=sys.stderr)
        sys.exit(INCOMPLETE)
