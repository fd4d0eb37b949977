"""Where trained models are: in run folders, in exports, and in the package, by name."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from tf_symgnn.errors import InputError, require_type

# Files of a run folder, without which it is none.
CONFIG_FILE, STATISTICS_FILE = "config.yaml", "run.json"

# Folders of runs by name. A name here wins over a path of that name; `./NAME` is the path.
SHIPPED = {path.parent.name: path.parent for path in sorted(Path(__file__).parent.glob(f"pretrained/*/{CONFIG_FILE}"))}
DEFAULT_MODEL = "cuzr"  # predicts where no other model is named


def find_model(path_or_name: str | PathLike[str]) -> Path:
    """Return the folder of a trained model.

    Args:
        path_or_name: the name of a shipped model, or else the path of a run folder or an export.

    Raises:
        InputError: there is neither a shipped model nor a folder of that name.
    """
    require_type("model", "path or name", path_or_name, (str, PathLike), "a path or a name")
    name = fspath(path_or_name)
    if name in SHIPPED:
        return SHIPPED[name]
    if not Path(name).is_dir():
        known = ", ".join(sorted(SHIPPED)) or "none in this version"
        raise InputError(name, "model", "no folder", f"the folder of a trained model, or a shipped one ({known})")
    return Path(name)


def is_run(path: Path) -> bool:
    """Return whether a folder holds the configuration of a run."""
    return (path / CONFIG_FILE).is_file()


def require_run(path: str | Path) -> None:
    """Check that a folder holds the files without which it is no run.

    Raises:
        InputError: it does not.
    """
    for name in (CONFIG_FILE, STATISTICS_FILE):
        if not (Path(path) / name).is_file():
            raise InputError(path, "run folder", f"no {name}", "a folder that training has made")
