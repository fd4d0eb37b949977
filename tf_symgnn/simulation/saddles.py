"""Saddle points round a minimum: pushed out of its basin, then up the softest mode, then checked.

The activation-relaxation technique (Barkema and Mousseau, Phys. Rev. Lett. 77, 4358, 1996; Malek and Mousseau, Phys.
Rev. E 62, 7723, 2000), its last stretch by quasi-Newton steps on forces reversed along the softest mode.
"""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
from ase.geometry import find_mic

from tf_symgnn.simulation.descent import Descent, shortened
from tf_symgnn.simulation.modes import ForceField, Point, softest_mode, unit

# What a search is made of; benchmarks/RESULTS.md has what other choices gave.
PUSH = 0.25  # A, norm of a push
MOST_PUSHES = 20
SIDE_STEPS = 2  # after each push, across it
OUT_OF_BASIN = -0.5  # eV/A^2, the curvature at which a push is followed by the climb
CLIMB = 0.2  # A, norm of a step up the softest mode
RIDGE = 0.5  # eV, per A along the mode: the force that is left where steps up give way to quasi-Newton ones
MOST_LAPSES = 3  # steps of the climb at which the energy may curve upwards everywhere
HIGHEST = 12.0  # eV above the minimum
CORRECTIONS, TOLERANCE = 4, 0.25  # of the softest mode, at each step
MOST_CALLS = 1200  # of the force field, a climb
CLOSE_CORRECTIONS, CLOSE_TOLERANCE = 40, 0.02  # of the two softest modes, at a saddle
OFF_RIDGE = 0.1  # A, that the atom that moves most is put off a saddle, to either side
AT_REST = 0.005  # eV/A, beside a saddle
MOST_STEPS = 1000  # to a minimum beside it
BACK_HOME = 0.1  # A, that an atom may lie from where it started


@dataclass(frozen=True)
class SearchSettings:
    """How saddle points are searched for.

    Args:
        radius: atoms closer than this to the chosen one are pushed with it, A; by default to the first minimum of the
            radial distribution function of Cu64Zr36. Pushing the atom alone makes labels that resemble published ones
            less (benchmarks/RESULTS.md).
        largest_force: on any atom at a saddle point, eV/A.
    """

    radius: float = 3.8
    largest_force: float = 0.01


@dataclass(frozen=True)
class Saddle:
    """A first-order saddle point that one side of leads back to the minimum.

    Args:
        point: the saddle.
        curvatures: the two smallest, eV/A^2; the first is negative, the second is not.
        final: positions of the minimum on the other side, f64[N, 3], A.
    """

    point: Point
    curvatures: tuple[float, float]
    final: np.ndarray


class SearchLost(Exception):
    """A search that found nothing that counts; its message says why in a word or two."""


def find_saddle(
    force_field: ForceField, minimum: ase.Atoms, atom: int, rng: np.random.Generator, settings: SearchSettings
) -> Saddle:
    """Searches for one saddle point from a random push of an atom and its neighbourhood.

    Args:
        force_field: of the glass.
        minimum: the glass at rest, periodic.
        atom: index of the atom.
        rng: of the push.
        settings: radius and largest force.

    Raises:
        SearchLost: nothing was found that counts.
    """
    start = minimum.positions
    out = random_push(minimum, atom, rng, settings.radius)
    count = _Counted(force_field)
    point, mode = _leave_basin(count, start, out)
    point, mode = _climb(count, Point.at(count, start), point, mode, settings.largest_force)
    if not is_home(minimum, minimum_beside(force_field, start, point, mode, -1.0)):
        raise SearchLost("not connected")
    final = minimum_beside(force_field, start, point, mode, +1.0)
    if is_home(minimum, final):
        raise SearchLost("both ways home")
    curvatures = _two_curvatures(force_field, point, mode, rng)
    if curvatures[1] < 0:
        raise SearchLost("second negative curvature")
    return Saddle(point, curvatures, final)


class _Counted:
    """A force field that a climb may ask so often and no more."""

    def __init__(self, force_field: ForceField):
        self._force_field, self._left = force_field, MOST_CALLS

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        self._left -= 1
        if self._left < 0:
            raise SearchLost("too long")
        return self._force_field(positions)


def random_push(minimum: ase.Atoms, atom: int, rng: np.random.Generator, radius: float) -> np.ndarray:
    """A random direction [N, 3] of an atom and its neighbourhood, of norm one."""
    offsets, _ = find_mic(minimum.positions - minimum.positions[atom], minimum.cell, minimum.pbc)
    near = np.linalg.norm(offsets, axis=1) < radius
    return unit(near[:, np.newaxis] * rng.normal(size=offsets.shape))


def _leave_basin(force_field: ForceField, start: np.ndarray, out: np.ndarray) -> tuple[Point, np.ndarray]:
    """Pushes, the rest of the glass giving way, to where the energy curves downwards; the point and its mode."""
    positions, mode = start, out
    for _ in range(MOST_PUSHES):
        positions = positions + PUSH * out
        side = Descent()
        for _ in range(SIDE_STEPS):
            forces = force_field(positions)[1]
            positions = positions + side.step(positions, forces - np.vdot(forces, out) * out)
        point = Point.at(force_field, positions)
        mode, curvature = _softest(force_field, point, mode)
        if curvature < OUT_OF_BASIN:
            return point, mode
    raise SearchLost("never out of the basin")


def _climb(
    force_field: ForceField, start: Point, point: Point, mode: np.ndarray, largest_force: float
) -> tuple[Point, np.ndarray]:
    """From outside the basin to a saddle: the point, and its mode that leads away."""
    course, lapses, on_ridge = Descent(), 0, False
    while True:
        if point.energy - start.energy > HIGHEST:
            raise SearchLost("too high")
        mode, curvature = _softest(force_field, point, mode)
        mode = mode * (np.sign(np.vdot(mode, point.positions - start.positions)) or 1.0)
        if curvature < 0 and point.largest_force < largest_force:
            return point, mode
        along = np.vdot(point.forces, mode)
        if curvature > 0:
            lapses, on_ridge, course = lapses + 1, False, Descent()
            if lapses > MOST_LAPSES:
                raise SearchLost("fell back")
        on_ridge = on_ridge or (curvature < 0 and along > -RIDGE)
        if on_ridge:
            step = course.step(point.positions, point.forces - 2 * along * mode)
        else:
            step = shortened(CLIMB * mode, 0.15) + Descent().step(point.positions, point.forces - along * mode)
        point = Point.at(force_field, point.positions + step)


def _softest(force_field: ForceField, point: Point, mode: np.ndarray) -> tuple[np.ndarray, float]:
    return softest_mode(force_field, point, mode, corrections=CORRECTIONS, tolerance=TOLERANCE)


def _two_curvatures(
    force_field: ForceField, saddle: Point, mode: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """The two smallest curvatures at a saddle, eV/A^2: the second is felt across the first mode, found well before."""
    settings = {"corrections": CLOSE_CORRECTIONS, "tolerance": CLOSE_TOLERANCE}
    mode, first = softest_mode(force_field, saddle, mode, **settings)
    _, second = softest_mode(force_field, saddle, rng.normal(size=mode.shape), **settings, beside=mode)
    return first, second


def minimum_beside(
    force_field: ForceField, start: np.ndarray, saddle: Point, mode: np.ndarray, side: float
) -> np.ndarray:
    """The minimum on one side of a saddle, [N, 3], where the glass as a whole lies as it did at the start."""
    positions = saddle.positions + side * OFF_RIDGE / np.linalg.norm(mode, axis=1).max() * mode
    course = Descent()
    for _ in range(MOST_STEPS):
        point = Point.at(force_field, positions)
        if point.largest_force < AT_REST:
            return positions - (positions - start).mean(axis=0)
        positions = positions + course.step(positions, point.forces)
    raise SearchLost("no minimum beside")


def is_home(minimum: ase.Atoms, positions: np.ndarray) -> bool:
    """Whether every atom at positions [N, 3] lies where it does in the minimum, within `BACK_HOME`."""
    return bool(np.linalg.norm(positions - minimum.positions, axis=1).max() < BACK_HOME)
