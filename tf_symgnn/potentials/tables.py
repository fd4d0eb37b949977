"""Tables of embedded-atom potentials in the LAMMPS formats `eam/alloy` and `eam/fs`."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from tf_symgnn.errors import InputError, as_input_error, require_choice, require_integer, require_number

ALLOY, FINNIS_SINCLAIR = "eam/alloy", "eam/fs"
STYLES = (ALLOY, FINNIS_SINCLAIR)

MAX_BYTES = 64 * 2**20  # of a file; the largest published tables have about 10 MB
MAX_SPECIES = 20
MAX_CUTOFF = 20.0  # A
MIN_POINTS = 5  # of a table; the splines of LAMMPS need them


@dataclass(frozen=True, eq=False)
class EamTables:
    """The functions of an embedded-atom potential at evenly spaced points (LAMMPS manual, `pair_style eam`).

    The energy of atom i is F(rho_i) + 1/2 sum_j phi(r_ij), with the density rho_i = sum_j f(r_ij).

    Attributes:
        symbols: chemical symbols of the S species.
        masses: f64[S] u.
        lattices: lattice constant and lattice of each species, as the file states them; nothing depends on them.
        cutoff: A.
        density_step: spacing of `embedding`.
        distance_step: spacing of the other functions, A.
        embedding: f64[S, points] eV, F at densities from 0.
        density: f64[S, S, points], f at distances from 0, by species of the neighbor and of the atom.
        pair: f64[S, S, points] eV A, r phi(r) at distances from 0.
    """

    symbols: tuple[str, ...]
    masses: np.ndarray
    lattices: tuple[tuple[str, ...], ...]
    cutoff: float
    density_step: float
    distance_step: float
    embedding: np.ndarray
    density: np.ndarray
    pair: np.ndarray

    def thinned(self, points: int) -> EamTables:
        """Return tables of every k-th point, with at least `points` points, so that they stay in a processor's cache.

        Of the 10,000 points of the Cu-Zr potential of 2009, 1000 change the energy of Cu64Zr36 by less than 1e-8 eV an
        atom and forces by 6e-5 eV/A; 500 change them by 5e-8 eV and 3e-4 eV/A.
        """
        every = max(1, min(self.embedding.shape[-1], self.pair.shape[-1]) // points)
        return replace(
            self,
            density_step=self.density_step * every,
            distance_step=self.distance_step * every,
            embedding=self.embedding[..., ::every],
            density=self.density[..., ::every],
            pair=self.pair[..., ::every],
        )

    def write(self, path: Path | str, pair_style: str) -> None:
        """Write the tables as a file of a pair style of LAMMPS.

        Args:
            path: the file.
            pair_style: `eam/alloy` takes the densities of each species at the first one.
        """
        steps = f"{self.density_step:.16e} {{}} {self.distance_step:.16e} {self.cutoff:.16e}"
        lines = ["", "", "", f"{len(self.symbols)} {' '.join(self.symbols)}"]
        lines += [f"{self.embedding.shape[-1]} " + steps.format(self.pair.shape[-1])]
        for k, symbol in enumerate(self.symbols):
            lines += [f"{chemical_symbols.index(symbol)} {self.masses[k]:.16e} {' '.join(self.lattices[k])}"]
            lines += map(repr, self.embedding[k].tolist())
            for density in self.density[k][: 1 if pair_style == ALLOY else None]:
                lines += map(repr, density.tolist())
        for k in range(len(self.symbols)):
            for other in range(k + 1):
                lines += map(repr, self.pair[k, other].tolist())
        Path(path).write_text("\n".join(lines) + "\n")


def read_potential_file(path: Path | str, pair_style: str | None = None) -> EamTables:
    """Return the tables of a file, of the pair style that the end of its name states if none is given.

    Raises:
        InputError: neither states the style, or the file is not of it.
    """
    return read_tables(path, pair_style or named_style(path))


def named_style(path: Path | str) -> str:
    """Return the pair style that the end of a file's name states, `eam/fs` for `.eam.fs`.

    Raises:
        InputError: it states none.
    """
    style = next((style for style in STYLES if str(path).endswith(_suffix(style))), None)
    if style is None:
        expected = f"a name that ends with {' or '.join(map(_suffix, STYLES))}, or --pair-style"
        raise InputError(path, "potential", "a file of unknown pair style", expected)
    return style


def _suffix(style: str) -> str:
    """Return the usual end of the names of files of a pair style: `.eam.fs` for `eam/fs`."""
    return "." + style.replace("/", ".")


def read_tables(path: Path | str, pair_style: str) -> EamTables:
    """Return the tables of a file.

    Args:
        path: of the file: three lines of comments, the species, the numbers and spacings of points, the values.
        pair_style: `eam/alloy` or `eam/fs`. The second has a density of each species at each other.

    Raises:
        InputError: the file is not of this pair style, is cut short, or has numbers that are not finite.
    """
    require_choice(path, "pair style", pair_style, STYLES)
    with as_input_error(path, "potential", f"a table of {pair_style}"):
        stat = os.stat(path)
        if stat.st_size > MAX_BYTES:
            raise InputError(path, "size", f"{stat.st_size} bytes", f"at most {MAX_BYTES}")
        # The modification time is a part of the cache's key, in case the file is replaced.
        return _read(Path(path), stat.st_mtime_ns, pair_style)


@lru_cache(maxsize=4)
def _read(path: Path, _modified: int, pair_style: str) -> EamTables:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if len(lines) < 6:
        raise InputError(path, "lines", len(lines), f"a table of {pair_style}")
    symbols = _symbols(path, lines[3])
    n_embedding, density_step, n_distances, distance_step, cutoff = _grid(path, lines[4], 2 * sum(map(len, lines)))
    n_species, n_densities = len(symbols), len(symbols) if pair_style == FINNIS_SINCLAIR else 1
    reader = _Reader(path, lines[5:])
    masses, lattices, embedding = [], [], []
    density, pair = (np.zeros((n_species, n_species, n_distances)) for _ in range(2))
    for k, symbol in enumerate(symbols):
        mass, lattice = reader.header(symbol)
        masses.append(mass)
        lattices.append(lattice)
        embedding.append(reader.numbers(f"embedding of {symbol}", n_embedding))
        of_all = reader.numbers(f"density of {symbol}", n_densities * n_distances)
        density[k] = of_all.reshape(n_densities, n_distances)
    for k in range(n_species):
        for other in range(k + 1):
            field = f"pair function of {symbols[k]} and {symbols[other]}"
            pair[k, other] = pair[other, k] = reader.numbers(field, n_distances)
    reader.require_end(pair_style)
    return EamTables(
        symbols=symbols,
        masses=np.array(masses),
        lattices=tuple(lattices),
        cutoff=cutoff,
        density_step=density_step,
        distance_step=distance_step,
        embedding=np.stack(embedding),
        density=density,
        pair=pair,
    )


def _symbols(path: Path, line: str) -> tuple[str, ...]:
    """Return the species of the fourth line."""
    count, *symbols = line.split() or [""]
    unknown = [symbol for symbol in symbols if symbol not in chemical_symbols[1:]]
    if unknown or len(set(symbols)) < len(symbols) or count != str(len(symbols)) or len(symbols) > MAX_SPECIES:
        raise InputError(path, "line 4", line, "the number of species and their chemical symbols")
    return tuple(symbols)


def _grid(path: Path, line: str, most: int) -> tuple[int, float, int, float, float]:
    """Return the numbers of points, at most `most`, the spacings and the cutoff of the fifth line."""
    words = line.split()
    with as_input_error(path, "line 5", "points and spacing of densities, points and spacing of distances, cutoff"):
        n_embedding, n_distances = int(words[0]), int(words[2])
        density_step, distance_step, cutoff = float(words[1]), float(words[3]), float(words[4])
    for field, count in (("points of densities", n_embedding), ("points of distances", n_distances)):
        require_integer(path, field, count, least=MIN_POINTS, most=most)
    for field, length in (("density spacing", density_step), ("distance spacing", distance_step), ("cutoff", cutoff)):
        require_number(path, field, length, above=0)
    reach = (n_distances - 1) * distance_step
    if not cutoff - distance_step * 1.001 <= reach or cutoff > MAX_CUTOFF:
        found = f"{cutoff:g} A, and distances up to {reach:g} A"
        raise InputError(path, "cutoff", found, f"distances up to the cutoff, which is at most {MAX_CUTOFF:g} A")
    return n_embedding, density_step, n_distances, distance_step, cutoff


class _Reader:
    """Reads the lines after the fifth: a header of each species on a line of its own, and numbers."""

    def __init__(self, path: Path, lines: list[str]):
        self._path, self._lines = path, deque(enumerate(lines, start=6))

    def header(self, symbol: str) -> tuple[float, tuple[str, ...]]:
        """Return the mass of a species, u, and its lattice, which may be missing."""
        number, words = self._next_line(f"header of {symbol}")
        with as_input_error(self._path, f"line {number}", f"atomic number and mass of {symbol}"):
            int(words[0])
            mass = float(words[1])
        require_number(self._path, f"mass of {symbol}", mass, above=0)
        return mass, tuple(words[2:4])

    def numbers(self, field: str, count: int) -> np.ndarray:
        """Return the next numbers f64[count], which end at the end of a line."""
        words: list[str] = []
        while len(words) < count:
            words += self._next_line(field)[1]
        with as_input_error(self._path, field, "numbers"):
            values = np.array(words, np.float64)
        if len(values) > count:
            raise InputError(self._path, field, f"{len(values)} numbers on its lines", count)
        if not np.isfinite(values).all():
            raise InputError(self._path, field, values[~np.isfinite(values)][0], "finite numbers")
        return values

    def require_end(self, pair_style: str) -> None:
        """Check that no number is left: a table of another pair style has more."""
        rest = sum(len(_words(line)) for _, line in self._lines)
        if rest:
            raise InputError(self._path, "end", f"{rest} more numbers", f"the end of a table of {pair_style}")

    def _next_line(self, field: str) -> tuple[int, list[str]]:
        while self._lines:
            number, line = self._lines.popleft()
            if words := _words(line):
                return number, words
        raise InputError(self._path, field, "the end of the file", "more numbers")


def _words(line: str) -> list[str]:
    """Return the words of a line before a comment."""
    return line.partition("#")[0].split()
