"""The sub-commands `predict` and `models`, the models that it can use without training."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from tf_symgnn import runtime
from tf_symgnn.cli import pipelines
from tf_symgnn.cli.arguments import add_reading, command_parser, read_options
from tf_symgnn.data import InputError, check_output, structure_files
from tf_symgnn.data.formats import is_structure_file
from tf_symgnn.locations import DEFAULT_MODEL, SHIPPED, find_model, is_run, require_run


def predict_parser() -> ArgumentParser:
    """Return the parser of `predict`."""
    parser = command_parser(predict.__doc__, "tf-symgnn predict runs/second glasses/test0.xyz --output barriers.xyz")
    parser.add_argument("run", nargs="?", help=f"run folder, or name of a shipped model; {DEFAULT_MODEL} if left out")
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
    if args.run is not None and args.run not in SHIPPED and _has_structures(args.run):
        args.run, args.files = None, [args.run, *args.files]
    elif args.run is None and (args.files[0] in SHIPPED or is_run(Path(args.files[0]))):
        raise InputError("command line", "files", f"none after the model {args.files[0]}", "structure files")
    args.run = args.run or DEFAULT_MODEL
    require_run(find_model(args.run))
    if args.memory is not None:
        runtime.avoid_onednn()
    read_options(args, keep_columns=args.keep_columns)
    for file in args.files:
        structure_files(file)
    if args.beam is None:
        # What is left of a killed prediction within a memory may be replaced, which is checked later.
        check_output(args.output, overwrite=args.overwrite or args.memory is not None)


def _has_structures(path: str) -> bool:
    """Return whether a path is a file, or a folder of structure files and no run."""
    if is_run(Path(path)):
        return False
    return Path(path).is_file() or (Path(path).is_dir() and any(map(is_structure_file, Path(path).iterdir())))


def predict(args: Namespace) -> None:
    """Predict energy barriers, and write them with the structures."""
    if args.beam is not None:
        return pipelines.predict(args)
    from tf_symgnn.inference.files import predict_files
    from tf_symgnn.inference.memory import parse_memory, peak_resident
    from tf_symgnn.runs import open_run

    memory = parse_memory(args.memory) if args.memory else None
    run, options = open_run(args.run), read_options(args, keep_columns=args.keep_columns)
    n_glasses = predict_files(run, args.files, args.output, options=options, overwrite=args.overwrite, memory=memory)
    peak = f", {peak_resident() / 1e9:.2f} GB of memory at most" if memory else ""
    print(f"{args.output}: {n_glasses} {'glass' if n_glasses == 1 else 'glasses'}{peak}")


def models_parser() -> ArgumentParser:
    """Return the parser of `models`."""
    return command_parser(models.__doc__, "tf-symgnn models")


def models(args: Namespace) -> None:
    """List the models that ship with the program."""
    from ase.data import chemical_symbols

    from tf_symgnn.runs import open_run

    for name, path in SHIPPED.items():
        run = open_run(name)
        elements = ", ".join(chemical_symbols[number] for number in run.statistics().species)
        print(f"{name}: {run.config().model} for {elements}")
        for split, record in run.metrics().items():
            if isinstance(record, dict):
                print(f"  {split} pearson {record['pearson']:.3f} of {record['n_atoms']} atoms")
        print(f"  {path / 'README.md'}")
    if not SHIPPED:
        print("none in this version")
