"""The sub-command `relax`."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveFloat

from tf_symgnn.cli.arguments import add_reading, command_parser, read_options
from tf_symgnn.data import all_structure_files, check_output, read_frames, write_glasses
from tf_symgnn.data.limits import RELAXED_FORCE
from tf_symgnn.potentials.tables import STYLES, read_potential_file


def relax_parser() -> ArgumentParser:
    """Return the parser of `relax`."""
    example = "tf-symgnn relax glass.xyz --potential CuZr_2009.eam.fs --output relaxed.xyz"
    parser = command_parser(relax.__doc__, example)
    parser.add_argument("files", nargs="+", help="structure files, or folders of them")
    parser.add_argument("--potential", required=True, help="LAMMPS file of an embedded-atom potential")
    parser.add_argument("--output", required=True, help="file to write: .xyz, .dump or .npz")
    parser.add_argument("--pair_style", choices=STYLES, help="of the potential, if its name does not end with it")
    parser.add_argument("--max_force", type=PositiveFloat, default=RELAXED_FORCE, help="largest force at the end, eV/A")
    add_reading(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    return parser


def check_relax(args: Namespace) -> None:
    """Check the files, how they are read, the potential and the output."""
    read_options(args)
    all_structure_files(args.files)
    read_potential_file(args.potential, args.pair_style)
    check_output(args.output, overwrite=args.overwrite)


def relax(args: Namespace) -> None:
    """Relax glasses downhill to a minimum of the energy of a potential."""
    from tf_symgnn.potentials.eam import EamPotential
    from tf_symgnn.potentials.relaxation import relaxed

    potential = EamPotential(read_potential_file(args.potential, args.pair_style))
    files = all_structure_files(args.files)
    glasses = [glass for file in files for glass in read_frames(file, read_options(args))]
    check_output(args.output, overwrite=args.overwrite, number=len(glasses))
    write_glasses(
        args.output,
        [relaxed(potential, glass, max_force=args.max_force) for glass in glasses],
        overwrite=args.overwrite,
    )
    print(args.output)
