"""The glasses that a run's configuration names, and their graphs."""

from __future__ import annotations

from collections.abc import Sequence

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import SAMPLE, Glass, InputError, read_glasses
from tf_symgnn.graph import GlassGraph, build_graph


def read_labelled(
    config: RunConfig, wanted: Sequence[str] = names.SPLITS, *, data: str | None = None
) -> dict[str, list[Glass]]:
    """The labelled glasses of some splits of a data set: the run's own, or another one.

    Raises:
        InputError: a file cannot be used, or a glass of these splits has no labels.
    """
    found = read_glasses(data or config.data or SAMPLE, label=config.label, species=config.type_names)
    splits = {split: found[split] for split in wanted}
    for glass in (glass for glasses in splits.values() for glass in glasses):
        if glass.barrier is None:
            raise InputError(glass.place, config.label, "no such column", "one energy barrier an atom, eV")
    return splits


def glass_graphs(config: RunConfig, glasses: Sequence[Glass]) -> list[GlassGraph]:
    """The neighbour graphs of glasses as the run's configuration has them."""
    return [build_graph(glass, cutoff=config.graph.cutoff, self_loops=config.graph.self_loops) for glass in glasses]
