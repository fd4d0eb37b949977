"""The glasses of a run's configuration, and their graphs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import DATA_SET, SPLITS_FILE, Glass, InputError, ReadOptions, read_splits, replacing, write_glasses
from tf_symgnn.errors import require_choice
from tf_symgnn.graph import GlassGraph, build_graph
from tf_symgnn.potentials.glasses import glass_descriptors
from tf_symgnn.potentials.response import PotentialDescriptors
from tf_symgnn.progress import progress_bar

_QUIET_ATOMS = 3000  # whose descriptors take a few seconds
GLASSES = "glasses"  # folder of a run that stores its glasses
# A file in that folder. By it the folder is the run's even if a kill left it without a configuration.
STORED = ".stored-by-run"


def read_labeled(config: RunConfig, wanted: Sequence[str] = names.SPLITS) -> dict[str, list[Glass]]:
    """Return the labeled glasses of some splits of a run's data.

    Args:
        config: of the run.
        wanted: the splits, keys of the result.

    Raises:
        InputError: as `read_labeled_splits`.
    """
    return read_labeled_splits(config.data or DATA_SET, ReadOptions.of(config), wanted)


def read_labeled_splits(
    data: str | Path, options: ReadOptions, wanted: Sequence[str] = names.SPLITS
) -> dict[str, list[Glass]]:
    """Return the labeled glasses of some splits of a data set.

    Args:
        data: a folder of structure files, or one file.
        options: how files are read.
        wanted: the splits, keys of the result.

    Raises:
        InputError: a split is unknown, a file of these splits is invalid, or a glass of them has no labels.
    """
    for split in wanted:
        require_choice("splits", "split", split, names.SPLITS)
    splits = read_splits(data, options, wanted)
    _require_labels(splits, options.label)
    return splits


def _require_labels(splits: Mapping[str, Sequence[Glass]], label: str | None) -> None:
    for glass in (glass for glasses in splits.values() for glass in glasses):
        if not glass.n_labeled:
            found = "no such column" if glass.barrier is None else "no number in it"
            raise InputError(glass.place, label, found, "energy barriers, eV; nan for atoms without one")


def stored_in_run(config: RunConfig, splits: Mapping[str, Sequence[Glass]]) -> tuple[RunConfig, dict[str, list[Glass]]]:
    """Return the configuration and the glasses of a run that stores its glasses in its folder, to be resumed from them.

    Args:
        config: of the run, without `data`.
        splits: labeled glasses; a split may be absent.

    Raises:
        InputError: the configuration has `data`, a split is unknown, or a glass has no labels.
    """
    if config.data is not None:
        raise InputError("configuration", "data", config.data, "none beside glasses in memory")
    for split in splits:
        require_choice("train", "split", split, names.SPLITS)
    _require_labels(splits, config.label)
    named = {
        split: [
            replace(glass, source=f"{split}{k}.npz", frame=None, columns={})
            for k, glass in enumerate(splits.get(split, ()))
        ]
        for split in names.SPLITS
    }
    return replace(config, data=str(Path(config.run_dir) / GLASSES), label=names.ENERGY_BARRIER), named


def write_splits_of(folder: Path, splits: Mapping[str, Sequence[Glass]]) -> None:
    """Write glasses to a new folder, each without rounding, with the splits that they are in."""
    folder.mkdir()
    (folder / STORED).touch()
    for glass in (glass for glasses in splits.values() for glass in glasses):
        write_glasses(folder / f"{glass.name}.npz", [glass])
    with replacing(folder / SPLITS_FILE) as file:
        file.write_text(json.dumps({split: [glass.name for glass in glasses] for split, glasses in splits.items()}))


def glass_graphs(
    config: RunConfig, glasses: Sequence[Glass], potential: PotentialDescriptors | None = None
) -> list[GlassGraph]:
    """Return the neighbor graphs of glasses, with the cutoff and self-loops of a run.

    Args:
        config: of the run.
        glasses: the glasses.
        potential: computes descriptors of their atoms, which takes seconds for thousands of them; or None.

    Raises:
        InputError: a glass exceeds a limit, or is not at a minimum of the energy of the potential.
    """
    graphs = [build_graph(glass, cutoff=config.graph.cutoff, self_loops=config.graph.self_loops) for glass in glasses]
    if potential is None:
        return graphs
    number = sum(glass.n_atoms for glass in glasses)
    with progress_bar(total=number, unit="atom", title="descriptors", disable=number < _QUIET_ATOMS) as bar:
        for k, glass in enumerate(glasses):
            graphs[k] = replace(graphs[k], descriptors=glass_descriptors(potential, glass))
            bar.update(glass.n_atoms)
    return graphs
