"""The `Glass`: atoms in a box, with or without energy barriers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import ase
import numpy as np
from ase.data import atomic_numbers as NUMBER_OF_SYMBOL
from ase.data import chemical_symbols

from tf_symgnn import names
from tf_symgnn.data.boxes import complete_box
from tf_symgnn.data.columns import EVENTS, SPREAD, events_column, label_column, spread_column
from tf_symgnn.data.formats import stem_of
from tf_symgnn.data.limits import FLAT_CELL
from tf_symgnn.errors import InputError, as_input_error, require_integer, require_type

# ASE's element 0 is the placeholder "X". In a graph 0 marks padding, so that no atom may have it.
SYMBOLS = frozenset(chemical_symbols[1:])

_STEP = "timestep"  # key of the time step in the `info` of ASE's Atoms, as its readers of trajectories name it


@dataclass(frozen=True, eq=False)
class Glass:
    """N atoms in a box. The fields are checked on construction and read-only afterwards.

    Args:
        positions: f64[N, 3] A.
        cell: f64[3, 3] A, rows are cell vectors, of either handedness.
        pbc: bool[3], whether the box repeats along each cell vector.
        species: chemical symbols [N].
        barrier: energy barriers f64[N] eV, NaN for atoms without a label, or None without labels.
        source: the file of the glass.
        frame: index of the glass in a file of several, else None.
        origin: f64[3] A, the corner of the box that the cell vectors start from.
        ids: i64[N], the identifiers of the atoms in the file, each once, or None without.
        step: time step of the frame, or None.
        events: i64[N], the number of events that each label is the mean of, or None.
        spread: f64[N] eV, the standard deviation of these events, or None.
        columns: further numbers or texts of the atoms, [N] or [N, K] each, by name.
        info: numbers of the whole glass by name, which extended XYZ and npz files store.

    Raises:
        InputError: a field has a wrong shape or type, a number is not finite, a symbol is unknown, or the box has no
            volume.
    """

    positions: np.ndarray  # [N, 3]
    cell: np.ndarray  # [3, 3]
    pbc: np.ndarray  # [3]
    species: np.ndarray  # [N]
    barrier: np.ndarray | None  # [N]
    source: Path | str
    frame: int | None = None
    origin: np.ndarray = field(default_factory=partial(np.zeros, 3))  # [3]
    ids: np.ndarray | None = None  # [N]
    step: int | None = None
    events: np.ndarray | None = None  # [N]
    spread: np.ndarray | None = None  # [N]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)  # [N] or [N, K] each
    info: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_type("glass", "source", self.source, (str, os.PathLike), "a path")
        if self.frame is not None:
            require_integer(str(self.source), "frame", self.frame, least=0)
        self._set("positions", self._numbers("positions", self.positions))
        if self.positions.ndim != 2 or self.positions.shape[1] != 3 or not len(self.positions):
            raise self._error("positions", f"shape {self.positions.shape}", "shape (N, 3) with N at least 1")
        self._set("cell", self._numbers("cell", self.cell, (3, 3)))
        self._check_volume()
        self._set("pbc", self._flags(self.pbc))
        self._set("species", self._symbols(self.species))
        if self.barrier is not None:
            barrier = self._numbers(names.ENERGY_BARRIER, self.barrier, (self.n_atoms,), missing=True)
            self._set("barrier", barrier)
        self._set("origin", self._numbers("origin", self.origin, (3,)))
        self._check_optional()

    @classmethod
    def from_ase(
        cls,
        atoms: ase.Atoms,
        *,
        label: str | None = names.ENERGY_BARRIER,
        pbc: Sequence[bool] | None = None,
        source: Path | str = "atoms",
        frame: int | None = None,
    ) -> Glass:
        """Return the glass of ASE's Atoms.

        Per-atom arrays and per-atom results of a calculator become columns, `id` the ids, and the displacement of the
        cell the origin. A cell vector that is zero is completed around the atoms where they are not periodic.

        Args:
            atoms: with positions and cell in A.
            label: array of the energy barriers, eV; the default one may be absent. None reads no labels.
            pbc: periodicity in place of that of the atoms.
            source: the name of the glass in errors.
            frame: index of the glass among several of one source.

        Raises:
            InputError: the atoms do not make a valid glass, or the label is absent.
        """
        where = place(source, frame)
        require_type(where, "structure", atoms, ase.Atoms, "ase.Atoms")
        columns = dict(atoms.arrays) | (atoms.calc.results if atoms.calc and hasattr(atoms.calc, "results") else {})
        for name in ("numbers", "positions"):
            columns.pop(name)
        columns = {name: np.asarray(x) for name, x in columns.items() if np.shape(x)[:1] == (len(atoms),)}
        barrier = label_column(where, columns, label)
        events, spread = events_column(columns, label), spread_column(columns, label)
        ids, step = columns.get("id"), atoms.info.get(_STEP)
        numbered = ids is not None and ids.ndim == 1 and ids.dtype.kind in "iu"
        own = {barrier, events, spread, "id" if numbered else None}
        periodic = np.asarray(atoms.pbc if pbc is None else pbc)
        cell, origin = complete_box(where, atoms.cell.array, periodic, atoms.positions, atoms.get_celldisp().ravel())
        return cls(
            positions=atoms.positions,
            cell=cell,
            pbc=periodic,
            species=np.array(atoms.get_chemical_symbols()),
            barrier=columns.get(barrier),
            source=source,
            frame=frame,
            origin=origin,
            ids=ids if numbered else None,
            step=int(step) if isinstance(step, (int, np.integer)) else None,
            events=columns.get(events),
            spread=columns.get(spread),
            columns={
                name: x for name, x in columns.items() if name not in own and x.dtype.kind in "biufU" and x.ndim <= 2
            },
        )

    def to_ase(self) -> ase.Atoms:
        """Return ASE's Atoms with the fields of the glass, barriers in the array `energy_barrier`, eV."""
        atoms = ase.Atoms(
            list(self.species), positions=self.positions, cell=self.cell, pbc=self.pbc, celldisp=self.origin
        )
        arrays = dict(self.columns) | {
            "id": self.ids,
            names.ENERGY_BARRIER: self.barrier,
            names.ENERGY_BARRIER + EVENTS: self.events,
            names.ENERGY_BARRIER + SPREAD: self.spread,
        }
        for name, values in arrays.items():
            if values is not None and name not in atoms.arrays:  # which hold positions and numbers
                atoms.set_array(name, values)
        atoms.info.update(self.info)
        if self.step is not None:
            atoms.info[_STEP] = self.step
        return atoms

    @property
    def n_atoms(self) -> int:
        """Return the number of atoms N."""
        return len(self.positions)

    @property
    def atomic_numbers(self) -> np.ndarray:
        """Return atomic numbers i32[N]."""
        symbols, index = np.unique(self.species, return_inverse=True)
        return np.array([NUMBER_OF_SYMBOL[symbol] for symbol in symbols], np.int32)[index]

    @property
    def n_labeled(self) -> int:
        """Return the number of atoms that have a label."""
        return 0 if self.barrier is None else int(np.isfinite(self.barrier).sum())

    @property
    def volume(self) -> float:
        """Return the volume of the box, A^3."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def name(self) -> str:
        """Return the stem of the source, as in `stem`, or in `stem-3` where it has several frames."""
        stem = stem_of(self.source)
        return stem if self.frame is None else f"{stem}-{self.frame}"

    @property
    def place(self) -> str:
        """Return the source and the frame as errors name them, `file` or, as in ASE, `file@frame`."""
        return place(self.source, self.frame)

    def _set(self, field: str, array: np.ndarray) -> None:
        array.setflags(write=False)
        object.__setattr__(self, field, array)

    def _error(self, field: str, found: object, expected: object) -> InputError:
        return InputError(self.place, field, found, expected)

    def _check_optional(self) -> None:
        if self.step is not None:
            require_integer(self.place, "step", self.step)
        for name, values in (("ids", self.ids), ("events", self.events)):
            if values is not None:
                self._set(name, self._integers(name, values))
        if self.spread is not None:
            spread = self._numbers("spread", self.spread, (self.n_atoms,), missing=True)
            if (spread < 0).any():
                raise self._error("spread", f"{spread[spread < 0][0]}", "standard deviations, eV")
            self._set("spread", spread)
        if self.ids is not None:
            unique, counts = np.unique(self.ids, return_counts=True)
            if len(unique) < self.n_atoms:
                raise self._error("ids", f"{unique[counts > 1][0]} twice", "each once")
        columns = {}
        for name, values in self.columns.items():
            columns[name] = np.array(values)
            if columns[name].shape[:1] != (self.n_atoms,) or columns[name].ndim > 2:
                raise self._error(name, f"shape {columns[name].shape}", f"shape ({self.n_atoms},) or (N, K)")
            columns[name].setflags(write=False)
        object.__setattr__(self, "columns", columns)

    def _integers(self, field: str, values: object) -> np.ndarray:
        array = np.array(values)
        if array.shape != (self.n_atoms,) or array.dtype.kind not in "iu":
            raise self._error(field, f"shape {array.shape} of {array.dtype}", f"{self.n_atoms} whole numbers")
        return array.astype(np.int64)

    def _numbers(
        self, field: str, values: object, shape: tuple[int, ...] | None = None, *, missing: bool = False
    ) -> np.ndarray:
        """Return a copy of `values` as f64, finite or, with `missing`, NaN, checked for `shape` if there is one."""
        try:
            array = np.array(values)
        except ValueError as error:
            raise self._error(field, "rows of unequal length", "an array") from error
        if array.dtype.kind not in "iuf":
            raise self._error(field, f"values of type {array.dtype}", "real numbers")
        if shape is not None and array.shape != shape:
            raise self._error(field, f"shape {array.shape}", f"shape {shape}")
        array = array.astype(np.float64)
        invalid = np.isinf(array) if missing else ~np.isfinite(array)
        if invalid.any():
            first = tuple(int(i) for i in np.argwhere(invalid)[0]) if array.ndim else ()
            raise self._error(field, f"{array[first]} at {list(first)}", "finite numbers")
        return array

    def _check_volume(self) -> None:
        # Rounding leaves a flat box some volume. It is compared with that of a cuboid with the same edges.
        with np.errstate(all="ignore"):
            cuboid = np.prod(np.linalg.norm(self.cell, axis=1))
            volume = self.volume
        if not FLAT_CELL * cuboid < volume < np.inf:
            raise self._error("cell", f"volume {volume:g} A^3", "three cell vectors that span a finite volume")

    def _flags(self, values: object) -> np.ndarray:
        flags = np.array(values)
        # Text is invalid because bool("False") is true.
        if flags.shape != (3,) or flags.dtype.kind not in "biu":
            raise self._error("pbc", f"shape {flags.shape} of {flags.dtype}", "three booleans")
        return flags.astype(bool)

    def _symbols(self, values: object) -> np.ndarray:
        symbols = np.array(values)
        if symbols.shape != (self.n_atoms,) or symbols.dtype.kind not in "USO":
            found = f"shape {symbols.shape} of {symbols.dtype}"
            raise self._error("species", found, f"{self.n_atoms} chemical symbols, one per atom")
        with as_input_error(self.place, "species", "chemical symbols, as in Cu or Zr"):
            symbols = symbols.astype(str)  # of bytes, too
        unknown = sorted(set(np.unique(symbols).tolist()) - SYMBOLS)
        if unknown:
            raise self._error("species", ", ".join(map(repr, unknown)), "chemical symbols, as in Cu or Zr")
        return symbols


def place(source: Path | str, frame: int | None) -> str:
    """Return a frame of a source, or the source without frames, as errors name it."""
    return str(source) if frame is None else f"{source}@{frame}"


def require_species(glasses: Iterable[Glass], atomic_numbers: Sequence[int]) -> None:
    """Check that all species of some glasses were in the training glasses of a model.

    Args:
        glasses: the glasses.
        atomic_numbers: of the training glasses.

    Raises:
        InputError: a glass has another species.
    """
    for glass in glasses:
        unknown = sorted(set(glass.atomic_numbers.tolist()) - set(atomic_numbers))
        if unknown:
            known = ", ".join(chemical_symbols[number] for number in sorted(atomic_numbers))
            found = ", ".join(chemical_symbols[number] for number in unknown)
            raise InputError(glass.place, "species", found, f"only species of the training glasses: {known}")
