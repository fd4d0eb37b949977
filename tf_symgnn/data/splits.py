"""Splits of glasses into training, validation and test."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.data.formats import SUFFIXES, is_structure_file, stem_of
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.notices import notice
from tf_symgnn.data.options import ReadOptions
from tf_symgnn.data.readers import read_frames
from tf_symgnn.errors import InputError, as_input_error

SPLITS_FILE = "splits.json"
EVENTS_FILE = "events.csv.xz"  # of the data set of the package: all events that its labels are means of
# The last two are of `simulate`.
_COMPANIONS = (SPLITS_FILE, EVENTS_FILE, "README.md", "README", ".searches.jsonl", ".checkpoint")
DATA_SET = Path(__file__).parent / "cuzr"  # labeled glasses of our own; its README is their data card


def split_names(stems: Iterable[str]) -> dict[str, list[str]]:
    """Return the split of glasses by name, in natural order: `val*`, `test*`, and the others for training.

    Without a `val*` the last training glass is for validation, if there are at least two.
    """
    splits: dict[str, list[str]] = {split: [] for split in names.SPLITS}
    for stem in sorted(stems, key=_natural):
        splits[_split_of(stem)].append(stem)
    if not splits[names.VALIDATION] and len(splits[names.TRAIN]) > 1:
        splits[names.VALIDATION] = [splits[names.TRAIN].pop()]
    return splits


def read_glasses(
    path: Path | str, *, label: str | None = names.ENERGY_BARRIER, species: Sequence[str] | None = None
) -> dict[str, list[Glass]]:
    """Return the glasses of a file or folder by split; every one of `names.SPLITS` is a key.

    Args:
        path: as for `read_splits`.
        label: as for `iter_glasses`.
        species: as for `iter_glasses`.

    Raises:
        InputError: as `read_splits`.
    """
    return read_splits(path, ReadOptions(label=label, species=species))


def read_splits(path: Path | str, options: ReadOptions, wanted: Sequence[str] = names.SPLITS) -> dict[str, list[Glass]]:
    """Return the glasses of some splits of a file or folder; files of other splits are not read.

    The files of a folder are split by its `splits.json`, which may leave some out, or else by their stems. Frames of
    one file stay together. The frames of a single file are split by their names.

    Args:
        path: a structure file, or a folder of them.
        options: how files are read.
        wanted: the splits.

    Raises:
        InputError: a file is invalid, there is no file, two share a stem or a name, `splits.json` does not match them,
            or a file that is not read has a name that selects a split.
    """
    path = Path(path)
    if not path.is_dir():
        glasses = {glass.name: glass for glass in read_frames(path, options)}
        split = split_names(glasses)
        return {name: [glasses[member] for member in split[name]] for name in wanted}
    files = split_files(path)
    splits = {name: [glass for file in files[name] for glass in read_frames(file, options)] for name in wanted}
    named = Counter(glass.name for glasses in splits.values() for glass in glasses)
    if named.total() > len(named):  # such as a-0.npz beside several frames in a.xyz
        raise InputError(path, "names", f"{named.most_common(1)[0][0]} twice", "one glass a name")
    return splits


def split_files(path: Path | str) -> dict[str, list[Path]]:
    """Return the structure files of a folder, or a single file, by split, without reading them.

    Raises:
        InputError: there is none, two share a stem, or `splits.json` does not match them.
    """
    path = Path(path)
    files = structure_files(path)
    listing = path / SPLITS_FILE
    if listing.is_file():
        splits = _read_splits(listing, files)
    else:
        _require_no_other_split(path, files)
        splits = split_names(files)
    return {split: [files[stem] for stem in stems] for split, stems in splits.items()}


def _require_no_other_split(folder: Path, files: dict[str, Path]) -> None:
    """Check that no file that is not read would be in validation or test by its name.

    Raises:
        InputError: a file would be, and is no companion of a structure file, as a picture beside it.
    """
    for path in _others(folder):
        stem = path.name.partition(".")[0]
        if _split_of(stem) != names.TRAIN and stem not in files:
            found = f"{path.name}, in the {_split_of(stem)} split by its name"
            raise InputError(folder, "files", found, f"structure files ({', '.join(SUFFIXES)}), or {SPLITS_FILE}")


def _natural(stem: str) -> list[tuple[int, int, str]]:
    """Return a sort key with which train9 comes before train10."""
    parts = re.split(r"([0-9]+)", stem)
    # Text is at even places, numbers at odd ones. The length distinguishes 1 from 01.
    return [(int(part), len(part), "") if index % 2 else (0, 0, part) for index, part in enumerate(parts)]


def _split_of(stem: str) -> str:
    if stem.startswith("val"):
        return names.VALIDATION
    return names.TEST if stem.startswith("test") else names.TRAIN


def all_structure_files(paths: Iterable[Path | str]) -> list[Path]:
    """Return the structure files of some files and folders, those of a folder in natural order.

    Raises:
        InputError: as `structure_files`.
    """
    return [file for path in paths for file in structure_files(path).values()]


def structure_files(folder: Path | str) -> dict[str, Path]:
    """Return the structure files of a folder by stem, in natural order, or a single file.

    Raises:
        InputError: the path does not exist, or the folder holds no structure file or two with one stem.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(folder, "file", "no such file or folder", "structure files")
    if not folder.is_dir():
        return {stem_of(folder): folder}
    files: dict[str, Path] = {}
    for path in _listed(folder):
        if not is_structure_file(path) or not path.is_file():
            continue
        stem = stem_of(path)
        if stem in files:
            raise InputError(folder, stem, f"{files[stem].name} and {path.name}", "one file a stem")
        files[stem] = path
    if not files:
        raise InputError(folder, "folder", "no structure file", "files with suffix " + ", ".join(SUFFIXES))
    if others := [path.name for path in _others(folder)]:
        notice(folder, "files", ", ".join(others), "not read, since their names are not those of structure files")
    return files


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder in natural order, without hidden entries."""
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(visible, key=lambda path: _natural(path.name))


def _others(folder: Path) -> list[Path]:
    """Return the files of a folder that are no structure files, nor of a kind that belongs beside them."""
    if not folder.is_dir():
        return []
    return [path for path in _listed(folder) if not is_structure_file(path) and not path.name.endswith(_COMPANIONS)]


def _read_splits(path: Path, files: dict[str, Path]) -> dict[str, list[str]]:
    with as_input_error(path, "content", "JSON"):
        stored = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(stored, dict) or not set(stored) <= set(names.SPLITS):
        found = ", ".join(stored) if isinstance(stored, dict) else type(stored).__name__
        raise InputError(path, "splits", found, f"an object with keys among {', '.join(names.SPLITS)}")
    splits = {split: stored.get(split, []) for split in names.SPLITS}
    seen: dict[str, str] = {}
    for split, stems in splits.items():
        if not isinstance(stems, list) or not all(isinstance(stem, str) for stem in stems):
            raise InputError(path, split, json.dumps(stems), "a list of file stems")
        for stem in stems:
            if stem not in files:
                raise InputError(path, split, stem, "the stem of a structure file beside it")
            if stem in seen:
                raise InputError(path, split, f"{stem}, also in {seen[stem]}", "each glass once")
            seen[stem] = split
    return splits
