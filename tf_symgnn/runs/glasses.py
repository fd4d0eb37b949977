"""The glasses of a run's configuration, and their graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import SAMPLE, Glass, InputError, ReadOptions, read_splits
from tf_symgnn.errors import require_choice
from tf_symgnn.graph import GlassGraph, build_graph


def read_labeled(config: RunConfig, wanted: Sequence[str] = names.SPLITS) -> dict[str, list[Glass]]:
    """Return the labeled glasses of some splits of a run's data.

    Args:
        config: of the run.
        wanted: the splits, keys of the result.

    Raises:
        InputError: as `read_labeled_splits`.
    """
    options = ReadOptions(label=config.label, species=config.type_names)
    return read_labeled_splits(config.data or SAMPLE, options, wanted)


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
    for glass in (glass for glasses in splits.values() for glass in glasses):
        if not glass.n_labeled:
            found = "no such column" if glass.barrier is None else "no number in it"
            raise InputError(glass.place, options.label, found, "energy barriers, eV; nan for atoms without one")
    return splits


def glass_graphs(config: RunConfig, glasses: Sequence[Glass]) -> list[GlassGraph]:
    """Return the neighbor graphs of glasses, with the cutoff and self-loops of a run."""
    return [build_graph(glass, cutoff=config.graph.cutoff, self_loops=config.graph.self_loops) for glass in glasses]
