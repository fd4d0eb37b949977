"""Typed, frozen configuration: one run is one `RunConfig`, stored with the run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from jsonargparse.typing import (
    ClosedUnitInterval,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    restricted_number_type,
)

from tf_symgnn import names

Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)], docstring="What NumPy takes for a seed.")


@dataclass(frozen=True)
class GraphConfig:
    """How a glass becomes a graph.

    Args:
        cutoff: atoms closer than this are neighbours, A.
        self_loops: whether each atom also neighbours itself, as in the published system.
    """

    cutoff: PositiveFloat = 5.0
    self_loops: bool = True


@dataclass(frozen=True)
class StreamConfig:
    """What one training step sees.

    Args:
        patch_size: edge of a patch's core, A; null trains on whole glasses.
        halo: width of the halo round a patch's core, A; null takes the model's receptive field, with
            which predictions are exact.
        batch_size: glasses or patches a step.
    """

    patch_size: PositiveFloat | None = None
    halo: NonNegativeFloat | None = None
    batch_size: PositiveInt = 1


@dataclass(frozen=True)
class NetworkConfig:
    """The size of SymGNN and the distribution of its symmetrization.

    Args:
        width: of node and edge states; models to compare with that have no heads take twice as much.
        heads: attention heads of each layer; null takes the model's own, 8, 4, 2, 1 as published and 2, 2, 1 for the
            default model. Models that have no heads have as many layers, four by themselves.
        decoder_layers: dense blocks before the readout.
        distribution: of the orthogonal transformations; haar averages over all, is exactly invariant and draws none;
            null takes the model's own, haar for the default model, else euler_von_mises.
        transforms: how many are drawn, even: half rotations, half improper rotations; whole orbits are multiples of 8.
        resample: draw them afresh in every training step.
    """

    width: PositiveInt = 32
    heads: tuple[PositiveInt, ...] | None = None
    decoder_layers: NonNegativeInt = 4
    distribution: Literal["euler_von_mises", "angular_gaussian", "uniform", "haar"] | None = None
    transforms: PositiveInt = 8
    resample: bool = False

    def __post_init__(self):
        if self.transforms % 2:
            raise ValueError(f"network.transforms: found {self.transforms}, expected an even number")
        if self.heads == ():
            raise ValueError("network.heads: found none, expected at least one layer")


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam with a linear warm-up and a cosine decay to zero over the run.

    Args:
        learning_rate: at the end of the warm-up.
        warmup: share of all steps.
        clip_norm: gradients of a larger global norm are scaled down to it.
    """

    learning_rate: PositiveFloat = 4e-3
    warmup: ClosedUnitInterval = 0.05
    clip_norm: PositiveFloat = 1.0


@dataclass(frozen=True)
class RunConfig:
    """One training run.

    Args:
        data: a folder of structure files, or one file; null is the sample that comes with the package.
        run_dir: the run's folder: configuration, checkpoints, logs, metrics, plots and export.
        model: symgnn_spectral, the default; symgnn, as published; or one to compare with: symgnn_unsymmetrized,
            symgnn_augmented, egat_length, gcn, gcn_edges, egnn, mlp, schnet, mgcn, faenet or bapst.
        init: run folder whose best weights the run starts from, fine-tuning them; species and label scaling stay that
            run's, and model, graph and network must be as they were there.
        epochs: passes over the training glasses.
        seed: of weights, transforms and the order of the data.
        patience: stop after so many epochs without a better validation Pearson; null never stops early.
        precision: that layers compute in, a Keras policy. The mixed ones are for GPUs: weights, batch statistics and
            predictions stay in single precision, and with float16 the loss is scaled.
        minutes: stop when so much training time is spent; the learning rate then falls over it, not over the epochs.
        strategy: which devices train: one, all of this machine (mirrored), or those of all machines that the
            environment variable TF_CONFIG names (multiworker); they share each step's glasses or patches.
        label: per-atom column or key of the energy barrier in the files, eV.
        species: chemical symbols that LAMMPS types 1, 2, ... stand for, as in `Cu,Zr`.
        graph: how a glass becomes a graph.
        stream: what one training step sees.
        network: the size of the model.
        optimizer: how it is trained.
    """

    data: str | None = None
    run_dir: str = "runs/first"
    model: str = "symgnn_spectral"
    init: str | None = None
    epochs: PositiveInt = 100
    seed: Seed = 0
    patience: PositiveInt | None = None
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    minutes: PositiveFloat | None = None
    strategy: Literal["none", "mirrored", "multiworker"] = "none"
    label: str = names.ENERGY_BARRIER
    species: str | None = None
    graph: GraphConfig = field(default_factory=GraphConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def as_plain(self) -> dict:
        """The configuration as nested dicts, lists, strings, numbers and None."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def type_names(self) -> tuple[str, ...] | None:
        """Chemical symbols of LAMMPS types 1, 2, ..., or None."""
        return split_symbols(self.species)


def split_symbols(symbols: str | None) -> tuple[str, ...] | None:
    """Chemical symbols out of a list with commas, as `--species Cu,Zr` gives them, or None."""
    return tuple(symbol.strip() for symbol in symbols.split(",")) if symbols else None
