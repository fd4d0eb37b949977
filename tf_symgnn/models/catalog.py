"""One catalog of models by name, and how each is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tf_symgnn.config import NetworkConfig
from tf_symgnn.data import InputError, LabelScaling
from tf_symgnn.models.base import BarrierModel, create_weights
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
from tf_symgnn.models.hybrid import HybridModel
from tf_symgnn.models.ridge.spectral import SpectralRidge
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.symmetrization import HAAR


@dataclass(frozen=True)
class Setting:
    """What a model is built for.

    Attributes:
        species: atomic numbers of the training glasses.
        scaling: mean and standard deviation of the training labels, eV.
        cutoff: of the neighbor graph, A.
        seed: of transforms and of what is drawn in training.
        precision: a Keras policy.
    """

    species: Sequence[int]
    scaling: LabelScaling
    cutoff: float = 5.0
    seed: int = 0
    precision: str = "float32"


def _symgnn(kind: type[SymGNN], name: str, network: NetworkConfig, setting: Setting) -> SymGNN:
    return kind(
        species=setting.species,
        cutoff=setting.cutoff,
        label_mean=setting.scaling.mean,
        label_std=setting.scaling.std,
        width=network.width,
        heads=network.heads,
        decoder_layers=network.decoder_layers,
        distribution=network.distribution,
        transforms=network.transforms,
        resample=network.resample,
        seed=setting.seed,
        name=name,
        dtype=setting.precision,
    )


def _baseline(kind: type[BaselineNetwork], name: str, network: NetworkConfig, setting: Setting) -> BaselineNetwork:
    return kind(
        species=setting.species,
        cutoff=setting.cutoff,
        label_mean=setting.scaling.mean,
        label_std=setting.scaling.std,
        # SymGNN's heads widen its messages: twice its width comes closer to its number of parameters.
        width=2 * network.width,
        layers=network.layers or len(network.heads),
        decoder_layers=network.decoder_layers,
        seed=setting.seed,
        name=name,
        dtype=setting.precision,
    )


def _hybrid(name: str, network: NetworkConfig, setting: Setting) -> HybridModel:
    symgnn = create_weights(_symgnn(SymGNN, "symgnn", network, setting), setting.species[0])
    ridge = SpectralRidge(
        species=setting.species,
        cutoff=setting.cutoff,
        label_mean=setting.scaling.mean,
        label_std=setting.scaling.std,
        name="spectral_ridge",
    )
    return HybridModel(network=symgnn, baseline=ridge, cutoff=setting.cutoff, name=name)


@dataclass(frozen=True)
class Entry:
    """How a model is built, and what a configuration may leave to it.

    Attributes:
        build: of the model's name, the size of the network and the setting.
        heads: attention heads of each layer.
        distribution: of the symmetrization's transformations.
        chunked: whether its layers compute in chunks of pairs on a CPU.
    """

    build: Callable[[str, NetworkConfig, Setting], BarrierModel]
    heads: tuple[int, ...] = (8, 4, 2, 1)  # as published, as is the distribution
    distribution: str = "euler_von_mises"
    chunked: bool = False


CATALOG: dict[str, Entry] = {
    "symgnn": Entry(partial(_symgnn, SymGNN), chunked=True),
    "symgnn_spectral": Entry(_hybrid, heads=(2, 2, 1), distribution=HAAR, chunked=True),
    "symgnn_unsymmetrized": Entry(partial(_symgnn, UnsymmetrizedSymGNN), chunked=True),
    "symgnn_augmented": Entry(partial(_symgnn, AugmentedSymGNN), chunked=True),
    "egat_length": Entry(partial(_symgnn, LengthEGAT), chunked=True),
    "gcn": Entry(partial(_baseline, GCN)),
    "gcn_edges": Entry(partial(_baseline, EdgeGCN)),
    "egnn": Entry(partial(_baseline, EGNN)),
    "mlp": Entry(partial(_baseline, MLP)),
    "schnet": Entry(partial(_baseline, SchNet)),
    "mgcn": Entry(partial(_baseline, MGCN)),
    "faenet": Entry(partial(_baseline, FAENet)),
    "bapst": Entry(partial(_baseline, BapstNetwork)),
}


def require_known(name: str) -> None:
    """Raise InputError where no model has a name."""
    if name not in CATALOG:
        raise InputError("configuration", "model", name, "one of " + ", ".join(sorted(CATALOG)))


def complete(name: str, network: NetworkConfig) -> NetworkConfig:
    """Return the network of a configuration, with the model's own values where these are left to the model.

    Raises:
        InputError: no model has that name.
    """
    require_known(name)
    entry = CATALOG[name]
    return replace(network, heads=network.heads or entry.heads, distribution=network.distribution or entry.distribution)


def build_model(name: str, network: NetworkConfig, setting: Setting) -> BarrierModel:
    """Return the model of a name, with fresh weights.

    Args:
        name: in the catalog.
        network: its size; what is left to the model takes the model's own value.
        setting: what it is built for.

    Raises:
        InputError: no model has that name.
    """
    network = complete(name, network)
    return create_weights(CATALOG[name].build(name, network, setting), setting.species[0])


def is_chunked(name: str) -> bool:
    """Return whether the model of a name computes in cache-sized chunks on a CPU; False where no model has it."""
    return name in CATALOG and CATALOG[name].chunked
