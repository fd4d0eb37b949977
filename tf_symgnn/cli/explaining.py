"""The sub-command `explain`."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from tf_symgnn.cli.arguments import add_reading, command_parser, parse_seed, read_options
from tf_symgnn.data import read_last_frame, structure_files
from tf_symgnn.locations import find_model, require_run


def explain_parser() -> ArgumentParser:
    """Return the parser of `explain`."""
    parser = command_parser(
        explain.__doc__, "tf-symgnn explain runs/second glasses/test0.xyz --atoms nearest:2 --output explained"
    )
    parser.add_argument("run", help="run folder, or name of a shipped model")
    parser.add_argument("file", help="structure file; the last of several frames is used")
    parser.add_argument(
        "--atoms", required=True, help="for example 0,5,10-20; nearest:50 takes those nearest the origin"
    )
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--seed", type=parse_seed, default=0, help="seed of the masks")
    add_reading(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace the explanation in the folder")
    return parser


def check_explain(args: Namespace) -> None:
    """Check the run, the file and how it is read."""
    require_run(find_model(args.run))
    read_options(args)
    structure_files(args.file)


def explain(args: Namespace) -> None:
    """Find the pairs of atoms that predicted barriers depend on."""
    from tf_symgnn.api.functions import explain_barriers
    from tf_symgnn.runs import open_run

    run = open_run(args.run)
    glass = read_last_frame(args.file, read_options(args, species=run.config().species))
    explanation = explain_barriers(run, glass, args.atoms, output=args.output, seed=args.seed, overwrite=args.overwrite)
    number = len(explanation.neighborhoods)
    print(f"{args.output}: {number} {'atom' if number == 1 else 'atoms'}")
