#!/usr/bin/env python3
"""SymGNN with PyTorch and the attention layer of DGL (EGATConv), as the published program has it.

    DGLBACKEND=pytorch PEER/bin/python benchmarks/peers/symgnn_dgl.py GLASS.npz

`benchmarks/speed.py --peer PEER/bin/python --peer-script benchmarks/peers/symgnn_dgl.py` makes the file and runs this.
"""

from __future__ import annotations

import os
import sys

import torch
from network import THREADS, WIDTH, Glass, SymGNN, measure, merge_heads
from torch import nn

os.environ.setdefault("DGLBACKEND", "pytorch")

import dgl
from dgl.nn.pytorch.conv import EGATConv


class Layer(nn.Module):
    """An attention layer with batch norm, projection and residual for nodes and edges."""

    def __init__(self, heads: int, last: bool):
        super().__init__()
        self.attention, self.last = EGATConv(WIDTH, WIDTH, WIDTH, WIDTH, heads), last
        merged = WIDTH if last else heads * WIDTH
        self.nodes = nn.Sequential(nn.BatchNorm1d(merged), nn.Linear(merged, WIDTH))
        self.edges = nn.Sequential(nn.BatchNorm1d(merged), nn.Linear(merged, WIDTH))

    def forward(
        self, graph: dgl.DGLGraph, nodes: torch.Tensor, edges: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return node and edge states."""
        new_nodes, new_edges = (merge_heads(states, self.last) for states in self.attention(graph, nodes, edges))
        return nodes + self.nodes(new_nodes), edges + self.edges(new_edges)


def main() -> None:
    """Time the model on the glass of the command line."""
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    glass = Glass(sys.argv[1])
    graph = dgl.graph((glass.source, glass.target), num_nodes=len(glass.species))
    measure(glass, SymGNN(Layer), graph)


if __name__ == "__main__":
    main()
