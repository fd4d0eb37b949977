"""GraphTensors of glasses, by the schemas in `schemas/`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.graph.glass_graph import GlassGraph

# Graphs of up to 2^31 pairs; half the memory traffic of TF-GNN's default i64.
INDEX_DTYPE = tf.int32


@cache
def graph_spec(*, labelled: bool) -> tfgnn.GraphTensorSpec:
    """The spec of one graph by `schemas/glass.pbtxt`, or `schemas/labelled_glass.pbtxt` with its readout features."""
    schema = tfgnn.read_schema(str(schema_folder() / ("labelled_glass.pbtxt" if labelled else "glass.pbtxt")))
    return tfgnn.create_graph_spec_from_schema_pb(schema, indices_dtype=INDEX_DTYPE)


def schema_folder() -> Path:
    """The folder of schemas: within an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def graph_arrays(graph: GlassGraph, loss_weight: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The arrays of a graph by feature name, with readout features when `loss_weight` f32[N] is given."""
    arrays = {
        names.SPECIES: graph.atomic_numbers,
        names.POSITION: graph.positions,
        names.CELL: graph.cell,
        tfgnn.SOURCE_NAME: graph.source,
        tfgnn.TARGET_NAME: graph.target,
        names.DISPLACEMENT: graph.displacement,
    }
    if loss_weight is not None:
        arrays |= {names.ENERGY_BARRIER: graph.barrier, names.LOSS_WEIGHT: loss_weight}
    return arrays


def assemble(arrays: dict[str, tf.Tensor], sizes: tuple[tf.Tensor, tf.Tensor] | None = None) -> tfgnn.GraphTensor:
    """The GraphTensor of one component from arrays by feature name, readout features included where given.

    With `sizes`, numbers of atoms and of pairs i32[B] each, that of B components, whose cells are [B, 3, 3].
    """
    readout = {name: arrays[name] for name in (names.ENERGY_BARRIER, names.LOSS_WEIGHT) if name in arrays}
    cells = arrays[names.CELL] if sizes else arrays[names.CELL][tf.newaxis]
    n_atoms, n_pairs = sizes or (
        tf.shape(arrays[name], INDEX_DTYPE)[:1] for name in (names.SPECIES, names.DISPLACEMENT)
    )
    atoms = tfgnn.NodeSet.from_fields(
        sizes=n_atoms,
        features={names.SPECIES: arrays[names.SPECIES], names.POSITION: arrays[names.POSITION], **readout},
    )
    neighbors = tfgnn.EdgeSet.from_fields(
        sizes=n_pairs,
        adjacency=tfgnn.Adjacency.from_indices(
            source=(names.ATOMS, arrays[tfgnn.SOURCE_NAME]), target=(names.ATOMS, arrays[tfgnn.TARGET_NAME])
        ),
        features={names.DISPLACEMENT: arrays[names.DISPLACEMENT]},
    )
    return tfgnn.GraphTensor.from_pieces(
        context=tfgnn.Context.from_fields(features={names.CELL: cells}),
        node_sets={names.ATOMS: atoms},
        edge_sets={names.NEIGHBORS: neighbors},
    )


def to_graph_tensor(graph: GlassGraph) -> tfgnn.GraphTensor:
    """The GraphTensor that a model takes, of one component."""
    return assemble({name: tf.constant(array) for name, array in graph_arrays(graph).items()})


def join_graphs(graphs: Sequence[GlassGraph]) -> tfgnn.GraphTensor:
    """The GraphTensor that a model takes, each graph a component of it, in their order."""
    parts = [graph_arrays(graph) for graph in graphs]
    first = np.cumsum([0] + [graph.n_atoms for graph in graphs])[:-1]

    def joined(name: str, offsets: Sequence[int] | None = None) -> tf.Tensor:
        arrays = [part[name] for part in parts]
        if offsets is not None:
            arrays = [array + offset for array, offset in zip(arrays, offsets, strict=True)]
        return tf.constant(np.concatenate(arrays).astype(parts[0][name].dtype))

    atoms = tfgnn.NodeSet.from_fields(
        sizes=tf.constant([graph.n_atoms for graph in graphs], INDEX_DTYPE),
        features={name: joined(name) for name in (names.SPECIES, names.POSITION)},
    )
    neighbors = tfgnn.EdgeSet.from_fields(
        sizes=tf.constant([graph.n_edges for graph in graphs], INDEX_DTYPE),
        adjacency=tfgnn.Adjacency.from_indices(
            source=(names.ATOMS, joined(tfgnn.SOURCE_NAME, first)),
            target=(names.ATOMS, joined(tfgnn.TARGET_NAME, first)),
        ),
        features={names.DISPLACEMENT: joined(names.DISPLACEMENT)},
    )
    return tfgnn.GraphTensor.from_pieces(
        context=tfgnn.Context.from_fields(features={names.CELL: tf.constant(np.stack([g.cell for g in graphs]))}),
        node_sets={names.ATOMS: atoms},
        edge_sets={names.NEIGHBORS: neighbors},
    )


def split_readout(graph: tfgnn.GraphTensor) -> tuple[tfgnn.GraphTensor, tf.Tensor, tf.Tensor]:
    """Takes the readout off a labelled graph: the model's input, labels f32[N] eV and loss weights f32[N]."""
    features = graph.node_sets[names.ATOMS].get_features_dict()
    label, weight = features.pop(names.ENERGY_BARRIER), features.pop(names.LOSS_WEIGHT)
    return graph.replace_features(node_sets={names.ATOMS: features}), label, weight


def with_pair_weights(graph: tfgnn.GraphTensor, weight: tf.Tensor) -> tfgnn.GraphTensor:
    """The graph with a weight f32[E] in [0, 1] on each directed pair; 0 is as if the pair were not there."""
    features = graph.edge_sets[names.NEIGHBORS].get_features_dict() | {names.PAIR_WEIGHT: weight}
    return graph.replace_features(edge_sets={names.NEIGHBORS: features})
