"""Rows with round numbers."""

from __future__ import annotations

from dataclasses import replace

from tf_symgnn.compare.rows import Row


def scores(pearson: float | None) -> dict:
    """Return a record of `scores_by_glass` for a single glass."""
    one = {"pearson": pearson, "mae": 0.2, "rmse": 0.3, "n_atoms": 10}
    return one | {"per_glass": {"a": one}}


def row(model: str, seed: int, *, test: float | None = 0.5, **changes) -> Row:
    """Return the row of a finished run with some fields changed."""
    finished = Row(
        model=model,
        seed=seed,
        budget_minutes=5.0,
        configuration={},
        splits={"train": ["a"], "validation": ["b"], "test": ["c"]},
        label_mean=1.6,
        label_std=0.3,
        train=scores(0.7),
        validation=scores(0.6),
        test=scores(test),
        invariance_error=0.01,
        parameters=1234,
        epochs=10,
        best_epoch=8,
        training_seconds=300.0,
        prediction_seconds=0.5,
        rising=False,
        machine="a processor, 1 cores",
        versions={},
    )
    return replace(finished, **changes)
