"""The sub-command `explain`."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from tf_symgnn.cli.arguments import add_reading, parse_seed, read_options
from tf_symgnn.data import InputError, read_last_frame, require_species


def explain_parser() -> ArgumentParser:
    """Return the parser of `explain`."""
    parser = ArgumentParser(exit_on_error=False, description=explain.__doc__)
    parser.add_argument("run", help="run folder")
    parser.add_argument("file", help="structure file; the last of several frames is used")
    parser.add_argument(
        "--atoms", required=True, help="for example 0,5,10-20; nearest:50 takes those nearest the origin"
    )
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--seed", type=parse_seed, default=0, help="seed of the masks")
    add_reading(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace the explanation in the folder")
    return parser


def explain(args: Namespace) -> None:
    """Find the pairs of atoms that predicted barriers depend on, and describe their structure."""
    try:
        import gudhi  # noqa: F401
        import plotly  # noqa: F401
    except ImportError as error:
        raise InputError("explain", "packages", f"no {error.name}", 'pip install "tf_symgnn[explain]"') from error
    from tf_symgnn.explain import check_folder, explain, parse_centers, write_report
    from tf_symgnn.runs import RunFolder, glass_graphs

    run = RunFolder.open(args.run)
    config = run.config()
    check_folder(args.output, overwrite=args.overwrite)
    glass = read_last_frame(args.file, read_options(args, species=config.species))
    require_species([glass], run.statistics().species)
    centers = parse_centers(args.atoms, glass)
    (graph,) = glass_graphs(config, [glass])
    found = explain(run.load_model(), graph, centers, cutoff=config.graph.cutoff, seed=args.seed)
    write_report(found, args.output, glass=glass, overwrite=args.overwrite)
    print(f"{args.output}: {len(centers)} {'atom' if len(centers) == 1 else 'atoms'}")
