"""The catalog of models: names and builders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tf_symgnn.config import NetworkConfig
from tf_symgnn.data import InputError, LabelScaling
from tf_symgnn.errors import require_type
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
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.symmetrization import HAAR
from tf_symgnn.potentials.response import DESCRIPTORS


@dataclass(frozen=True)
class Setting:
    """The arguments of a model that depend on the data and the run, not on the network.

    Attributes:
        species: atomic numbers of the training glasses.
        scaling: mean and standard deviation of the training labels, eV.
        cutoff: of the neighbor graph, A.
        seed: of the transforms and of random numbers in training.
        precision: name of a Keras mixed-precision policy.
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
        # These models have no heads. Twice the width gives about as many parameters as SymGNN has.
        width=2 * network.width,
        layers=network.layers or len(network.heads),
        decoder_layers=network.decoder_layers,
        seed=setting.seed,
        name=name,
        dtype=setting.precision,
    )


def _ridge(name: str, setting: Setting, *, spectrum: bool, n_descriptors: int) -> RidgeModel:
    return RidgeModel(
        species=setting.species,
        cutoff=setting.cutoff,
        label_mean=setting.scaling.mean,
        label_std=setting.scaling.std,
        spectrum=spectrum,
        n_descriptors=n_descriptors,
        name=name,
    )


def _ridge_physics(name: str, network: NetworkConfig, setting: Setting) -> RidgeModel:
    return _ridge(name, setting, spectrum=False, n_descriptors=len(DESCRIPTORS))


def _hybrid(n_descriptors: int, name: str, network: NetworkConfig, setting: Setting) -> HybridModel:
    symgnn = create_weights(_symgnn(SymGNN, "symgnn", network, setting), setting.species[0])
    ridge = _ridge("ridge", setting, spectrum=True, n_descriptors=n_descriptors)
    return HybridModel(network=symgnn, baseline=ridge, cutoff=setting.cutoff, name=name)


@dataclass(frozen=True)
class Entry:
    """A builder of a model, and its defaults for fields that a configuration leaves empty.

    Attributes:
        build: takes the name of the model, the size of the network and the setting; returns the model.
        heads: attention heads of each layer.
        distribution: of the transforms of the symmetrization.
        chunked: whether the layers have the kernel `chunked`.
        potential: whether the model reads descriptors from a potential.
    """

    build: Callable[[str, NetworkConfig, Setting], BarrierModel]
    heads: tuple[int, ...] = (8, 4, 2, 1)  # heads and distribution as published
    distribution: str = "euler_von_mises"
    chunked: bool = False
    potential: bool = False


CATALOG: dict[str, Entry] = {
    "symgnn": Entry(partial(_symgnn, SymGNN), chunked=True),
    "symgnn_spectral": Entry(partial(_hybrid, 0), heads=(2, 2, 1), distribution=HAAR, chunked=True),
    "symgnn_physics": Entry(
        partial(_hybrid, len(DESCRIPTORS)), heads=(2, 2, 1), distribution=HAAR, chunked=True, potential=True
    ),
    "ridge_physics": Entry(_ridge_physics, potential=True),
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

_BUILT_IN = frozenset(CATALOG)  # these names cannot be taken by other models


def register_model(
    name: str,
    build: type[BaselineNetwork] | Callable[[str, NetworkConfig, Setting], BarrierModel],
    *,
    heads: Sequence[int] = Entry.heads,
    distribution: str = Entry.distribution,
) -> None:
    """Add a model to the catalog, so that `RunConfig(model=name)` trains it; for this process only.

    Runs and exports of the model need this call as well before they are loaded.

    Args:
        name: of the model in configurations.
        build: a subclass of `BaselineNetwork`, or a function that takes the name of the model, the configuration of
            the network without empty fields and the `Setting`, and returns a `BarrierModel`.
        heads: default of `NetworkConfig.heads`. A `BaselineNetwork` has as many layers.
        distribution: default of `NetworkConfig.distribution`.

    Raises:
        InputError: a model of the package has this name.
    """
    require_type("register_model", "name", name, str, "text")
    if isinstance(build, type) and issubclass(build, BaselineNetwork):
        build = partial(_baseline, build)
    require_type("register_model", "build", build, Callable, "a subclass of BaselineNetwork or a function")
    if name in _BUILT_IN:
        raise InputError("register_model", "name", name, "a name that no model of the package has")
    CATALOG[name] = Entry(build, heads=tuple(heads), distribution=distribution)


def require_known(name: str) -> None:
    """Raise InputError if the catalog does not contain a name."""
    if name not in CATALOG:
        raise InputError("configuration", "model", name, "one of " + ", ".join(sorted(CATALOG)))


def complete(name: str, network: NetworkConfig) -> NetworkConfig:
    """Return the network of a configuration, with empty fields replaced by the defaults of a model.

    Raises:
        InputError: the catalog does not contain the name.
    """
    require_known(name)
    entry = CATALOG[name]
    return replace(network, heads=network.heads or entry.heads, distribution=network.distribution or entry.distribution)


def build_model(name: str, network: NetworkConfig, setting: Setting) -> BarrierModel:
    """Return a model with initial weights.

    Args:
        name: of the model in the catalog.
        network: its size; empty fields take the defaults of the model.
        setting: the arguments that depend on the data and the run.

    Raises:
        InputError: the catalog does not contain the name.
    """
    network = complete(name, network)
    return create_weights(CATALOG[name].build(name, network, setting), setting.species[0])


def needs_potential(name: str) -> bool:
    """Return whether a model reads descriptors from a potential; False if the catalog does not contain the name."""
    return name in CATALOG and CATALOG[name].potential


def is_chunked(name: str) -> bool:
    """Return whether a model has the kernel `chunked`; False if the catalog does not contain the name."""
    return name in CATALOG and CATALOG[name].chunked
