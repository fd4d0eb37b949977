"""The table of all rows: Markdown, CSV and a plot with error bars."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tf_symgnn import names
from tf_symgnn.compare.published import CONTENDERS
from tf_symgnn.compare.rows import Row
from tf_symgnn.data import replacing

RISING = "↑"

# The figures of a row, by the name of the CSV's column.
FIGURES: dict[str, Callable[[Row], float | None]] = {
    "train_pearson": lambda row: row.train["pearson"],
    "validation_pearson": lambda row: row.validation["pearson"],
    "test_pearson": lambda row: row.test["pearson"],
    "train_pearson_per_glass": lambda row: _per_glass(row.train),
    "validation_pearson_per_glass": lambda row: _per_glass(row.validation),
    "test_pearson_per_glass": lambda row: _per_glass(row.test),
    "validation_mae_ev": lambda row: row.validation["mae"],
    "test_mae_ev": lambda row: row.test["mae"],
    "invariance_error": lambda row: row.invariance_error,
    "training_seconds": lambda row: row.training_seconds,
    "prediction_seconds": lambda row: row.prediction_seconds,
}

HEADINGS = (
    "",
    "seeds",
    "train",
    "train, per glass",
    "validation",
    "test",
    "test MAE (eV)",
    "invariance error",
    "parameters",
    "training (s)",
    "prediction (s)",
    "slides: test (train)",
    "article: test",
)


def write_table(output: Path, rows: Sequence[Row]) -> Path:
    """Writes `table.md`, `table.csv` and `table.png` of all rows to the results folder.

    Returns:
        The Markdown's path.
    """
    groups = {model: found for model in CONTENDERS if (found := [row for row in rows if row.model == model])}
    path = output / "table.md"
    with replacing(path) as file:
        file.write_text(markdown(groups))
    with replacing(output / "table.csv") as file:
        _write_csv(file, groups)
    with replacing(output / "table.png") as file:
        picture(groups).savefig(file, format="png", dpi=150)
    return path


def markdown(groups: dict[str, list[Row]]) -> str:
    """The table of each model's rows, with the published figures at its side and its terms below."""
    protocol = next(iter(groups.values()))[0]
    lines = [line(HEADINGS), line(["---"] * len(HEADINGS)), *(line(_cells(*item)) for item in groups.items())]
    return "\n".join(lines) + (
        f"\n\nPearson, mean ± standard deviation over seeds; atoms of a split pooled unless per glass says otherwise. "
        f"Budget {protocol.budget_minutes:g} minutes of training a run, best epoch by validation Pearson. "
        f"{RISING} marks models of which a run was still rising when its budget was spent. Invariance error: on "
        f"validation. Prediction: a validation glass with its neighbour list. Published figures were selected on the "
        f"test set.\n"
    )


def picture(groups: dict[str, list[Row]]) -> Figure:
    """Validation and test Pearson of each model, with standard deviations over seeds as error bars."""
    figure = Figure(figsize=(8, 0.4 * len(groups) + 1.4), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(groups))
    for offset, split in ((-0.12, names.VALIDATION), (0.12, names.TEST)):
        spreads = [mean_and_deviation(_values(rows, f"{split}_pearson")) for rows in groups.values()]
        mean, deviation = np.array([s or (np.nan, 0.0) for s in spreads]).T
        axes.errorbar(mean, places + offset, xerr=deviation, fmt="o", capsize=3, label=split)
    axes.set(xlabel="Pearson", yticks=places, yticklabels=[CONTENDERS[model].title for model in groups])
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
    axes.legend()
    return figure


def _cells(model: str, rows: list[Row]) -> list[str]:
    contender = CONTENDERS[model]
    slides = "" if contender.slides_test is None else f"{contender.slides_test:.2f} ({contender.slides_train:.2f})"
    article = "" if contender.article_test is None else f"{contender.article_test:.4f}"
    return [
        contender.title + (f" {RISING}" if any(row.rising for row in rows) else ""),
        str(len(rows)),
        *(
            spread(_values(rows, figure))
            for figure in (
                "train_pearson",
                "train_pearson_per_glass",
                "validation_pearson",
                "test_pearson",
                "test_mae_ev",
                "invariance_error",
            )
        ),
        f"{rows[0].parameters:,}",
        spread(_values(rows, "training_seconds"), digits=0),
        spread(_values(rows, "prediction_seconds"), digits=2),
        slides,
        article,
    ]


def spread(values: Sequence[float | None], digits: int = 3) -> str:
    """`mean ± standard deviation` over seeds, the mean alone of one run, a dash where it is not defined."""
    found = mean_and_deviation(values)
    if found is None:
        return "-"
    mean, deviation = (f"{x:.{digits}f}" for x in found)
    return f"{mean} ± {deviation}" if len(values) > 1 else mean


def mean_and_deviation(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Over seeds, the deviation being that of a sample; None where a run has no such figure."""
    if None in values:
        return None
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _values(rows: list[Row], figure: str) -> list[float | None]:
    return [FIGURES[figure](row) for row in rows]


def _per_glass(record: dict) -> float | None:
    """Mean over glasses of each glass's own Pearson."""
    found = [scores["pearson"] for scores in record["per_glass"].values()]
    return None if None in found else float(np.mean(found))


def _write_csv(path: Path, groups: dict[str, list[Row]]) -> None:
    """A line a model: mean and standard deviation of every figure."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        spreads = [f"{figure}_{part}" for figure in FIGURES for part in ("mean", "sd")]
        published = ["slides_train", "slides_test", "article_test"]
        writer.writerow(["model", "seeds", "parameters", "rising", *spreads, *published])
        for model, rows in groups.items():
            found = [mean_and_deviation(_values(rows, figure)) or ("", "") for figure in FIGURES]
            figures = [x for pair in found for x in pair]
            rising = sum(row.rising for row in rows)
            writer.writerow([model, len(rows), rows[0].parameters, rising, *figures, *CONTENDERS[model][1:]])


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"
