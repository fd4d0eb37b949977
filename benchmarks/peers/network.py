"""What the peers share: glasses, the parts of SymGNN outside its attention layers, and timing. It requires PyTorch.

A peer is SymGNN as a user of PyTorch would write it: published sizes, a full graph, two threads, a new sample of
transformations for each call of the encoder.
"""

from __future__ import annotations

import json
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import nn

WIDTH = 32
HEADS = (8, 4, 2, 1)
CUTOFF = 5.0  # A
TRANSFORMS = 4
DECODER_LAYERS = 4
CALLS = 6  # of which the first one is not counted
THREADS = 2


class Glass:
    """Species [N], standardized barriers [N], and the directed pairs of a glass with self-loops, sorted by target.

    Args:
        path: npz file with positions [N, 3] A, box [3] A of a periodic cuboid, types [N] from 0 and barrier [N] eV.
    """

    def __init__(self, path: str):
        stored = np.load(path)
        box = stored["box"].astype(np.float64)
        positions = np.mod(stored["positions"], box)
        positions[positions >= box] = 0.0  # np.mod rounds to the box itself
        once = cKDTree(positions, boxsize=box).query_pairs(CUTOFF, output_type="ndarray")
        loops = np.repeat(np.arange(len(positions)), 2).reshape(-1, 2)
        pairs = np.concatenate([once, once[:, ::-1], loops])
        source, target = pairs[np.argsort(pairs[:, 1], kind="stable")].T
        displacement = positions[source] - positions[target]
        displacement -= box * np.round(displacement / box)
        barrier = (stored["barrier"] - stored["barrier"].mean()) / stored["barrier"].std()
        self.source, self.target = torch.tensor(source), torch.tensor(target)
        self.species = torch.tensor(stored["types"]).long()
        self.displacement = torch.tensor(displacement, dtype=torch.float32)
        self.barrier = torch.tensor(barrier, dtype=torch.float32)


def dense(inputs: int, layers: int, activation: type[nn.Module]) -> nn.Sequential:
    """Return dense layers with batch norm."""
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts += [nn.Linear(WIDTH if layer else inputs, WIDTH), nn.BatchNorm1d(WIDTH), activation()]
    return nn.Sequential(*parts)


def merge_heads(states: torch.Tensor, last: bool) -> torch.Tensor:
    """Return states [*, H, F] of all heads side by side [*, H F], or their mean [*, F] in the last layer."""
    return states.mean(dim=1) if last else states.flatten(start_dim=1)


class SymGNN(nn.Module):
    """The published model.

    Args:
        layer: makes an attention layer from its number of heads and from whether it is the last. A layer takes pairs,
            node states [N, F] and edge states [E, F], and returns both after a residual update.
    """

    def __init__(self, layer: Callable[[int, bool], nn.Module]):
        super().__init__()
        self.species, self.node_encoder = nn.Embedding(2, WIDTH), dense(WIDTH, 1, nn.ReLU)
        self.edge_encoder = dense(3, 2, nn.ReLU)
        self.layers = nn.ModuleList(layer(heads, k == len(HEADS) - 1) for k, heads in enumerate(HEADS))
        self.decoder = nn.Sequential(dense(WIDTH, DECODER_LAYERS, nn.PReLU), nn.Linear(WIDTH, 1))

    def forward(
        self, pairs: object, species: torch.Tensor, displacement: torch.Tensor, transforms: torch.Tensor
    ) -> torch.Tensor:
        """Return barriers [N]; displacements [E, 3] are averaged over transforms [K, 3, 3]."""
        edges = torch.stack([self.edge_encoder(displacement @ transform) for transform in transforms]).mean(dim=0)
        nodes = self.node_encoder(self.species(species))
        for layer in self.layers:
            nodes, edges = layer(pairs, nodes, edges)
        return self.decoder(nodes).squeeze(-1)


def random_transforms() -> torch.Tensor:
    """Return orthogonal matrices [K, 3, 3]."""
    return torch.linalg.qr(torch.randn(TRANSFORMS, 3, 3)).Q


def _seconds(call: Callable[[], object]) -> list[float]:
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def measure(glass: Glass, model: nn.Module, pairs: object) -> None:
    """Print seconds of a training step and of a prediction, and the peak memory of this process, as JSON."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        predicted = model(pairs, glass.species, glass.displacement, random_transforms())
        loss = (predicted - glass.barrier).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def predict() -> None:
        model(pairs, glass.species, glass.displacement, random_transforms())

    training = _seconds(step)
    model.eval()
    prediction = _seconds(predict)
    found = {
        "atoms": len(glass.species),
        "edges": len(glass.source),
        "train_step_s": statistics.median(training[1:]),
        "predict_s": statistics.median(prediction[1:]),
        "first_calls_s": training[0] + prediction[0],
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    print(json.dumps(found))
