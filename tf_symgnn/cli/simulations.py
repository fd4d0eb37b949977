"""What `tf-symgnn simulate` does: glasses from a composition, and their barriers from saddle searches."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeFloat, PositiveFloat, PositiveInt

from tf_symgnn.cli.arguments import parse_seed
from tf_symgnn.simulate.barriers import EVENTS, Labelling, LabellingStopped
from tf_symgnn.simulate.engine import DEFAULT_FILE, DEFAULT_STYLE, Potential
from tf_symgnn.simulate.events import Distinction
from tf_symgnn.simulate.files import check_glass_output, label_files, write_glass
from tf_symgnn.simulate.quench import Quench, parse_composition, quench_glass
from tf_symgnn.simulate.saddles import SearchSettings


def simulate_parser() -> ArgumentParser:
    """The arguments of `simulate`, to which `add_parts` adds its two parts."""
    return ArgumentParser(exit_on_error=False, description=simulate.__doc__)


def add_parts(parser: ArgumentParser) -> None:
    """Adds the parts of `simulate`, once its parser is a sub-command: jsonargparse takes levels in their order."""
    parts = parser.add_subcommands(dest="part")
    for name, part in (("glass", _glass_parser()), ("barriers", _barriers_parser())):
        parts.add_subcommand(name, part, help=part.description)


def simulate(args: Namespace) -> None:
    """Makes labelled glasses with LAMMPS."""
    {"glass": _glass, "barriers": _barriers}[args.part](args[args.part])


def _glass_parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False, description=_glass.__doc__)
    parser.add_argument("--composition", required=True, help="as in Cu64Zr36")
    parser.add_argument("--atoms", type=PositiveInt, required=True, help="their number")
    parser.add_argument("--quench_rate", type=PositiveFloat, default=1e12, help="K/s")
    parser.add_argument("--melt_temperature", type=PositiveFloat, default=2000.0, help="K")
    parser.add_argument("--seed", type=parse_seed, default=0, help="of first positions and velocities")
    _add_potential(parser)
    parser.add_argument("--output", required=True, help="extended XYZ file to write")
    parser.add_argument("--report", help="folder for the radial distribution function, density and energy")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    return parser


def _glass(args: Namespace) -> None:
    """Melts and quenches a glass, and relaxes it to a minimum at zero pressure; continues where it was interrupted."""
    from tf_symgnn.simulate.report import report_glasses

    check_glass_output(Path(args.output), overwrite=args.overwrite)
    quench = Quench(
        composition=parse_composition(args.composition, args.atoms),
        rate=args.quench_rate,
        seed=args.seed,
        melt_temperature=args.melt_temperature,
        potential=Potential(*args.potential),
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
    parser = ArgumentParser(exit_on_error=False, description=_barriers.__doc__)
    parser.add_argument("files", nargs="+", help="structure files of glasses at their minima")
    parser.add_argument("--output", required=True, help="folder for labelled glasses and journals of the searches")
    parser.add_argument("--events", type=PositiveInt, default=4, help="distinct events per label")
    parser.add_argument(
        "--most_searches", type=PositiveInt, default=400, help="searches per atom, after which it keeps fewer events"
    )
    parser.add_argument("--radius", type=PositiveFloat, default=3.7, help="A, of the neighborhood that is pushed")
    parser.add_argument(
        "--require_connected",
        type=bool,
        default=False,
        help="yes or no: whether a saddle must relax back to the start; published labels do not require it",
    )
    parser.add_argument("--barrier_tolerance", type=NonNegativeFloat, default=1e-3, help="eV, between distinct events")
    parser.add_argument("--distance_tolerance", type=NonNegativeFloat, default=0.1, help="A, between their saddles")
    parser.add_argument("--seed", type=parse_seed, default=0, help="of the pushes")
    parser.add_argument("--processes", type=PositiveInt, default=1, help="that search at the same time")
    parser.add_argument("--species", help="chemical symbols of LAMMPS types 1, 2, ..., as in Cu,Zr")
    _add_potential(parser)
    parser.add_argument("--report", help="folder for plots and figures of the barriers")
    return parser


def _barriers(args: Namespace) -> None:
    """Labels glasses with energy barriers; continues where it was interrupted, and repeats no finished search."""
    from tf_symgnn.simulate.report import report_glasses

    labelling = Labelling(
        events=args.events,
        most_searches=args.most_searches,
        seed=args.seed,
        search=SearchSettings(radius=args.radius, require_connected=args.require_connected),
        distinction=Distinction(args.barrier_tolerance, args.distance_tolerance),
        potential=Potential(*args.potential),
    )
    try:
        glasses = label_files(args.files, Path(args.output), labelling, processes=args.processes, species=args.species)
    except LabellingStopped as stopped:
        sys.exit(f"tf-symgnn: {stopped}; the same command continues")
    for stem, glass in glasses.items():
        unlabelled = int((glass.arrays[EVENTS] == 0).sum())
        note = f", {unlabelled} of {len(glass)} atoms without an event" if unlabelled else ""
        print(f"{Path(args.output) / f'{stem}.xyz'}{note}")
    if args.report:
        print(report_glasses(glasses, Path(args.report), labelling.potential))


def _add_potential(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--potential",
        nargs=2,
        default=[DEFAULT_STYLE, DEFAULT_FILE],
        metavar=("STYLE", "FILE"),
        help="LAMMPS pair style and its file, one of LAMMPS' own or another",
    )
