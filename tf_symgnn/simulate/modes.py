"""The softest mode at a point: along which direction the energy curves least, felt by forces alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

ForceField = Callable[[np.ndarray], tuple[float, np.ndarray]]  # positions [N, 3], A: energy, eV, and forces, eV/A

PROBE = 5e-3  # A, how far curvature is felt for


class Point(NamedTuple):
    """Where a force field was asked, and what it answered."""

    positions: np.ndarray  # [N, 3], A
    energy: float  # eV
    forces: np.ndarray  # [N, 3], eV/A

    @classmethod
    def at(cls, force_field: ForceField, positions: np.ndarray) -> Point:
        """Asks a force field at positions [N, 3], A."""
        return cls(positions, *force_field(positions))

    @property
    def largest_force(self) -> float:
        """The largest force on an atom, eV/A."""
        return float(np.linalg.norm(self.forces, axis=1).max())


class _Image(NamedTuple):
    """A direction and what the Hessian makes of it: linear combinations of directions are those of images, too."""

    vector: np.ndarray
    image: np.ndarray

    def plus(self, factor: float, other: _Image) -> _Image:
        return _Image(self.vector + factor * other.vector, self.image + factor * other.image)

    def scaled(self) -> _Image:
        size = np.linalg.norm(self.vector)
        return _Image(self.vector / size, self.image / size)


def unit(vector: np.ndarray) -> np.ndarray:
    """A direction [N, 3] of norm one that does not move the glass as a whole."""
    vector = vector - vector.mean(axis=0)
    return vector / np.linalg.norm(vector)


def softest_mode(
    force_field: ForceField,
    point: Point,
    start: np.ndarray,
    *,
    corrections: int,
    tolerance: float,
    beside: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """The direction of least curvature, by conjugate corrections of one that is nearly so.

    The Hessian's images are differences of forces (the dimer of Henkelman and Jonsson, J. Chem. Phys. 111, 7010, 1999);
    each correction minimises the curvature among the mode, its residual and the last correction (Knyazev, SIAM J. Sci.
    Comput. 23, 517, 2001) and asks for forces once.

    Args:
        force_field: of the glass.
        point: where.
        start: a first guess [N, 3].
        corrections: at most.
        tolerance: stop where the residual, eV/A^2, is smaller than this share of the curvature or of 1 eV/A^2.
        beside: a direction that the mode is to be orthogonal to.

    Returns:
        The mode, [N, 3] of norm one, and its curvature, eV/A^2.
    """

    def image(vector: np.ndarray) -> _Image:
        """What the Hessian makes of a direction, without the parts that the mode may not have."""
        found = (point.forces - force_field(point.positions + PROBE * vector)[1]) / PROBE
        return _Image(vector, _without(found - found.mean(axis=0), fixed))

    fixed = [] if beside is None else [beside]
    mode, last = image(unit(_without(unit(start), fixed))), None
    curvature = np.vdot(*mode)
    for _ in range(corrections):
        residual = mode.image - curvature * mode.vector
        if np.linalg.norm(residual) < tolerance * max(abs(curvature), 1.0):
            break
        known = [mode] if last is None else [mode, last]
        new = image(unit(_without(residual, [x.vector for x in known] + fixed)))
        mode, last = _combine([*known, new])
        curvature = np.vdot(*mode)
    return mode.vector, float(curvature)


def _combine(basis: list[_Image]) -> tuple[_Image, _Image | None]:
    """The softest combination of orthogonal directions, and what it added to the first, orthogonal to it."""
    form = np.array([[np.vdot(a.vector, b.image) for b in basis] for a in basis])
    weights = np.linalg.eigh((form + form.T) / 2)[1][:, 0]
    weights = weights * (np.sign(weights[0]) or 1.0)
    added = _Image(np.zeros_like(basis[0].vector), np.zeros_like(basis[0].image))
    for weight, part in zip(weights[1:], basis[1:], strict=True):
        added = added.plus(weight, part)
    mode = added.plus(weights[0], basis[0]).scaled()
    added = added.plus(-np.vdot(mode.vector, added.vector), mode)
    return mode, added.scaled() if np.linalg.norm(added.vector) > 1e-8 else None


def _without(vector: np.ndarray, directions: list[np.ndarray]) -> np.ndarray:
    """A vector without its parts along orthogonal directions; twice, as rounding leaves some of them."""
    for direction in directions * 2:
        vector = vector - np.vdot(direction, vector) * direction
    return vector
