"""The rows of a run's `history.csv`, one per epoch."""

from __future__ import annotations

import csv

from tf_symgnn.data import replacing
from tf_symgnn.runs.folder import RunFolder


def read_history(folder: RunFolder) -> list[dict]:
    """Return the rows of `history.csv`, one per epoch; none before the first."""
    if not folder.history_file.exists():
        return []
    with folder.history_file.open(newline="") as file:
        return [
            {name: int(value) if name == "epoch" else float(value) for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def write_history(folder: RunFolder, history: list[dict]) -> None:
    """Write `history.csv`, completely or not at all."""
    with replacing(folder.history_file) as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)
