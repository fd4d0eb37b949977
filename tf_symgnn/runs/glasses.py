"""The glasses of a run's configuration, and their graphs."""

from __future__ import annotations

from collections.abc import Sequence

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import SAMPLE, Glass, InputError, read_glasses
from tf_symgnn.errors import require_choice
from tf_symgnn.graph import GlassGraph, build_graph


def read_labeled(
    config: RunConfig, wanted: Sequence[str] = names.SPLITS, *, data: str | None = None
) -> dict[str, list[Glass]]:
    """Return the labeled glasses of some splits of a data set.

    Args:
        config: of the run.
        wanted: the splits, keys of the result.
        data: a folder of structure files, or one file; by default the data of the run.

    Raises:
        InputError: a split is unknown, a file is invalid, or a glass of these splits has no labels.
    """
    for split in wanted:
        require_choice("splits", "split", split, names.SPLITS)
    glasses_by_split = read_glasses(data or config.data or SAMPLE, label=config.label, species=config.type_names)
    splits = {split: glasses_by_split[split] for split in wanted}
    for glass in (glass for glasses in splits.values() for glass in glasses):
        if glass.barrier is None:
            raise InputError(glass.place, config.label, "no such column", "one energy barrier per atom, eV")
    return splits


def glass_graphs(config: RunConfig, glasses: Sequence[Glass]) -> list[GlassGraph]:
    """Return the neighbor graphs of glasses, with the cutoff and self-loops of a run."""
    return [build_graph(glass, cutoff=config.graph.cutoff, self_loops=config.graph.self_loops) for glass in glasses]
