"""The sub-commands `train`, `evaluate`, `export`, `convert` and `compare`: a parser and a function each."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from argparse import SUPPRESS
from dataclasses import fields
from functools import partial

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveFloat, PositiveInt

from tf_symgnn import names
from tf_symgnn.cli import pipelines
from tf_symgnn.cli.arguments import ReadConfig, add_reading, command_parser, parse_seed, read_options
from tf_symgnn.cli.scores import score_line
from tf_symgnn.config import GraphConfig, RunConfig
from tf_symgnn.data import InputError, ReadOptions, read_splits, structure_files
from tf_symgnn.data.files import require_writable
from tf_symgnn.locations import find_model, require_run
from tf_symgnn.potentials.tables import STYLES

_MOST_USED = (
    *("data", "run_dir", "config", "model", "potential", "init", "epochs", "minutes", "patience", "seed", "label"),
    *("species", "resume", "overwrite"),
)  # options that `train --help` lists


def train_parser() -> ArgumentParser:
    """Return the parser of `train`."""
    parser = command_parser(train.__doc__, "tf-symgnn train --data glasses --run-dir runs/second --epochs 40")
    parser.add_argument("--config", action=ReadConfig, help="YAML file with any of the fields below")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue after the last finished epoch; with more --epochs or --minutes prolong the run",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the run in the run folder")
    parser.add_class_arguments(RunConfig)
    return parser


def short_help(parser: ArgumentParser) -> str:
    """Return the help of `train` for its most used options, one line each."""
    lines = ["usage: tf-symgnn train [options]", "", train.__doc__, ""]
    actions = {action.dest: action for action in parser._actions}
    for name in _MOST_USED:
        default = actions[name].default
        stated = "" if default is None or default is False or default == SUPPRESS else f" (default: {default})"
        text = re.split(r"; null|[;.]( |$)", actions[name].help)[0]
        lines += _hanging(f"  --{name.replace('_', '-'):<11}", text + stated)
    lines += _hanging(f"  {'--help-all':<13}", "all options, also of graph, network, batches and optimizer")
    return "\n".join([*lines, "", parser.epilog])


def _hanging(start: str, text: str) -> list[str]:
    """Return a text in lines of a terminal, after a start and indented by it."""
    return textwrap.wrap(text, 80, initial_indent=start, subsequent_indent=" " * len(start))


def check_train(args: Namespace) -> None:
    """Check the configuration, and the paths of the data and of the run to start from."""
    config = _config(args)
    if args.resume and args.overwrite:
        raise InputError("command line", "--overwrite", "both --resume and --overwrite", "one of them")
    if config.strategy == "multiworker":
        return  # the workers check the paths together: one that ended here would leave the others waiting
    if args.resume:
        require_run(config.run_dir)
    elif config.init:
        require_run(find_model(config.init))
    ReadOptions.of(config)
    if config.data:
        structure_files(config.data)


def _config(args: Namespace) -> RunConfig:
    return RunConfig(**{field.name: args[field.name] for field in fields(RunConfig)})


def train(args: Namespace) -> None:
    """Train a model, score it and export it."""
    from tf_symgnn.export.saved_model import export
    from tf_symgnn.export.versions import versions
    from tf_symgnn.runs import RunFolder
    from tf_symgnn.training import TrainingStopped, Workers, train

    config = _config(args)

    def export_once(run: RunFolder) -> None:
        # A resumed run may have been exported before, and may have other weights since.
        written = run.checkpoints.weights_record.stat().st_mtime
        if not any(version.stat().st_mtime >= written for version in versions(run.export).values()):
            print(f"exporting the model to {run.export}", file=sys.stderr)
            export(run, run.export)

    try:
        folder = train(config, resume=args.resume, overwrite=args.overwrite, finish=export_once)
    except TrainingStopped as stopped:
        sys.exit(f"tf-symgnn: {stopped}")
    if not Workers(config).is_chief:
        return  # only the chief worker exports the model and prints
    metrics = folder.metrics()
    best, epochs, chosen = metrics["best_epoch"], metrics["epochs"], metrics["best_epoch_pearson"]
    print(f"kept: epoch {best} of {epochs}, chosen by its validation pearson of {chosen:.4f}")
    for split in (names.VALIDATION, names.TEST):
        if split in metrics:
            print(score_line(split, metrics[split]))
    print(f"run folder: {folder.path}")


def evaluate_parser() -> ArgumentParser:
    """Return the parser of `evaluate`."""
    parser = command_parser(evaluate.__doc__, "tf-symgnn evaluate runs/second --data glasses --split test")
    parser.add_argument("run", help="run folder, or name of a shipped model")
    parser.add_argument("--data", required=True, help="folder of structure files, or one file")
    parser.add_argument(
        "--split", choices=(*names.SPLITS, names.ALL_SPLITS), default=names.TEST, help="glasses to score"
    )
    parser.add_argument("--label", help="column or key of the energy barrier, eV, if not as in training")
    add_reading(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def check_evaluate(args: Namespace) -> None:
    """Check the run, the data and how they are read."""
    require_run(find_model(args.run))
    read_options(args)
    structure_files(args.data)


def evaluate(args: Namespace) -> None:
    """Score the best weights of a run on labeled glasses."""
    from tf_symgnn.api.functions import score
    from tf_symgnn.domain.extrapolation import summarize
    from tf_symgnn.runs import open_run

    run = open_run(args.run)
    config = run.config()
    options = read_options(args, label=args.label or config.label, species=config.species)
    record, extrapolations = score(run, args.data, split=args.split, options=options)
    print(score_line(args.split, record))
    for line in summarize(extrapolations):
        print(f"tf-symgnn: warning: {line}", file=sys.stderr)
    if args.json:
        print(json.dumps({"split": args.split, **record}))


def export_parser() -> ArgumentParser:
    """Return the parser of `export`."""
    parser = command_parser(export.__doc__, "tf-symgnn export runs/second model")
    parser.add_argument("run", help="run folder, or name of a shipped model")
    parser.add_argument("output", help="folder of versions, to which the next is added, first output/1; or ONNX file")
    parser.add_argument(
        "--format", choices=("savedmodel", "onnx"), default="savedmodel", help="onnx requires tf_symgnn[onnx]"
    )
    return parser


def check_export(args: Namespace) -> None:
    """Check the run, and that the output can be written."""
    require_run(find_model(args.run))
    require_writable(args.output)


def export(args: Namespace) -> None:
    """Write the best model of a run as a SavedModel or an ONNX file."""
    from tf_symgnn.api.functions import export_model

    print(f"exporting {args.run}, which takes up to a minute", file=sys.stderr)
    print(export_model(args.run, args.output, format=args.format))


def convert_parser() -> ArgumentParser:
    """Return the parser of `convert`."""
    parser = command_parser(convert.__doc__, "tf-symgnn convert glasses --output shards")
    parser.add_argument("data", help="folder of structure files, or one file")
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--shards", type=PositiveInt, default=1, help="files per split")
    parser.add_argument("--label", default=names.ENERGY_BARRIER, help="column or key of the energy barrier, eV")
    add_reading(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace shards in the folder")
    parser.add_class_arguments(GraphConfig, "graph")
    pipelines.add_beam(parser)
    return parser


def check_convert(args: Namespace) -> None:
    """Check the data."""
    structure_files(args.data)


def convert(args: Namespace) -> None:
    """Write structure files as TFRecord shards of GraphTensors."""
    if args.beam is not None:
        return pipelines.convert(args)
    from tf_symgnn.graph import build_graph, write_splits

    splits = read_splits(args.data, read_options(args, label=args.label))
    build = partial(build_graph, cutoff=args.graph.cutoff, self_loops=args.graph.self_loops)
    for path in write_splits(splits, args.output, build, shards=args.shards, overwrite=args.overwrite):
        print(path)


def compare_parser() -> ArgumentParser:
    """Return the parser of `compare`."""
    parser = command_parser(
        compare.__doc__, "tf-symgnn compare --data glasses --output comparison --models schnet ridge"
    )
    parser.add_argument("--data", required=True, help="folder of labeled structure files")
    parser.add_argument("--output", required=True, help="results folder: rows of finished runs and their table")
    parser.add_argument("--models", nargs="+", required=True, help="names in the model catalog, or ridge")
    parser.add_argument("--seeds", nargs="+", type=parse_seed, default=[0, 1, 2], help="each model runs with each seed")
    parser.add_argument("--budget", type=PositiveFloat, default=30.0, help="training time per run, minutes")
    parser.add_argument("--label", default=names.ENERGY_BARRIER, help="column or key of the energy barrier, eV")
    parser.add_argument("--species", help="chemical symbols of LAMMPS types 1, 2, ..., for example Cu,Zr")
    parser.add_argument("--potential", help="LAMMPS file of an embedded-atom potential, for models with physics")
    parser.add_argument("--pair_style", choices=STYLES, help="of the potential, if its name does not end with it")
    return parser


def compare(args: Namespace) -> None:
    """Train models under one protocol and tabulate them."""
    from tf_symgnn.compare import compare
    from tf_symgnn.training import TrainingStopped

    try:
        table = compare(
            args.data,
            args.output,
            models=args.models,
            seeds=args.seeds,
            budget_minutes=args.budget,
            label=args.label,
            species=args.species,
            potential=args.potential,
            pair_style=args.pair_style,
        )
    except TrainingStopped as stopped:
        sys.exit(f"tf-symgnn: {stopped}")
    print(table.read_text(), end="")
    print(table)
