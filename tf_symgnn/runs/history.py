"""The rows of a run's `history.csv`, one per epoch."""

from __future__ import annotations

import csv
import io
import sys

from tf_symgnn.data import replacing
from tf_symgnn.runs.folder import RunFolder


def read_history(folder: RunFolder) -> list[dict]:
    """Return the rows of a run's history, one per epoch, from its checkpoint; none before the first.

    Raises:
        InputError: the checkpoints are damaged or gone.
    """
    return folder.state().history


def notice_lost_epochs(folder: RunFolder, epochs: int) -> None:
    """Print a line if `history.csv`, which is written after each epoch is stored, has more epochs than are stored."""
    path = folder.history_file
    rows = path.read_bytes().count(b"\n") - 1 if path.exists() else 0
    if rows > epochs:
        print(f"tf-symgnn: {path}: {rows} epochs, of which the last stored one is {epochs}", file=sys.stderr)


def write_history(folder: RunFolder, history: list[dict]) -> None:
    """Write `history.csv`, completely or not at all; a file that holds these rows stays as it is."""
    text = io.StringIO(newline="")
    # A row of an earlier version may lack a column.
    columns = list(dict.fromkeys(name for row in history for name in row))
    writer = csv.DictWriter(text, fieldnames=columns)
    writer.writeheader()
    writer.writerows(history)
    content = text.getvalue().encode()
    if not folder.history_file.exists() or folder.history_file.read_bytes() != content:
        with replacing(folder.history_file) as path:
            path.write_bytes(content)
