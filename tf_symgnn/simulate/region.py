"""Active regions: saddle searches in a large glass with a sphere of free atoms inside a shell of fixed ones."""

from __future__ import annotations

import ase
import numpy as np
from ase.geometry import find_mic

from tf_symgnn.simulate.engine import SEARCH_POINTS, Forces, Potential

FREE_RADIUS = 9.0  # A, about the chosen atom, in which atoms are free to move
SHELL = 7.0  # A, thickness of the shell of fixed atoms; forces inside differ by 2e-3 eV/A at displacements of 0.15 A
VACUUM = 12.0  # A, between the shell and its periodic images
LEAST_GAIN = 2.0  # a region is worth its set-up where the glass has so many times the atoms of a region


class ActiveRegion:
    """The neighborhood of an atom as a force field of its own, for positions [M, 3], A, of the free atoms.

    Fixed atoms at the surface lack neighbors, which changes their embedding and so the forces on free atoms. A constant
    force on each free atom corrects that: at the minimum, forces are those of the whole glass, and they differ from
    them in second order of the displacement.

    Args:
        minimum: the glass at rest, periodic.
        forces: of the whole glass at the minimum [N, 3], eV/A.
        atom: index of the atom in the middle.
        potential: between the atoms.
    """

    def __init__(self, minimum: ase.Atoms, forces: np.ndarray, atom: int, potential: Potential):
        offsets, distances = find_mic(minimum.positions - minimum.positions[atom], minimum.cell, minimum.pbc)
        self.free = np.flatnonzero(distances < FREE_RADIUS)
        fixed = np.flatnonzero((distances >= FREE_RADIUS) & (distances < FREE_RADIUS + SHELL))
        members = np.concatenate([self.free, fixed])
        edge = 2 * (FREE_RADIUS + SHELL) + VACUUM
        cluster = ase.Atoms(minimum.numbers[members], positions=offsets[members] + edge / 2, cell=[edge] * 3, pbc=True)
        self._field = Forces(cluster, potential, table_points=SEARCH_POINTS)
        self._positions = cluster.positions.copy()
        self._start = cluster.positions[: len(self.free)].copy()
        self._correction = np.zeros_like(self._start)
        self._correction = forces[self.free] - self(self._start)[1]
        self.minimum = cluster[: len(self.free)]
        self.atom = int(np.flatnonzero(self.free == atom)[0])

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Return energy, eV, and forces [M, 3], eV/A, at positions [M, 3], A, of the free atoms."""
        self._positions[: len(positions)] = positions
        energy, forces = self._field(self._positions)
        energy = energy - np.vdot(self._correction, positions - self._start)
        return energy, forces[: len(positions)] + self._correction

    @property
    def calls(self) -> int:
        """Force calls so far."""
        return self._field.calls

    def embed(self, minimum: ase.Atoms, positions: np.ndarray) -> np.ndarray:
        """Return positions [N, 3], A, of the whole glass with the free atoms displaced as in the region."""
        placed = minimum.positions.copy()
        placed[self.free] += positions - self._start
        return placed

    def close(self) -> None:
        """End LAMMPS."""
        self._field.close()


def worth_a_region(minimum: ase.Atoms) -> bool:
    """Whether a glass is so large, in every direction, that searches in active regions are cheaper."""
    radius = FREE_RADIUS + SHELL
    volume = minimum.get_volume()
    heights = [volume / np.linalg.norm(np.cross(minimum.cell[i - 2], minimum.cell[i - 1])) for i in range(3)]
    return min(heights) > 2 * radius and volume > LEAST_GAIN * 4 / 3 * np.pi * radius**3
