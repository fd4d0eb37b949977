"""The files and folders that a run consists of, and whether a new run may replace what a folder holds."""

from __future__ import annotations

import shutil
from pathlib import Path

from tf_symgnn.config import RunConfig
from tf_symgnn.data import InputError, is_unfinished
from tf_symgnn.locations import CONFIG_FILE, STATISTICS_FILE
from tf_symgnn.runs.configuration import read_stored
from tf_symgnn.runs.glasses import GLASSES, STORED
from tf_symgnn.runs.potential import POTENTIAL

# Anything else in the folder of a run is the user's and is never removed.
FILES = (CONFIG_FILE, "splits.json", STATISTICS_FILE, POTENTIAL, "history.csv", "metrics.json")
FOLDERS = ("checkpoints", "logs", "plots", "export", GLASSES)
# Without a configuration, of a run that was killed at its start.
FIRST_PARTS = (GLASSES, "splits.json", POTENTIAL, STATISTICS_FILE)


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Check that a new run in a folder would replace nothing but a run, and that only with `overwrite`.

    Raises:
        InputError: the folder holds a run, or a part of one, and `overwrite` is not set, or it holds other files.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(folder, "run folder", "a file", "a new folder")
    own = _own(folder)
    foreign = sorted(path.name for path in folder.iterdir() if path not in own and path.name[0] != ".")
    if foreign:
        raise InputError(folder, "run folder", f"{foreign[0]}, which is no run's", "a new or empty folder")
    parts = sorted(path.name for path in own if not is_unfinished(path) and path.name not in FIRST_PARTS)
    if parts and not overwrite:
        found = "a run" if CONFIG_FILE in parts else f"{parts[0]} without the {CONFIG_FILE} of a run"
        raise InputError(folder, "run folder", found, "a new folder, or --resume or --overwrite")


def remove_run(folder: Path, *, keep_glasses: bool) -> None:
    """Remove a run from its folder.

    Args:
        folder: of the run.
        keep_glasses: whether the glasses that the run stored remain.
    """
    own = [path for path in _own(folder) if not (keep_glasses and path.name == GLASSES)]
    # A folder with a configuration is a run, and glasses are a run's by its configuration.
    order = [GLASSES, CONFIG_FILE]
    for path in sorted(own, key=lambda path: order.index(path.name) if path.name in order else len(order)):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def has_data_of(folder: Path, config: RunConfig) -> bool:
    """Return whether a configuration reads the glasses that a run folder stores."""
    return config.data is not None and Path(config.data).resolve() == (folder / GLASSES).resolve()


def _own(folder: Path) -> list[Path]:
    """Return what a run wrote into a folder, temporary files of a killed one included."""
    own = {*FILES, *FOLDERS}
    if not _stores_glasses(folder):
        own.remove(GLASSES)  # a folder of the user
    return [path for path in folder.iterdir() if path.name in own or is_unfinished(path)]


def _stores_glasses(folder: Path) -> bool:
    if (folder / GLASSES / STORED).exists():
        return True
    try:
        return has_data_of(folder, read_stored(folder / CONFIG_FILE, folder / STATISTICS_FILE))
    except (InputError, FileNotFoundError):
        return False
