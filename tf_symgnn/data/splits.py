"""Splits of glasses into training, validation and test."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.data.glass import Glass
from tf_symgnn.data.readers import SUFFIXES, iter_glasses
from tf_symgnn.errors import InputError, as_input_error

SPLITS_FILE = "splits.json"
SAMPLE = Path(__file__).parent / "sample"  # glasses that `tf-symgnn simulate` made; see its README


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
    path: Path | str, *, label: str = names.ENERGY_BARRIER, species: Sequence[str] | None = None
) -> dict[str, list[Glass]]:
    """Return the glasses of a file or folder by split; every one of `names.SPLITS` is a key.

    The files of a folder are split by its `splits.json`, which may leave some out, or else by their stems. Frames of
    one file stay together. The frames of a single file are split by their names.

    Args:
        path: a structure file, or a folder of them. Hidden files and those with other suffixes are skipped.
        label: as for `iter_glasses`.
        species: as for `iter_glasses`.

    Raises:
        InputError: an argument or a file is invalid, there is no file, two share a stem or a name, or `splits.json`
            does not match them.
    """
    path = Path(path)
    if not path.is_dir():
        glasses = {glass.name: glass for glass in iter_glasses(path, label=label, species=species)}
        return {split: [glasses[name] for name in members] for split, members in split_names(glasses).items()}
    splits = {
        split: [glass for file in files for glass in iter_glasses(file, label=label, species=species)]
        for split, files in split_files(path).items()
    }
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
    splits = _read_splits(listing, files) if listing.is_file() else split_names(files)
    return {split: [files[stem] for stem in stems] for split, stems in splits.items()}


def _natural(stem: str) -> list[tuple[int, int, str]]:
    """Return a sort key with which train9 comes before train10."""
    parts = re.split(r"([0-9]+)", stem)
    # Text is at even places, numbers at odd ones. The length distinguishes 1 from 01.
    return [(int(part), len(part), "") if index % 2 else (0, 0, part) for index, part in enumerate(parts)]


def _split_of(stem: str) -> str:
    if stem.startswith("val"):
        return names.VALIDATION
    return names.TEST if stem.startswith("test") else names.TRAIN


def structure_files(folder: Path | str) -> dict[str, Path]:
    """Return the structure files of a folder by stem, in natural order, or a single file.

    Raises:
        InputError: the path does not exist, or the folder holds no structure file or two with one stem.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(folder, "file", "no such file or folder", "structure files")
    if not folder.is_dir():
        return {folder.stem: folder}
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: _natural(path.name)):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        if path.stem in files:
            raise InputError(folder, path.stem, f"{files[path.stem].name} and {path.name}", "one file a stem")
        files[path.stem] = path
    if not files:
        raise InputError(folder, "folder", "no structure file", "files with suffix " + ", ".join(SUFFIXES))
    return files


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
