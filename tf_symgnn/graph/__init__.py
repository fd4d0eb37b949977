"""Glass -> neighbours -> GraphTensor -> tf.data stream of graph subsets."""

from tf_symgnn.graph.neighbors import GlassGraph, build_graph
from tf_symgnn.graph.patches import PatchedGlass
from tf_symgnn.graph.records import read_records, write_records, write_splits
from tf_symgnn.graph.stream import SubsetStream
from tf_symgnn.graph.tensors import graph_spec, join_graphs, to_graph_tensor, with_pair_weights

__all__ = [
    "GlassGraph",
    "PatchedGlass",
    "SubsetStream",
    "build_graph",
    "graph_spec",
    "join_graphs",
    "read_records",
    "to_graph_tensor",
    "with_pair_weights",
    "write_records",
    "write_splits",
]
