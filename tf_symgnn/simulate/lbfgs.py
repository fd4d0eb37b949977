"""Steps towards a point of zero force by L-BFGS, for force fields that need not be a gradient."""

from __future__ import annotations

import numpy as np

MEMORY = 12  # steps from which the curvature is estimated
FIRST_STEP = 0.02  # A^2/eV, of a step along the force, before there is a curvature
FARTHEST = 0.15  # A, the largest displacement of an atom in a step


class LBFGS:
    """Successive L-BFGS steps; the estimate of the curvature is dropped wherever it is not positive."""

    def __init__(self):
        self._pairs: list[tuple[np.ndarray, np.ndarray]] = []  # steps and changes of the field, oldest first
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def step(self, positions: np.ndarray, forces: np.ndarray) -> np.ndarray:
        """Return the next displacement [N, 3], A, from positions [N, 3], A, with forces [N, 3], eV/A."""
        if self._last is not None:
            self._update(positions - self._last[0], self._last[1] - forces)
        self._last = positions, forces
        return clip_step(self._direction(forces), FARTHEST)

    def _update(self, moved: np.ndarray, changed: np.ndarray) -> None:
        rising = np.vdot(moved, changed) > 1e-3 * np.linalg.norm(moved) * np.linalg.norm(changed)
        self._pairs = [*self._pairs[1 - MEMORY :], (moved, changed)] if rising else []

    def _direction(self, forces: np.ndarray) -> np.ndarray:
        """Return the full step by the two-loop recursion (Nocedal, Math. Comput. 35, 773, 1980)."""
        if not self._pairs:
            return FIRST_STEP * forces
        direction, weights = forces, []
        for moved, changed in reversed(self._pairs):
            weights.append(np.vdot(moved, direction) / np.vdot(moved, changed))
            direction = direction - weights[-1] * changed
        moved, changed = self._pairs[-1]
        direction = direction * (np.vdot(moved, changed) / np.vdot(changed, changed))
        for (moved, changed), weight in zip(self._pairs, reversed(weights), strict=True):
            direction = direction + (weight - np.vdot(changed, direction) / np.vdot(moved, changed)) * moved
        return direction


def clip_step(step: np.ndarray, farthest: float) -> np.ndarray:
    """Scale a displacement [N, 3] down so that no atom moves farther than `farthest`, A."""
    longest = np.linalg.norm(step, axis=1).max()
    return step if longest <= farthest else step * (farthest / longest)
