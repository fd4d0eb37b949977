"""One catalog of models by name, and how each is built of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn.config import NetworkConfig, RunConfig
from tf_symgnn.data import InputError, LabelScaling
from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.models.baselines.augmented import AugmentedSymGNN
from tf_symgnn.models.baselines.bapst import BapstNetwork
from tf_symgnn.models.baselines.egat_length import LengthEGAT
from tf_symgnn.models.baselines.egnn import EGNN
from tf_symgnn.models.baselines.faenet import FAENet
from tf_symgnn.models.baselines.gcn import GCN
from tf_symgnn.models.baselines.gcn_edges import EdgeGCN
from tf_symgnn.models.baselines.mgcn import MGCN
from tf_symgnn.models.baselines.mlp import MLP
from tf_symgnn.models.baselines.network import BaselineNetwork
from tf_symgnn.models.baselines.schnet import SchNet
from tf_symgnn.models.baselines.unsymmetrized import UnsymmetrizedSymGNN
from tf_symgnn.models.hybrid import SpectralSymGNN
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.symmetrization import HAAR

CATALOG: dict[str, type[SymGNN | BaselineNetwork]] = {
    "symgnn": SymGNN,
    "symgnn_spectral": SpectralSymGNN,
    "symgnn_unsymmetrized": UnsymmetrizedSymGNN,
    "symgnn_augmented": AugmentedSymGNN,
    "egat_length": LengthEGAT,
    "gcn": GCN,
    "gcn_edges": EdgeGCN,
    "egnn": EGNN,
    "mlp": MLP,
    "schnet": SchNet,
    "mgcn": MGCN,
    "faenet": FAENet,
    "bapst": BapstNetwork,
}

# What a configuration may leave to the model: as published, and what the default model is best with.
PUBLISHED = {"heads": (8, 4, 2, 1), "distribution": "euler_von_mises"}
DEFAULT = {"heads": (2, 2, 1), "distribution": HAAR}


def _symgnn(kind: type[SymGNN], config: RunConfig, species: Sequence[int], scaling: LabelScaling) -> tf.keras.Model:
    network = config.network
    return kind(
        species=species,
        cutoff=config.graph.cutoff,
        label_mean=scaling.mean,
        label_std=scaling.std,
        width=network.width,
        heads=network.heads,
        decoder_layers=network.decoder_layers,
        distribution=network.distribution,
        transforms=network.transforms,
        resample=network.resample,
        seed=config.seed,
        name=config.model,
        dtype=config.precision,
    )


def _baseline(
    kind: type[BaselineNetwork], config: RunConfig, species: Sequence[int], scaling: LabelScaling
) -> tf.keras.Model:
    return kind(
        species=species,
        cutoff=config.graph.cutoff,
        label_mean=scaling.mean,
        label_std=scaling.std,
        # SymGNN's heads widen its messages: twice its width comes closer to its number of parameters.
        width=2 * config.network.width,
        layers=len(config.network.heads),
        decoder_layers=config.network.decoder_layers,
        seed=config.seed,
        name=config.model,
        dtype=config.precision,
    )


def require_known(config: RunConfig) -> None:
    """Raises InputError where no model has a configuration's name for it."""
    if config.model not in CATALOG:
        raise InputError("configuration", "model", config.model, "one of " + ", ".join(sorted(CATALOG)))


def own_network(config: RunConfig) -> NetworkConfig:
    """The network of a configuration, with the model's own where that is left to the model."""
    own = DEFAULT if config.model == "symgnn_spectral" else PUBLISHED
    return replace(config.network, **{name: x for name, x in own.items() if getattr(config.network, name) is None})


def build_model(config: RunConfig, species: Sequence[int], scaling: LabelScaling) -> tf.keras.Model:
    """Builds the model that `config.model` names, with fresh weights.

    It takes a GraphTensor and predicts energy barriers f[N] in eV, and states its `receptive_field` in A.

    Args:
        config: of the run.
        species: atomic numbers of the training glasses.
        scaling: mean and standard deviation of the training labels, eV.

    Raises:
        InputError: no model has that name.
    """
    require_known(config)
    kind, config = CATALOG[config.model], replace(config, network=own_network(config))
    build = _symgnn if issubclass(kind, SymGNN) else _baseline
    model = build(kind, config, species, scaling)
    model(_smallest_graph(species[0]))  # creates the weights
    return model


def is_chunked(name: str) -> bool:
    """Whether the model of that name computes in cache-sized chunks; False where no model has it."""
    return issubclass(CATALOG.get(name, BaselineNetwork), SymGNN)


def _smallest_graph(species: int) -> tfgnn.GraphTensor:
    """One atom that neighbours itself."""
    zero = np.zeros(1, np.int32)
    atom = GlassGraph(
        name="atom",
        atomic_numbers=np.array([species], np.int32),
        positions=np.zeros((1, 3), np.float32),
        cell=np.eye(3, dtype=np.float32),
        pbc=np.ones(3, bool),
        source=zero,
        target=zero,
        displacement=np.zeros((1, 3), np.float32),
        barrier=None,
    )
    return to_graph_tensor(atom)
