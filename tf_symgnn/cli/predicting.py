"""The sub-commands `predict`, and `models`, which lists the models that need no training."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_symgnn import locations, names, runtime
from tf_symgnn.cli import pipelines
from tf_symgnn.cli.arguments import add_reading, command_parser, read_options
from tf_symgnn.cli.scores import score_line
from tf_symgnn.data import all_structure_files, check_output
from tf_symgnn.data.formats import is_structure_file
from tf_symgnn.locations import find_model, is_run, require_run


def predict_parser() -> ArgumentParser:
    """Return the parser of `predict`."""
    parser = command_parser(predict.__doc__, "tf-symgnn predict runs/second glasses/test0.xyz --output barriers.xyz")
    parser.add_argument("run", help="run folder, or name of a shipped model; by default cuzr")
    parser.add_argument("files", nargs="+", help="structure files, or folders of them")
    parser.add_argument("--output", required=True, help="file to write: .xyz, .dump or .npz; with --beam, a folder")
    add_reading(parser)
    parser.add_argument(
        "--keep_columns", action="store_true", help="write the other per-atom columns of the input, too"
    )
    parser.add_argument("--memory", help="memory limit, for example 6GB: predict slab by slab; a killed run continues")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    pipelines.add_beam(parser)
    return parser


def check_predict(args: Namespace) -> None:
    """Check the run, the files, how they are read, and the output; avoid oneDNN where memory is limited."""
    require_run(find_model(args.run))
    if args.memory is not None:
        runtime.avoid_onednn()
    read_options(args, keep_columns=args.keep_columns)
    all_structure_files(args.files)
    if args.beam is None:
        # What is left of a killed prediction within a memory may be replaced, which is checked later.
        check_output(args.output, overwrite=args.overwrite or args.memory is not None)


def predict(args: Namespace) -> None:
    """Predict energy barriers, and write them with the structures."""
    if args.beam is not None:
        return pipelines.predict(args)
    from tf_symgnn.domain.extrapolation import summarize
    from tf_symgnn.inference.files import write_predictions
    from tf_symgnn.inference.memory import parse_memory, peak_resident
    from tf_symgnn.runs import open_run

    memory = parse_memory(args.memory) if args.memory else None
    run, options = open_run(args.run), read_options(args, keep_columns=args.keep_columns)
    extrapolations = write_predictions(
        run, args.files, args.output, options=options, overwrite=args.overwrite, memory=memory
    )
    for line in summarize(extrapolations):
        print(f"tf-symgnn: warning: {line}", file=sys.stderr)
    peak = f", {peak_resident() / 1e9:.2f} GB of memory at most" if memory else ""
    print(f"{args.output}: {len(extrapolations)} {'glass' if len(extrapolations) == 1 else 'glasses'}{peak}")


def default_model(arguments: Sequence[str]) -> list[str]:
    """Return the model to insert before the arguments of `predict`: the default one, if it ships and they name none."""
    if locations.DEFAULT_MODEL not in locations.SHIPPED:
        return []
    valueless = {name for action in predict_parser()._actions if action.nargs == 0 for name in action.option_strings}
    for previous, argument in zip(["", *arguments], arguments, strict=False):
        is_value = previous.startswith("-") and "=" not in previous and previous not in valueless
        if not argument.startswith("-") and not is_value:
            return [] if _is_model(argument) else [locations.DEFAULT_MODEL]
    return [locations.DEFAULT_MODEL]


def _is_model(name: str) -> bool:
    """Return whether an argument is a shipped model or a folder that is no folder of structure files."""
    path = Path(name)
    return name in locations.SHIPPED or (
        path.is_dir() and (is_run(path) or not any(map(is_structure_file, path.iterdir())))
    )


def models_parser() -> ArgumentParser:
    """Return the parser of `models`."""
    return command_parser(models.__doc__, "tf-symgnn models")


def models(args: Namespace) -> None:
    """List the models that ship with the program."""
    if not locations.SHIPPED:
        print("none in this version")
        return
    from ase.data import chemical_symbols

    from tf_symgnn.runs import open_run

    for name, path in locations.SHIPPED.items():
        run = open_run(name)
        elements = ", ".join(chemical_symbols[number] for number in run.statistics().species)
        print(f"{name}: {run.config().model} for {elements}")
        metrics = run.metrics()
        for split in (split for split in names.SPLITS if split in metrics):
            print(f"  {score_line(split, metrics[split])}")
        print(f"  {path / 'README.md'}")
