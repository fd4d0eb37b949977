from .glass_graph import GlassGraph
from .neighbor_ops import neighbor_pairs
from .neighbors import build_graph
from .patches import PatchedGlass
from .records import LISTING, read_records, shards_in, write_records, write_shard, write_splits
from .stream import ReplicaSlice, SubsetStream
from .tensors import graph_spec, join_graphs, to_graph_tensor, with_pair_weights

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
