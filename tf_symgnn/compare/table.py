"""The table of all rows as Markdown, as CSV and as a plot with error bars."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tf_symgnn import names
from tf_symgnn.compare.published import comparable_models, contender
from tf_symgnn.compare.rows import Row
from tf_symgnn.data import replacing

RISING_MARK = "↑"

# The numbers of a row, by the name of their column in the CSV file.
COLUMNS: dict[str, Callable[[Row], float | None]] = {
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
    """Write `table.md`, `table.csv` and `table.png` of all rows to a results folder.

    Returns:
        The path of `table.md`.
    """
    # Models that another process has registered come last.
    models = dict.fromkeys([*comparable_models(), *(row.model for row in rows)])
    groups = {model: runs for model in models if (runs := [row for row in rows if row.model == model])}
    path = output / "table.md"
    with replacing(path) as file:
        file.write_text(markdown_table(groups))
    with replacing(output / "table.csv") as file:
        _write_csv(file, groups)
    with replacing(output / "table.png") as file:
        plot(groups).savefig(file, format="png", dpi=150)
    return path


def markdown_table(groups: dict[str, list[Row]]) -> str:
    """Return the table in Markdown, with the published correlations and a legend.

    Args:
        groups: the rows of each model, by name.
    """
    protocol = next(iter(groups.values()))[0]
    lines = [
        markdown_row(HEADINGS),
        markdown_row(["---"] * len(HEADINGS)),
        *(markdown_row(_cells(model, rows)) for model, rows in groups.items()),
    ]
    return "\n".join(lines) + (
        f"\n\nPearson correlations are means ± standard deviations over seeds. Atoms of a split are pooled, except in "
        f"the columns per glass. Each run trains for {protocol.budget_minutes:g} minutes and keeps the epoch with the "
        f"best validation Pearson. {RISING_MARK}: a run of the model was still rising when its time was over. "
        f"Invariance error: on validation. Prediction: time per validation glass, including the neighbor list. "
        f"Published correlations were selected on the test set.\n"
    )


def plot(groups: dict[str, list[Row]]) -> Figure:
    """Return a plot of validation and test Pearson of each model, with standard deviations over seeds as error bars."""
    figure = Figure(figsize=(8, 0.4 * len(groups) + 1.4), layout="constrained")
    axes = figure.subplots()
    heights = np.arange(len(groups))
    for offset, split in ((-0.12, names.VALIDATION), (0.12, names.TEST)):
        statistics = [mean_and_std(_values(rows, f"{split}_pearson")) for rows in groups.values()]
        mean, std = np.array([each or (np.nan, 0.0) for each in statistics]).T
        axes.errorbar(mean, heights + offset, xerr=std, fmt="o", capsize=3, label=split)
    axes.set(xlabel="Pearson", yticks=heights, yticklabels=[contender(model).title for model in groups])
    axes.invert_yaxis()
    axes.grid(alpha=0.3, axis="x")
    axes.legend()
    return figure


def _cells(model: str, rows: list[Row]) -> list[str]:
    title, slides_train, slides_test, article_test = contender(model)
    slides = "" if slides_test is None else f"{slides_test:.2f} ({slides_train:.2f})"
    article = "" if article_test is None else f"{article_test:.4f}"
    return [
        title + (f" {RISING_MARK}" if any(row.rising for row in rows) else ""),
        str(len(rows)),
        *(
            format_mean_and_std(_values(rows, column))
            for column in (
                "train_pearson",
                "train_pearson_per_glass",
                "validation_pearson",
                "test_pearson",
                "test_mae_ev",
                "invariance_error",
            )
        ),
        f"{rows[0].parameters:,}",
        format_mean_and_std(_values(rows, "training_seconds"), digits=0),
        format_mean_and_std(_values(rows, "prediction_seconds"), digits=2),
        slides,
        article,
    ]


def format_mean_and_std(values: Sequence[float | None], digits: int = 3) -> str:
    """Return `mean ± standard deviation` of several runs, the value of a single run, or a dash if undefined."""
    statistics = mean_and_std(values)
    if statistics is None:
        return "-"
    mean, std = (f"{x:.{digits}f}" for x in statistics)
    return f"{mean} ± {std}" if len(values) > 1 else mean


def mean_and_std(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Return mean and sample standard deviation (0 of a single value), or None if a value is missing."""
    if None in values:
        return None
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _values(rows: list[Row], column: str) -> list[float | None]:
    return [COLUMNS[column](row) for row in rows]


def _per_glass(record: dict) -> float | None:
    """Return the mean over glasses of the Pearson correlation within each glass, or None if one is undefined."""
    correlations = [scores["pearson"] for scores in record["per_glass"].values()]
    return None if None in correlations else float(np.mean(correlations))


def _write_csv(path: Path, groups: dict[str, list[Row]]) -> None:
    """Write one line per model, with mean and standard deviation of every column."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        statistics = [f"{column}_{name}" for column in COLUMNS for name in ("mean", "sd")]
        published = ["slides_train", "slides_test", "article_test"]
        writer.writerow(["model", "seeds", "parameters", "rising", *statistics, *published])
        for model, rows in groups.items():
            pairs = [mean_and_std(_values(rows, column)) or ("", "") for column in COLUMNS]
            numbers = [number for pair in pairs for number in pair]
            rising = sum(row.rising for row in rows)
            writer.writerow([model, len(rows), rows[0].parameters, rising, *numbers, *contender(model)[1:]])


def markdown_row(cells: Sequence[str]) -> str:
    """Return a line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"
