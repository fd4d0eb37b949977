#!/usr/bin/env python3
"""SymGNN in plain PyTorch, compiled by `torch.compile`: a faster peer than DGL's.

    PEER/bin/python benchmarks/peers/symgnn_torch.py GLASS.npz [--eager]

`benchmarks/speed.py --peer PEER/bin/python --peer-script benchmarks/peers/symgnn_torch.py` makes the file and runs
this. `--eager` leaves the compilation out.
"""

from __future__ import annotations

import sys

import torch
from network import THREADS, WIDTH, Glass, SymGNN, measure, merge_heads
from torch import nn

SLOPE = 0.01  # of LeakyReLU below zero
LOWEST = -1e9  # below all attention scores


class Layer(nn.Module):
    """An attention layer with batch norm, projection and residual. The last one has no edge states: none are read."""

    def __init__(self, heads: int, last: bool):
        super().__init__()
        self.heads, self.last, wide = heads, last, heads * WIDTH
        self.of_source, self.of_target, self.message = (nn.Linear(WIDTH, wide, bias=False) for _ in range(3))
        self.of_edge, self.score = nn.Linear(WIDTH, wide), nn.Parameter(0.1 * torch.randn(heads, WIDTH))
        merged = WIDTH if last else wide
        self.nodes = nn.Sequential(nn.BatchNorm1d(merged), nn.Linear(merged, WIDTH))
        if not last:
            self.edges = nn.Sequential(nn.BatchNorm1d(merged), nn.Linear(merged, WIDTH))

    def forward(
        self, pairs: tuple[torch.Tensor, torch.Tensor], nodes: torch.Tensor, edges: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return node and edge states."""
        source, target = pairs
        hidden = self.of_source(nodes)[source] + self.of_target(nodes)[target] + self.of_edge(edges)
        hidden = nn.functional.leaky_relu(hidden, SLOPE).view(-1, self.heads, WIDTH)
        attention = self._softmax((hidden * self.score).sum(dim=-1), target, len(nodes))
        messages = self.message(nodes)[source].view(-1, self.heads, WIDTH) * attention[..., None]
        received = torch.zeros(len(nodes), self.heads, WIDTH).index_add(0, target, messages)
        nodes = nodes + self.nodes(merge_heads(received, self.last))
        return nodes, edges if self.last else edges + self.edges(merge_heads(hidden, last=False))

    def _softmax(self, score: torch.Tensor, target: torch.Tensor, n_nodes: int) -> torch.Tensor:
        """Return the softmax of scores [E, H] over the pairs of each target."""
        highest = torch.full((n_nodes, self.heads), LOWEST)
        highest = highest.scatter_reduce(0, target[:, None].expand_as(score), score.detach(), "amax")
        weight = (score - highest[target]).exp()
        return weight / torch.zeros(n_nodes, self.heads).index_add(0, target, weight)[target]


def main() -> None:
    """Time the model on the glass of the command line."""
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    glass = Glass(sys.argv[1])
    model = SymGNN(Layer)
    if "--eager" not in sys.argv:
        model.compile()
    measure(glass, model, (glass.source, glass.target))


if __name__ == "__main__":
    main()
