"""Tables of embedded-atom potentials, thinned so that they stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from tf_symgnn.data import InputError


def thin_table(source: Path, target: Path, points: int, species_a_density: bool) -> None:
    """Write a table of LAMMPS' formats `eam/alloy` or `eam/fs` with every k-th of its points.

    LAMMPS draws splines through the points. Of the 10,000 points of the Cu-Zr potential of 2009, 1000 change the energy
    of Cu64Zr36 by less than 1e-8 eV an atom and forces by 6e-5 eV/A; 500 change them by 5e-8 eV and 3e-4 eV/A.

    Args:
        source: the table: three lines of comment, the species, the numbers of points and their spacings, the values.
        target: the file to write.
        points: the least number of points that is kept.
        species_a_density: whether each species has a density for every other (`eam/fs`), or one for all.

    Raises:
        InputError: the source is no such table.
    """
    # The modification time is a part of the cache's key, in case the file is replaced.
    target.write_text(_thinned(source, source.stat().st_mtime_ns, points, species_a_density))


@lru_cache(maxsize=4)
def _thinned(source: Path, _modified: int, points: int, species_a_density: bool) -> str:
    lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    try:
        n_species = int(lines[3].split()[0])
        header = lines[4].split()
        n_density, n_distance = int(header[0]), int(header[2])
        density_step, distance_step, cutoff = float(header[1]), float(header[3]), float(header[4])
        values = iter(" ".join(lines[5:]).split())
        every = max(1, min(n_density, n_distance) // points)
        written = [*lines[:4], ""]
        for _ in range(n_species):
            written.append(" ".join(next(values) for _ in range(4)))  # number, mass, lattice constant and lattice
            written += _every(values, n_density, every)
            for _ in range(n_species if species_a_density else 1):
                written += _every(values, n_distance, every)
        for _ in range(n_species * (n_species + 1) // 2):
            written += _every(values, n_distance, every)
    except (IndexError, ValueError, RuntimeError, StopIteration) as error:
        raise InputError(
            source, "content", f"{type(error).__name__} {error}", "a table of eam/alloy or eam/fs"
        ) from error
    counts = [len(range(0, n, every)) for n in (n_density, n_distance)]
    steps = [step * every for step in (density_step, distance_step)]
    written[4] = f"{counts[0]} {steps[0]:.16e} {counts[1]} {steps[1]:.16e} {cutoff:.16e}"
    return "\n".join(written) + "\n"


def _every(values: Iterator[str], n: int, every: int) -> list[str]:
    """Every `every`-th of the next `n` values."""
    taken = list(islice(values, n))
    if len(taken) < n:
        raise ValueError(f"{len(taken)} of {n} values")
    return taken[::every]
