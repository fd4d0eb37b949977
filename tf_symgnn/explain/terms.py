"""The additive terms of predictions, and the descriptors behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.models.base import BarrierModel


class Terms(NamedTuple):
    """What the predictions for the N atoms of a glass are sums of.

    Attributes:
        contributions: the terms by name, f64[N] eV each; empty of a model with one term.
        deviations: the named descriptors, f64[N] each, in standard deviations from their mean over the training atoms
            of a species; empty of a model without such descriptors.
    """

    contributions: dict[str, np.ndarray]
    deviations: dict[str, np.ndarray]

    @classmethod
    def of(cls, model: BarrierModel, graph: GlassGraph) -> Terms:
        """Return the terms of a model's predictions for a glass."""
        tensor = to_graph_tensor(graph)
        return cls(_numbers(model.contributions(tensor)), _numbers(model.standardized_descriptors(tensor)))

    def means(self, atoms: Sequence[int]) -> dict[str, float]:
        """Return the mean terms of some atoms by name, eV."""
        return {name: float(term[list(atoms)].mean()) for name, term in self.contributions.items()}

    def largest(self, barrier: np.ndarray, atoms: Sequence[int]) -> list[dict]:
        """Return the term that explains most of the difference of some atoms from the mean over the glass.

        Args:
            barrier: predictions f64[N], eV.
            atoms: their numbers.

        Returns:
            Of each atom its number, its barrier and the difference from the mean, eV, the name of the term, the
            difference of the term from its own mean, eV, and the deviation of its descriptor, or None.
        """
        away = {name: term - term.mean() for name, term in self.contributions.items()}
        largest = []
        for atom in atoms if away else ():
            difference = float(barrier[atom] - barrier.mean())
            of_atom = {name: term[atom] * np.sign(difference) for name, term in away.items()}
            name = max(of_atom, key=of_atom.get)
            deviation = float(self.deviations[name][atom]) if name in self.deviations else None
            largest.append(
                {
                    "target": int(atom),
                    "barrier": float(barrier[atom]),
                    "difference": difference,
                    "term": name,
                    "term_difference": float(away[name][atom]),
                    "deviation": deviation,
                }
            )
        return largest


def _numbers(columns: Mapping[str, tf.Tensor] | None) -> dict[str, np.ndarray]:
    return {name: column.numpy().astype(np.float64) for name, column in (columns or {}).items()}
