"""The sub-command `simulate`: glasses from a composition, and their barriers from saddle searches."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeFloat, PositiveFloat, PositiveInt

from tf_symgnn.cli.arguments import add_reading, command_parser, parse_seed, read_options
from tf_symgnn.potentials.tables import named_style
from tf_symgnn.simulate.barriers import EVENTS, Labelling, LabellingStopped
from tf_symgnn.simulate.engine import DEFAULT_FILE, Potential
from tf_symgnn.simulate.events import Distinction
from tf_symgnn.simulate.files import check_glass_output, label_files, write_glass
from tf_symgnn.simulate.quench import Quench, parse_composition, quench_glass
from tf_symgnn.simulate.saddles import SearchSettings


def simulate_parser() -> ArgumentParser:
    """Return the parser of `simulate`, without the two parts that `add_parts` adds."""
    return command_parser(
        simulate.__doc__,
        "tf-symgnn simulate glass --composition Cu64Zr36 --atoms 500 --output glass.xyz",
    )


def add_parts(parser: ArgumentParser) -> None:
    """Add the two parts of `simulate` to its parser, which jsonargparse requires to be a sub-command already."""
    parts = parser.add_subcommands(dest="part")
    for name, part in (("glass", _glass_parser()), ("barriers", _barriers_parser())):
        parts.add_subcommand(name, part, help=part.description)


def simulate(args: Namespace) -> None:
    """Make labeled glasses with LAMMPS."""
    {"glass": _glass, "barriers": _barriers}[args.part](args[args.part])


def _glass_parser() -> ArgumentParser:
    parser = command_parser(
        _glass.__doc__,
        "tf-symgnn simulate glass --composition Cu64Zr36 --atoms 500 --output glass.xyz --quench-rate 1e13",
    )
    parser.add_argument("--composition", required=True, help="for example Cu64Zr36")
    parser.add_argument("--atoms", type=PositiveInt, required=True, help="number of atoms")
    parser.add_argument("--output", required=True, help="extended XYZ file to write")
    parser.add_argument("--quench_rate", type=PositiveFloat, default=1e12, help="K/s")
    parser.add_argument("--melt_temperature", type=PositiveFloat, default=2000.0, help="K")
    parser.add_argument("--seed", type=parse_seed, default=0, help="seed of initial positions and velocities")
    _add_potential(parser)
    parser.add_argument("--report", help="folder for the radial distribution function, density and energy")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    return parser


def _glass(args: Namespace) -> None:
    """Quench a glass from the melt and relax it at zero pressure."""
    from tf_symgnn.simulate.report import report_glasses

    check_glass_output(Path(args.output), overwrite=args.overwrite)
    quench = Quench(
        composition=parse_composition(args.composition, args.atoms),
        rate=args.quench_rate,
        seed=args.seed,
        melt_temperature=args.melt_temperature,
        potential=_potential(args),
    )
    checkpoint = Path(args.output).with_suffix(".checkpoint")
    glass = quench_glass(quench, checkpoint)
    write_glass(Path(args.output), glass, overwrite=args.overwrite)
    checkpoint.unlink(missing_ok=True)
    density, energy = len(glass) / glass.get_volume(), glass.info["energy_per_atom"]
    print(f"{args.output}: {len(glass)} atoms, {density:.4f} atoms/A^3, {energy:.3f} eV an atom")
    if args.report:
        print(report_glasses({Path(args.output).stem: glass}, Path(args.report), quench.potential))


def _barriers_parser() -> ArgumentParser:
    parser = command_parser(_barriers.__doc__, "tf-symgnn simulate barriers glass.xyz --output labelled --events 4")
    parser.add_argument("files", nargs="+", help="structure files of glasses at their minima")
    parser.add_argument("--output", required=True, help="folder for labeled glasses and journals of the searches")
    parser.add_argument("--events", type=PositiveInt, default=4, help="distinct events per label")
    parser.add_argument(
        "--most_searches", type=PositiveInt, default=400, help="searches per atom, after which it keeps fewer events"
    )
    parser.add_argument(
        "--radius", type=PositiveFloat, default=3.7, help="A, radius of the neighborhood that is pushed"
    )
    parser.add_argument(
        "--require_connected",
        type=bool,
        default=False,
        help="true or false: whether a saddle must relax back to the start; published labels do not require it",
    )
    parser.add_argument("--barrier_tolerance", type=NonNegativeFloat, default=1e-3, help="eV, between distinct events")
    parser.add_argument("--distance_tolerance", type=NonNegativeFloat, default=0.1, help="A, between their saddles")
    parser.add_argument("--seed", type=parse_seed, default=0, help="seed of the pushes")
    parser.add_argument("--processes", type=PositiveInt, default=1, help="number of parallel searches")
    add_reading(parser)
    _add_potential(parser)
    parser.add_argument("--report", help="folder for plots and figures of the barriers")
    return parser


def _barriers(args: Namespace) -> None:
    """Label glasses with energy barriers, by searches for saddle points."""
    from tf_symgnn.simulate.report import report_glasses

    labelling = Labelling(
        events=args.events,
        most_searches=args.most_searches,
        seed=args.seed,
        search=SearchSettings(radius=args.radius, require_connected=args.require_connected),
        distinction=Distinction(args.barrier_tolerance, args.distance_tolerance),
        potential=_potential(args),
    )
    try:
        glasses = label_files(
            args.files, Path(args.output), labelling, processes=args.processes, options=read_options(args)
        )
    except LabellingStopped as stopped:
        sys.exit(f"tf-symgnn: {stopped}; the same command continues")
    for stem, glass in glasses.items():
        unlabeled = int((glass.arrays[EVENTS] == 0).sum())
        note = f", {unlabeled} of {len(glass)} atoms without an event" if unlabeled else ""
        print(f"{Path(args.output) / f'{stem}.xyz'}{note}")
    if args.report:
        print(report_glasses(glasses, Path(args.report), labelling.potential))


def _add_potential(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--potential",
        default=DEFAULT_FILE,
        help="file of coefficients of a LAMMPS pair style: a path, or a name in LAMMPS' folder of potentials",
    )
    parser.add_argument(
        "--pair_style",
        help="any of LAMMPS; needed unless the name ends with .eam.fs or .eam.alloy",
    )


def _potential(args: Namespace) -> Potential:
    """Return the potential of a command, of the pair style that the end of its name states if none is given.

    Raises:
        InputError: neither states the style.
    """
    return Potential(args.pair_style or named_style(args.potential), args.potential)
