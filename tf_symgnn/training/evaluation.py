"""Scores of a model on whole glasses: Pearson, errors in eV, and the change of predictions under rotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import ortho_group

from tf_symgnn.graph import GlassGraph

# Random elements of O(3) that transform each glass; their seed is fixed, so that results are comparable.
ROTATIONS = 4


def evaluate(
    predict: Callable[[GlassGraph], np.ndarray], graphs: Sequence[GlassGraph]
) -> tuple[dict, list[np.ndarray]]:
    """Score predictions of labeled glasses.

    Returns:
        The record of `scores_by_glass` with `invariance_error`, and the predictions f64[N] eV, one array a glass.
    """
    predictions = [predict(graph) for graph in graphs]
    record = scores_by_glass(graphs, predictions)
    record["invariance_error"] = invariance_error(predict, graphs, predictions)
    return record, predictions


def scores_by_glass(graphs: Sequence[GlassGraph], predictions: Sequence[np.ndarray]) -> dict:
    """Return `pearson`, `mae` (eV), `rmse` (eV) and `n_atoms` over all atoms, and `per_glass` the same by glass name.

    A correlation that is not defined (a constant side) is None.
    """
    labels = [graph.barrier.astype(np.float64) for graph in graphs]
    record = scores(np.concatenate(labels), np.concatenate(predictions))
    record["per_glass"] = {g.name: scores(y, p) for g, y, p in zip(graphs, labels, predictions, strict=True)}
    return record


def scores(labels: np.ndarray, predictions: np.ndarray) -> dict:
    """Return Pearson, MAE and RMSE (eV) and the number of labeled atoms, for labels and predictions f64[N] eV.

    The label of an atom without one is NaN.
    """
    labeled = np.isfinite(labels)
    labels, predictions = labels[labeled], predictions[labeled]
    error = predictions - labels
    defined = np.ptp(labels) > 0 and np.ptp(predictions) > 0
    return {
        "pearson": float(np.corrcoef(labels, predictions)[0, 1]) if defined else None,
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.square(error).mean())),
        "n_atoms": len(labels),
    }


def invariance_error(
    predict: Callable[[GlassGraph], np.ndarray], graphs: Sequence[GlassGraph], predictions: Sequence[np.ndarray]
) -> float | None:
    """Return the RMS change of predictions under random O(3) elements over the standard deviation of the predictions.

    It is None if all predictions are equal.
    """
    elements = ortho_group.rvs(3, size=ROTATIONS, random_state=0)
    # Haar measure on O(3) has both signs of the determinant; half of each reduces the variance.
    elements *= (np.sign(np.linalg.det(elements)) * (-1.0) ** np.arange(ROTATIONS))[:, None, None]
    changes = [
        predict(graph.transformed(element)) - prediction
        for graph, prediction in zip(graphs, predictions, strict=True)
        for element in elements
    ]
    every = np.concatenate(predictions)
    if np.ptp(every) == 0:
        return None
    return float(np.sqrt(np.square(np.concatenate(changes)).mean()) / every.std())
