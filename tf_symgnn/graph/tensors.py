"""GraphTensors of glasses, with the schemas in `schemas/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.graph.glass_graph import GlassGraph

# Half the memory traffic of TF-GNN's default i64, for graphs of up to 2^31 pairs.
INDEX_DTYPE = tf.int32


@cache
def graph_spec(*, labeled: bool, n_descriptors: int = 0) -> tfgnn.GraphTensorSpec:
    """Return the spec of one graph, from `schemas/glass.pbtxt` or, with readout, `schemas/labelled_glass.pbtxt`.

    Args:
        labeled: whether the graph has readout features.
        n_descriptors: the number of descriptors from a potential that its atoms have in addition.
    """
    schema = tfgnn.read_schema(str(schema_folder() / ("labelled_glass.pbtxt" if labeled else "glass.pbtxt")))
    if n_descriptors:
        feature = schema.node_sets[names.ATOMS].features[names.DESCRIPTORS]
        feature.dtype = tf.float32.as_datatype_enum
        feature.shape.dim.add(size=n_descriptors)
    return tfgnn.create_graph_spec_from_schema_pb(schema, indices_dtype=INDEX_DTYPE)


def schema_folder() -> Path:
    """Return the folder of schemas: inside an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "schemas"
    return installed if installed.is_dir() else package.parent / "schemas"


def graph_arrays(graph: GlassGraph, loss_weight: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of a graph by feature name.

    Args:
        graph: of a glass.
        loss_weight: f32[N]; with it the arrays include readout features, which need labels. Of an atom without a label
            the weight is 0, and the label, which may be anything then, 0.

    Raises:
        InputError: there are loss weights and no labels.
    """
    if loss_weight is not None and graph.barrier is None:
        raise InputError(graph.name, names.ENERGY_BARRIER, "no labels", "one per atom, eV")
    arrays = {
        names.SPECIES: graph.atomic_numbers,
        names.POSITION: graph.positions,
        names.CELL: graph.cell,
        tfgnn.SOURCE_NAME: graph.source,
        tfgnn.TARGET_NAME: graph.target,
        names.DISPLACEMENT: graph.displacement,
    }
    if graph.descriptors is not None:
        arrays[names.DESCRIPTORS] = graph.descriptors
    if loss_weight is not None:
        labeled = np.isfinite(graph.barrier)
        arrays |= {
            names.ENERGY_BARRIER: np.where(labeled, graph.barrier, np.float32(0)),
            names.LOSS_WEIGHT: np.where(labeled, loss_weight, np.float32(0)),
        }
    return arrays


def graph_of_features(
    atoms: Mapping[str, tf.Tensor],
    pairs: Mapping[str, tf.Tensor],
    source: tf.Tensor,
    target: tf.Tensor,
    *,
    sizes: tuple[tf.Tensor, tf.Tensor] | None = None,
    cells: tf.Tensor | None = None,
) -> tfgnn.GraphTensor:
    """Return the GraphTensor of atoms and directed pairs with some features.

    Args:
        atoms: features [N, ...] by name, at least one.
        pairs: features [E, ...] by name.
        source: i32[E], the atom that sends each pair.
        target: i32[E], the atom that receives it, ascending.
        sizes: numbers of atoms and of pairs i32[B] each, of B components; by default there is one.
        cells: [B, 3, 3] A; by default there is none.
    """
    if sizes is None:
        sizes = tf.shape(next(iter(atoms.values())), INDEX_DTYPE)[:1], tf.shape(source, INDEX_DTYPE)[:1]
    neighbors = tfgnn.EdgeSet.from_fields(
        sizes=sizes[1],
        adjacency=tfgnn.Adjacency.from_indices(source=(names.ATOMS, source), target=(names.ATOMS, target)),
        features=pairs,
    )
    return tfgnn.GraphTensor.from_pieces(
        context=None if cells is None else tfgnn.Context.from_fields(features={names.CELL: cells}),
        node_sets={names.ATOMS: tfgnn.NodeSet.from_fields(sizes=sizes[0], features=atoms)},
        edge_sets={names.NEIGHBORS: neighbors},
    )


def assemble(arrays: dict[str, tf.Tensor], sizes: tuple[tf.Tensor, tf.Tensor] | None = None) -> tfgnn.GraphTensor:
    """Return the GraphTensor of arrays by feature name, including readout features if there are any.

    Args:
        arrays: as `graph_arrays` returns them.
        sizes: numbers of atoms and of pairs i32[B] each, of B components with cells [B, 3, 3]; by default there is one
            component.
    """
    of_atoms = (names.SPECIES, names.POSITION, names.DESCRIPTORS, names.ENERGY_BARRIER, names.LOSS_WEIGHT)
    return graph_of_features(
        {name: arrays[name] for name in of_atoms if name in arrays},
        {names.DISPLACEMENT: arrays[names.DISPLACEMENT]},
        arrays[tfgnn.SOURCE_NAME],
        arrays[tfgnn.TARGET_NAME],
        sizes=sizes,
        cells=arrays[names.CELL] if sizes else arrays[names.CELL][tf.newaxis],
    )


def to_graph_tensor(graph: GlassGraph) -> tfgnn.GraphTensor:
    """Return the GraphTensor that a model takes, of one component."""
    return assemble({name: tf.constant(array) for name, array in graph_arrays(graph).items()})


def join_graphs(graphs: Sequence[GlassGraph]) -> tfgnn.GraphTensor:
    """Return the GraphTensor that a model takes, with one component per graph, in their order.

    Raises:
        InputError: there is no graph.
    """
    if not graphs:
        raise InputError("join_graphs", "graphs", "none", "at least one")
    parts = [graph_arrays(graph) for graph in graphs]
    first = np.cumsum([0] + [graph.n_atoms for graph in graphs])[:-1]
    for part, offset in zip(parts, first, strict=True):
        part[tfgnn.SOURCE_NAME] = part[tfgnn.SOURCE_NAME] + np.int32(offset)
        part[tfgnn.TARGET_NAME] = part[tfgnn.TARGET_NAME] + np.int32(offset)
        part[names.CELL] = part[names.CELL][np.newaxis]
    joined = {name: tf.constant(np.concatenate([part[name] for part in parts])) for name in parts[0]}
    sizes = ([graph.n_atoms for graph in graphs], [graph.n_pairs for graph in graphs])
    return assemble(joined, tuple(tf.constant(size, INDEX_DTYPE) for size in sizes))


def split_readout(graph: tfgnn.GraphTensor) -> tuple[tfgnn.GraphTensor, tf.Tensor, tf.Tensor]:
    """Return a labeled graph without its readout features, its labels f32[N] eV and its loss weights f32[N]."""
    features = graph.node_sets[names.ATOMS].get_features_dict()
    label, weight = features.pop(names.ENERGY_BARRIER), features.pop(names.LOSS_WEIGHT)
    return graph.replace_features(node_sets={names.ATOMS: features}), label, weight


def with_pair_weights(graph: tfgnn.GraphTensor, weight: tf.Tensor) -> tfgnn.GraphTensor:
    """Return the graph with a weight f32[E] in [0, 1] on each directed pair; 0 acts as if the pair were absent."""
    features = graph.edge_sets[names.NEIGHBORS].get_features_dict() | {names.PAIR_WEIGHT: weight}
    return graph.replace_features(edge_sets={names.NEIGHBORS: features})
