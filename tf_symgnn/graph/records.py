"""TFRecord shards of glass graphs, with the schemas in `schemas/`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.data import Glass, InputError, remove_unfinished, replacing
from tf_symgnn.errors import require_integer
from tf_symgnn.graph.glass_graph import GlassGraph
from tf_symgnn.graph.tensors import assemble, graph_arrays, graph_spec

# Not `splits.json`, which may be the user's own file if shards are written beside structure files.
LISTING = "shards.json"


def write_records(path: str | Path, graphs: Sequence[GlassGraph], *, shards: int = 1) -> list[Path]:
    """Write graphs as tf.Examples to the shards `PATH-00000-of-0000N` and so on, each completely or not at all.

    Args:
        path: of the shards, without the numbered suffix.
        graphs: all labeled or all unlabeled.
        shards: their number.

    Returns:
        The shards' paths.

    Raises:
        InputError: there are fewer graphs than shards, or some have labels and some have none.
    """
    labeled = {graph.barrier is not None for graph in graphs}
    if len(labeled) != 1:
        raise InputError(path, "labels", "some or no glasses labeled", "at least one glass, all labeled or all not")
    if not 1 <= shards <= len(graphs):
        raise InputError(path, "shards", shards, f"1 to {len(graphs)}, the number of glasses")
    paths = []
    for shard in range(shards):
        paths.append(Path(f"{path}-{shard:05d}-of-{shards:05d}"))
        write_shard(paths[-1], graphs[shard::shards])
    return paths


def write_shard(path: str | Path, graphs: Iterable[GlassGraph]) -> None:
    """Write graphs to one shard, completely or not at all; one is in memory at a time.

    Raises:
        InputError: some have labels and some have none.
        OSError: the shard cannot be written, for example because the disk is full.
    """
    labeled = None
    try:
        with replacing(path) as file, tf.io.TFRecordWriter(str(file)) as writer:
            for graph in graphs:
                has_labels = graph.barrier is not None
                if labeled is not None and labeled != has_labels:
                    raise InputError(path, "labels", f"{graph.name} unlike those before it", "all labeled or all not")
                labeled = has_labels
                weight = np.ones(graph.n_atoms, np.float32) if labeled else None
                tensor = assemble({name: tf.constant(array) for name, array in graph_arrays(graph, weight).items()})
                # Without `deterministic` the order of features, and so the bytes of a retry, may differ.
                writer.write(tfgnn.write_example(tensor).SerializeToString(deterministic=True))
    except tf.errors.OpError as error:
        reason = error.message.split("; ")[-1]  # without the path of the temporary file
        raise OSError(f"{path}: {reason}") from error


def read_records(paths: Sequence[str | Path], *, labeled: bool) -> tf.data.Dataset:
    """Return the GraphTensors in shards, of one component each, as a dataset.

    Args:
        paths: of the shards.
        labeled: whether they hold readout features.
    """
    spec = graph_spec(labeled=labeled)
    records = tf.data.TFRecordDataset([str(path) for path in paths])
    return records.map(lambda example: tfgnn.parse_single_example(spec, example), num_parallel_calls=tf.data.AUTOTUNE)


def shards_in(directory: str | Path) -> list[Path]:
    """Return the shards of a folder that are named after a split, as `write_splits` names them."""
    return sorted(path for split in names.SPLITS for path in Path(directory).glob(f"{split}.tfrecord-*"))


def write_splits(
    splits: dict[str, list[Glass]],
    directory: str | Path,
    build: Callable[[Glass], GlassGraph],
    *,
    shards: int = 1,
    overwrite: bool = False,
) -> list[Path]:
    """Write the shards of each split that has glasses, and `shards.json` with the names of its glasses.

    Args:
        splits: glasses by split.
        directory: the folder to write.
        build: returns the graph of a glass.
        shards: per split, at most one per glass.
        overwrite: whether to replace the shards that the folder holds.

    Returns:
        The shards' paths.

    Raises:
        InputError: the folder holds shards and `overwrite` is not set, or a split has labeled and unlabeled glasses.
    """
    require_integer(directory, "shards", shards, least=1)
    directory = Path(directory)
    existing = shards_in(directory)
    if existing and not overwrite:
        raise InputError(directory, "output", existing[0].name, "a folder without shards, or --overwrite")
    directory.mkdir(parents=True, exist_ok=True)
    remove_unfinished(directory)
    listing = {split: [glass.name for glass in glasses] for split, glasses in splits.items() if glasses}
    with tempfile.TemporaryDirectory(prefix=".shards-", dir=directory) as temporary:
        written = []
        for split in listing:
            graphs = [build(glass) for glass in splits[split]]
            written += write_records(Path(temporary) / f"{split}.tfrecord", graphs, shards=min(shards, len(graphs)))
        (directory / LISTING).unlink(missing_ok=True)  # a folder without it is unfinished
        for path in existing:
            path.unlink()
        paths = [path.rename(directory / path.name) for path in written]
    with replacing(directory / LISTING) as file:
        file.write_text(json.dumps(listing, indent=2) + "\n")
    return paths
