"""Typed, immutable configurations that check their own fields. One run has one `RunConfig`, stored in its folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Literal, get_args

from tf_symgnn import errors, names
from tf_symgnn.errors import InputError

Distribution = Literal["euler_von_mises", "angular_gaussian", "uniform", "haar"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Strategy = Literal["none", "mirrored", "multiworker"]
PairStyle = Literal["eam/fs", "eam/alloy"]

MAX_SEED = 2**32 - 1  # NumPy's largest seed
_SOURCE = "configuration"

_number = partial(errors.require_number, _SOURCE)
_integer = partial(errors.require_integer, _SOURCE)
_choice = partial(errors.require_choice, _SOURCE)
_type = partial(errors.require_type, _SOURCE)


@dataclass(frozen=True)
class GraphConfig:
    """Settings of the neighbor graph.

    Args:
        cutoff: atoms closer than this are neighbors, A.
        self_loops: whether each atom is also a neighbor of itself, as published.

    Raises:
        InputError: a field is invalid.
    """

    cutoff: float = 5.0
    self_loops: bool = True

    def __post_init__(self) -> None:
        # Closer than any two atoms, and further than a glass of millions of them is wide.
        _number("graph.cutoff", self.cutoff, least=0.1, most=1000)
        _type("graph.self_loops", self.self_loops, bool, "true or false")


@dataclass(frozen=True)
class StreamConfig:
    """Settings of the batches of a training step.

    Args:
        patch_size: edge of a patch's core, A; null trains on whole glasses.
        halo: width of the halo around a patch's core, A; null takes the model's receptive field, with which
            predictions are exact.
        batch_size: glasses or patches per step.

    Raises:
        InputError: a field is invalid.
    """

    patch_size: float | None = None
    halo: float | None = None
    batch_size: int = 1

    def __post_init__(self) -> None:
        if self.patch_size is not None:
            _number("stream.patch_size", self.patch_size, above=0)
        if self.halo is not None:
            _number("stream.halo", self.halo, least=0)
        _integer("stream.batch_size", self.batch_size, least=1, most=2**20)


@dataclass(frozen=True)
class NetworkConfig:
    """Size of the network and distribution of its symmetrization.

    Args:
        width: of node and edge states; models without attention heads take twice as much.
        heads: attention heads of each layer; null takes the model's default, 8, 4, 2, 1 as published and 2, 2, 1 for
            the default model.
        layers: of models without attention heads; null takes as many as `heads` has, four by default.
        decoder_layers: dense blocks before the readout.
        distribution: of the orthogonal transformations. haar averages over all of them, is exactly invariant and
            samples none. null takes the model's default, haar for the default model, else euler_von_mises.
        transforms: number of sampled transformations, even: half rotations, half improper rotations. Whole orbits are
            multiples of 8.
        resample: whether to sample them anew in every training step.

    Raises:
        InputError: a field is invalid.
    """

    width: int = 32
    heads: tuple[int, ...] | None = None
    layers: int | None = None
    decoder_layers: int = 4
    distribution: Distribution | None = None
    transforms: int = 8
    resample: bool = False

    def __post_init__(self) -> None:
        # The upper bounds stop a slip of the keyboard, or a hostile file, before it takes all memory.
        _integer("network.width", self.width, least=1, most=4096)
        if self.layers is not None:
            _integer("network.layers", self.layers, least=1, most=100)
        _integer("network.decoder_layers", self.decoder_layers, least=0, most=100)
        _choice("network.distribution", self.distribution, (None, *get_args(Distribution)))
        _integer("network.transforms", self.transforms, least=2, most=2**16)
        if self.transforms % 2:
            raise InputError(_SOURCE, "network.transforms", self.transforms, "an even number")
        _type("network.resample", self.resample, bool, "true or false")
        if self.heads is not None:
            _type("network.heads", self.heads, (tuple, list), "one whole number per layer")
            if not self.heads:
                raise InputError(_SOURCE, "network.heads", "none", "at least one layer")
            if len(self.heads) > 100:
                raise InputError(_SOURCE, "network.heads", f"{len(self.heads)} layers", "at most 100")
            for number in self.heads:
                _integer("network.heads", number, least=1, most=256)
            object.__setattr__(self, "heads", tuple(self.heads))


@dataclass(frozen=True)
class OptimizerConfig:
    """Settings of Adam, with a linear warm-up and a cosine decay to zero over the run.

    Args:
        learning_rate: at the end of the warm-up.
        warmup: fraction of all steps.
        clip_norm: gradients of a larger global norm are scaled down to it.

    Raises:
        InputError: a field is invalid.
    """

    learning_rate: float = 4e-3
    warmup: float = 0.05
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        _number("optimizer.learning_rate", self.learning_rate, above=0)
        _number("optimizer.warmup", self.warmup, least=0, most=1)
        _number("optimizer.clip_norm", self.clip_norm, above=0)


@dataclass(frozen=True)
class RunConfig:
    """Settings of one training run.

    Args:
        data: a folder of structure files, or one file; null takes the data set that comes with the package.
        run_dir: folder of the run. It holds configuration, checkpoints, logs, metrics, plots and export.
        model: symgnn_spectral by default, and symgnn_physics with a potential. Others are symgnn, as published, and
            models to compare with: ridge_physics, symgnn_unsymmetrized, symgnn_augmented, egat_length, gcn, gcn_edges,
            egnn, mlp, schnet, mgcn, faenet or bapst.
        potential: LAMMPS file of the potential of the glasses. They are at rest under it.
        pair_style: of the potential; null takes it from the end of the file's name, .eam.fs or .eam.alloy.
        init: run or shipped model to start fine-tuning from. Species and label scaling stay those of that
            run, whose model, graph and network must be the same.
        epochs: passes over the training glasses. A resumed run may have more, with the learning rate of the longer run.
        seed: of weights, transformations and the order of data.
        patience: epochs without a better score that end training; null never ends it early. The
            default model is best after 5 of 100 epochs on 900 labels, and after 23 to 32 of 50 on published glasses.
        precision: the Keras policy of layers. The mixed ones are for GPUs: weights, batch statistics and predictions
            stay in single precision, and with float16 the loss is scaled.
        minutes: training time, in place of `epochs`. It ends training, and the learning rate decays over it. A resumed
            run may have more.
        strategy: the devices that share each step's glasses or patches: one (none), all of this machine (mirrored), or
            those of all machines in the environment variable TF_CONFIG (multiworker).
        label: column or key of energy barriers in the files. They are in eV, one per atom.
        species: chemical symbols of LAMMPS types 1, 2, ..., as in `Cu,Zr`.
        pbc: periodicity along the cell vectors, as in `p,p,f`; null keeps that of the files.
        format: of the files: extxyz, lammps-data, lammps-dump-text, npz, pickle or any that ASE reads; null recognizes
            it.
        atom_style: of LAMMPS data files that do not state it; null guesses it where the rows leave no doubt.
        graph: settings of the neighbor graph.
        stream: settings of the batches of a training step.
        network: size of the model.
        optimizer: settings of Adam.

    Raises:
        InputError: a field is invalid.
    """

    data: str | None = None
    run_dir: str = "runs/first"
    model: str | None = None
    potential: str | None = None
    pair_style: PairStyle | None = None
    init: str | None = None
    epochs: int = 100
    seed: int = 0
    patience: int | None = 30
    precision: Precision = "float32"
    minutes: float | None = None
    strategy: Strategy = "none"
    label: str = names.ENERGY_BARRIER
    species: str | None = None
    pbc: str | None = None
    format: str | None = None
    atom_style: str | None = None
    graph: GraphConfig = field(default_factory=GraphConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self) -> None:
        for name in ("data", "run_dir", "potential", "init"):
            if (value := getattr(self, name)) is not None or name == "run_dir":
                errors.require_path(_SOURCE, name, value)
                object.__setattr__(self, name, os.fspath(value))
        for name in ("model", "label", "species", "pbc", "format", "atom_style"):
            if getattr(self, name) is not None or name == "label":
                _type(name, getattr(self, name), str, "text")
        if not self.model:
            object.__setattr__(self, "model", "symgnn_physics" if self.potential else "symgnn_spectral")
        _choice("pair_style", self.pair_style, (None, *get_args(PairStyle)))
        _integer("epochs", self.epochs, least=1)
        _integer("seed", self.seed, least=0, most=MAX_SEED)
        if self.patience is not None:
            _integer("patience", self.patience, least=1)
        if self.minutes is not None:
            _number("minutes", self.minutes, above=0)
        _choice("precision", self.precision, get_args(Precision))
        _choice("strategy", self.strategy, get_args(Strategy))
        for name, kind in SECTIONS.items():
            _type(name, getattr(self, name), kind, f"a {kind.__name__}")

    def as_plain(self) -> dict:
        """Return the configuration as nested dicts, lists, strings, numbers and None."""
        return json.loads(json.dumps(asdict(self), default=lambda number: number.item()))  # NumPy's numbers

    @property
    def type_names(self) -> tuple[str, ...] | None:
        """Return the chemical symbols of LAMMPS types 1, 2, ..., or None."""
        return split_symbols(self.species)


def split_symbols(symbols: str | None) -> tuple[str, ...] | None:
    """Return the chemical symbols of a list with commas, such as `Cu,Zr`, or None for None or no text."""
    return tuple(symbol.strip() for symbol in symbols.split(",")) if symbols else None


# Fields that are configurations themselves.
SECTIONS = {"graph": GraphConfig, "stream": StreamConfig, "network": NetworkConfig, "optimizer": OptimizerConfig}
