"""Glass -> neighbor list -> GraphTensor -> tf.data stream of whole glasses or patches."""

from tf_symgnn.graph.glass_graph import GlassGraph
from tf_symgnn.graph.neighbor_ops import neighbor_pairs
from tf_symgnn.graph.neighbors import build_graph
from tf_symgnn.graph.patches import PatchedGlass
from tf_symgnn.graph.records import LISTING, read_records, shards_in, write_records, write_shard, write_splits
from tf_symgnn.graph.stream import ReplicaSlice, SubsetStream
from tf_symgnn.graph.tensors import graph_spec, join_graphs, to_graph_tensor, with_pair_weights

__all__ = [
    "LISTING",
    "GlassGraph",
    "PatchedGlass",
    "ReplicaSlice",
    "SubsetStream",
    "build_graph",
    "graph_spec",
    "join_graphs",
    "neighbor_pairs",
    "read_records",
    "shards_in",
    "to_graph_tensor",
    "with_pair_weights",
    "write_records",
    "write_shard",
    "write_splits",
]
