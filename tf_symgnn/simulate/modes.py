"""The softest mode at a point: the direction of least curvature of the energy, computed from forces alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

ForceField = Callable[[np.ndarray], tuple[float, np.ndarray]]  # positions [N, 3], A -> energy, eV, and forces, eV/A

PROBE = 5e-3  # A, norm of the displacement of finite differences


class Point(NamedTuple):
    """Positions with their energy and forces."""

    positions: np.ndarray  # [N, 3], A
    energy: float  # eV
    forces: np.ndarray  # [N, 3], eV/A

    @classmethod
    def at(cls, force_field: ForceField, positions: np.ndarray) -> Point:
        """Evaluate a force field at positions [N, 3], A."""
        return cls(positions, *force_field(positions))

    @property
    def largest_force(self) -> float:
        """The largest force on an atom, eV/A."""
        return float(np.linalg.norm(self.forces, axis=1).max())


def unit(vector: np.ndarray) -> np.ndarray:
    """Return a direction [N, 3] of norm one that does not move the glass as a whole."""
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
    """Return the direction of least curvature, by conjugate corrections of a first guess.

    Products with the Hessian are differences of forces (the dimer of Henkelman and Jonsson, J. Chem. Phys. 111, 7010,
    1999). Each correction minimizes the curvature among the mode, its residual and the last correction (Knyazev, SIAM
    J. Sci. Comput. 23, 517, 2001) and costs one force call.

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
    shape, fixed = start.shape, np.empty((0, start.size)) if beside is None else beside.reshape(1, -1)

    def image(vector: np.ndarray) -> np.ndarray:
        """Return a direction and its product with the Hessian, [2, 3N]."""
        displaced = point.positions + PROBE * vector.reshape(shape)
        product = (point.forces - force_field(displaced)[1]) / PROBE
        return np.stack([vector, _without((product - product.mean(axis=0)).ravel(), fixed)])

    basis = image(_direction(start.ravel(), fixed, shape))[np.newaxis]  # [k, 2, 3N]: the mode, then the last correction
    for number in range(corrections + 1):
        mode, product = basis[0]
        curvature = mode @ product
        residual = product - curvature * mode
        if number == corrections or np.linalg.norm(residual) < tolerance * max(abs(curvature), 1.0):
            break
        new = image(_direction(residual, np.concatenate([basis[:, 0], fixed]), shape))
        basis = _combine(np.concatenate([basis, new[np.newaxis]]))
    return mode.reshape(shape), float(curvature)


def _combine(basis: np.ndarray) -> np.ndarray:
    """Return the softest combination of orthogonal directions, and what it added to the first, made orthogonal to it.

    A row is a direction and its product with the Hessian, [2, 3N]; combinations of directions are those of products.
    """
    form = basis[:, 0] @ basis[:, 1].T
    weights = np.linalg.eigh((form + form.T) / 2)[1][:, 0]
    weights = weights * (np.sign(weights[0]) or 1.0)
    added = np.tensordot(weights[1:], basis[1:], axes=1)
    mode = weights[0] * basis[0] + added
    mode /= np.linalg.norm(mode[0])
    added -= (mode[0] @ added[0]) * mode
    length = np.linalg.norm(added[0])
    return np.stack([mode, added / length]) if length > 1e-8 else mode[np.newaxis]


def _direction(vector: np.ndarray, directions: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return unit(_without(unit(vector.reshape(shape)).ravel(), directions).reshape(shape)).ravel()


def _without(vector: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return a vector without its parts along orthonormal directions [k, 3N]; twice, because of rounding."""
    for _ in range(2):
        vector = vector - (directions @ vector) @ directions
    return vector
