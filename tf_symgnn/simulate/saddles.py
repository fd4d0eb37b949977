"""Saddle searches: push an atom's neighborhood out of its basin, then follow the softest mode to a saddle point.

The activation-relaxation technique (Barkema and Mousseau, Phys. Rev. Lett. 77, 4358, 1996; Malek and Mousseau, Phys.
Rev. E 62, 7723, 2000). The last stage takes quasi-Newton steps on forces that are reversed along the softest mode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import ase
import numpy as np
from ase.geometry import find_mic

from tf_symgnn.errors import require_number, require_type
from tf_symgnn.simulate.lbfgs import LBFGS, clip_step
from tf_symgnn.simulate.modes import ForceField, Point, softest_mode, unit

SEARCH_VERSION = 2  # in journals; raised whenever a change here makes the same seed find other saddles

# docs/notebook.md has what other choices gave.
PUSH = 0.25  # A, norm of a push of the neighborhood
MOST_PUSHES = 20
PUSHES_PER_MODE = 2  # the softest mode is computed after every second push
OUT_OF_BASIN = -0.5  # eV/A^2, the curvature below which the climb starts
CLIMB, FARTHEST_CLIMB = 0.5, 0.4  # A, norm of a step up the softest mode, and the most that it moves an atom
SIDE_STEPS = 2  # relaxation steps across the mode after each step up
RIDGE = 0.1  # eV/A, the force back along the mode below which the search converges
OFF_RIDGE = 0.3  # eV/A, the force back along the mode above which a converging search climbs again
MOST_LAPSES = 10  # steps of a climb at which every curvature is positive
HIGHEST = 12.0  # eV above the minimum
TOLERANCE = 0.25  # of the softest mode
CLIMB_CORRECTIONS, LAPSE_CORRECTIONS, RIDGE_CORRECTIONS = 4, 6, 10  # of the softest mode, each a force call
MODE_LIFETIME = 8  # steps on the ridge with one mode
MOST_CALLS = 1200  # of the force field, for one search
CLOSE_CORRECTIONS, CLOSE_TOLERANCE = 40, 0.02  # of the two softest modes at a saddle
NUDGE = 0.1  # A, displacement off a saddle of the atom that moves most
AT_REST = 0.005  # eV/A, the largest force at a minimum beside a saddle
MOST_STEPS = 1000  # of the relaxation to it
BACK_HOME = 0.1  # A, displacement from the start of an atom that counts as returned


@dataclass(frozen=True)
class SearchSettings:
    """Settings of a saddle search.

    Args:
        radius: atoms closer than this to the chosen one are pushed with it, A. The default is that of the published
            lammps-ARTn settings for Cu64Zr36; labels made by pushing one atom alone resemble the published ones less.
        largest_force: on any atom at a saddle point, eV/A.
        require_connected: whether one side of the saddle must relax back to the start, and the other must not.

    Raises:
        InputError: a value is invalid.
    """

    radius: float = 3.7
    largest_force: float = 0.01
    require_connected: bool = False

    def __post_init__(self) -> None:
        require_number("searches", "radius", self.radius, above=0)
        require_number("searches", "largest_force", self.largest_force, above=0)
        require_type("searches", "require_connected", self.require_connected, bool, "true or false")


@dataclass(frozen=True)
class Saddle:
    """A saddle point.

    Args:
        point: the saddle.
        mode: its softest mode [N, 3], of norm one, that points away from the start.
        curvature: along the mode, eV/A^2; negative.
        final: positions of the minimum on the other side, f64[N, 3], A; None unless connection was required.
    """

    point: Point
    mode: np.ndarray
    curvature: float
    final: np.ndarray | None = None


class SearchFailed(Exception):
    """A search that found no saddle that counts; its message is the reason, in a word or two."""


def find_saddle(
    force_field: ForceField, minimum: ase.Atoms, atom: int, rng: np.random.Generator, settings: SearchSettings
) -> Saddle:
    """Search for one saddle point from a random push of an atom and its neighborhood.

    Args:
        force_field: of the glass.
        minimum: the glass at rest.
        atom: index of the atom.
        rng: of the push.
        settings: radius, largest force, and whether the saddle must be connected.

    Raises:
        SearchFailed: nothing was found that counts.
    """
    counted = _CountedForceField(force_field)
    start = Point.at(counted, minimum.positions)
    point, mode = _leave_basin(counted, start, random_push(minimum, atom, rng, settings.radius))
    saddle = _climb(counted, start, point, mode, settings.largest_force)
    return connect(force_field, minimum, saddle, rng) if settings.require_connected else saddle


def converge(
    force_field: ForceField, minimum: ase.Atoms, positions: np.ndarray, mode: np.ndarray, settings: SearchSettings
) -> Saddle:
    """Converge to the saddle point near positions [N, 3], A, that were found with a part of the atoms free.

    Args:
        force_field: of the whole glass.
        minimum: the glass at rest.
        positions: of all atoms.
        mode: a first guess of the softest mode [N, 3].
        settings: the largest force.

    Raises:
        SearchFailed: there is no saddle point.
    """
    counted = _CountedForceField(force_field)
    start = Point.at(counted, minimum.positions)
    return _climb(counted, start, Point.at(counted, positions), mode, settings.largest_force)


def connect(force_field: ForceField, minimum: ase.Atoms, saddle: Saddle, rng: np.random.Generator) -> Saddle:
    """Return a saddle with the minimum on its other side.

    Raises:
        SearchFailed: no side or both sides relax back to the start, or the saddle has a second negative curvature.
    """
    if not is_home(minimum, minimum_beside(force_field, minimum, saddle, -1.0)):
        raise SearchFailed("not connected")
    final = minimum_beside(force_field, minimum, saddle, +1.0)
    if is_home(minimum, final):
        raise SearchFailed("both sides return")
    if second_curvature(force_field, saddle, rng) < 0:
        raise SearchFailed("second negative curvature")
    return replace(saddle, final=final)


class _CountedForceField:
    """A force field that ends a search after `MOST_CALLS` calls."""

    def __init__(self, force_field: ForceField):
        self._force_field, self._left = force_field, MOST_CALLS

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        self._left -= 1
        if self._left < 0:
            raise SearchFailed("too long")
        return self._force_field(positions)


def random_push(minimum: ase.Atoms, atom: int, rng: np.random.Generator, radius: float) -> np.ndarray:
    """Return a random direction [N, 3] of an atom and its neighborhood, of norm one."""
    offsets, _ = find_mic(minimum.positions - minimum.positions[atom], minimum.cell, minimum.pbc)
    near = np.linalg.norm(offsets, axis=1) < radius
    return unit(near[:, np.newaxis] * rng.normal(size=offsets.shape))


def _leave_basin(force_field: ForceField, start: Point, direction: np.ndarray) -> tuple[Point, np.ndarray]:
    """Push along a direction until a curvature is negative; return the point and its softest mode."""
    positions, mode = start.positions, direction
    for number in range(1, MOST_PUSHES + 1):
        positions = positions + PUSH * direction
        forces = force_field(positions)[1]
        positions = positions + LBFGS().step(positions, _across(forces, direction))
        if number % PUSHES_PER_MODE:
            continue
        point = Point.at(force_field, positions)
        mode, curvature = softest_mode(force_field, point, mode, corrections=CLIMB_CORRECTIONS, tolerance=TOLERANCE)
        if curvature < OUT_OF_BASIN:
            return point, mode
    raise SearchFailed("never left the basin")


def _climb(force_field: ForceField, start: Point, point: Point, mode: np.ndarray, largest_force: float) -> Saddle:
    """Climb from outside the basin to the ridge, then converge to a saddle on it."""
    descent: LBFGS | None = None  # of the convergence; None while climbing
    lapses, mode_age, curvature = 0, 0, OUT_OF_BASIN
    while True:
        if point.energy - start.energy > HIGHEST:
            raise SearchFailed("too high")
        converged = point.largest_force < largest_force
        if descent is None or mode_age == MODE_LIFETIME or (converged and mode_age > 0):
            corrections = RIDGE_CORRECTIONS if descent else LAPSE_CORRECTIONS if curvature > 0 else CLIMB_CORRECTIONS
            mode, curvature = softest_mode(force_field, point, mode, corrections=corrections, tolerance=TOLERANCE)
            mode = mode * (np.sign(np.vdot(mode, point.positions - start.positions)) or 1.0)
            mode_age = 0
        if converged and curvature < 0:
            return Saddle(point, mode, curvature)
        along = np.vdot(point.forces, mode)
        if curvature > 0:
            lapses, descent = lapses + 1, None
            if lapses > MOST_LAPSES:
                raise SearchFailed("fell back")
        elif along < -OFF_RIDGE:
            descent = None
        elif descent is None and along > -RIDGE:
            descent = LBFGS()
        if descent is None:
            point = _step_up(force_field, point, mode, SIDE_STEPS if curvature < 0 else 0)
        else:
            step = descent.step(point.positions, point.forces - 2 * along * mode)
            point, mode_age = Point.at(force_field, point.positions + step), mode_age + 1


def _step_up(force_field: ForceField, point: Point, mode: np.ndarray, side_steps: int) -> Point:
    """Step along the softest mode and relax across it."""
    positions, descent = point.positions + clip_step(CLIMB * mode, FARTHEST_CLIMB), LBFGS()
    for _ in range(side_steps):
        forces = force_field(positions)[1]
        positions = positions + descent.step(positions, _across(forces, mode))
    return Point.at(force_field, positions)


def _across(forces: np.ndarray, direction: np.ndarray) -> np.ndarray:
    return forces - np.vdot(forces, direction) * direction


def second_curvature(force_field: ForceField, saddle: Saddle, rng: np.random.Generator) -> float:
    """Return the smallest curvature across a saddle's softest mode, eV/A^2; negative if its order is above 1."""
    settings = {"corrections": CLOSE_CORRECTIONS, "tolerance": CLOSE_TOLERANCE}
    mode, _ = softest_mode(force_field, saddle.point, saddle.mode, **settings)
    return softest_mode(force_field, saddle.point, rng.normal(size=mode.shape), **settings, beside=mode)[1]


def minimum_beside(force_field: ForceField, minimum: ase.Atoms, saddle: Saddle, side: float) -> np.ndarray:
    """Relax from one side of a saddle and return positions [N, 3], A, without a drift of the whole glass.

    The relaxation stops as soon as every atom has returned to its place in `minimum`, or at another minimum.
    """
    point, mode = saddle.point, saddle.mode
    positions, descent = point.positions + side * NUDGE / np.linalg.norm(mode, axis=1).max() * mode, LBFGS()
    for _ in range(MOST_STEPS):
        settled = positions - (positions - minimum.positions).mean(axis=0)
        point = Point.at(force_field, positions)
        if point.largest_force < AT_REST or is_home(minimum, settled):
            return settled
        positions = positions + descent.step(positions, point.forces)
    raise SearchFailed("no minimum beside")


def is_home(minimum: ase.Atoms, positions: np.ndarray) -> bool:
    """Whether every atom at positions [N, 3] lies within `BACK_HOME` of its place in the minimum."""
    return bool(np.linalg.norm(positions - minimum.positions, axis=1).max() < BACK_HOME)
