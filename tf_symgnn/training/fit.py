"""One run from configuration to metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from tf_symgnn import names, runtime
from tf_symgnn.config import RunConfig
from tf_symgnn.data import DATA_SET, Glass, InputError, label_weights, require_species
from tf_symgnn.graph import GlassGraph, ReplicaSlice, SubsetStream, to_graph_tensor
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.models.catalog import is_chunked, require_known
from tf_symgnn.potentials.response import PotentialDescriptors
from tf_symgnn.runs import (
    DatasetStatistics,
    RunFolder,
    State,
    configured_model,
    configured_potential,
    glass_graphs,
    open_run,
    package_versions,
    read_labeled,
)
from tf_symgnn.training import finishing
from tf_symgnn.training.batch_statistics import MAX_BATCHES, BatchStatistics
from tf_symgnn.training.budget import MOST_EPOCHS, TimeBudget, falling_rate
from tf_symgnn.training.calibration import Calibration
from tf_symgnn.training.checkpointing import Checkpointing, StopOnNonFinite
from tf_symgnn.training.distribution import Workers
from tf_symgnn.training.monitoring import Progress, TensorBoard
from tf_symgnn.training.regressor import BarrierRegressor
from tf_symgnn.training.streams import subset_stream, validation_batches


def train(
    config: RunConfig,
    *,
    glasses: dict[str, list[Glass]] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
    finish: Callable[[RunFolder], None] | None = None,
) -> RunFolder:
    """Train a model, keep its best weights by validation Pearson, and score them on validation and test.

    Args:
        config: of the run; when resuming, the stored one, or one of more epochs or minutes.
        glasses: of a new run, by split, as `stored_in_run` returns them; None reads those that `config` names.
        resume: continue from the run folder's last finished epoch.
        overwrite: replace a run that the folder holds.
        callbacks: of Keras. Each epoch they run before its state is stored; `self.model.barrier_model` is the model.
        finish: is called with the finished run, while no other process can train in its folder.

    Returns:
        The run's folder.

    Raises:
        InputError: the data, the configuration or the run folder cannot be used, or another process trains in it.
        TrainingStopped: the loss is no longer finite, or another worker is gone or was refused.
    """
    require_known(config.model)
    runtime.configure(chunked=is_chunked(config.model))
    workers = Workers(config)
    with ExitStack() as held:
        with workers.agree():
            folder, splits, statistics, potential, graphs = _prepared(
                config, glasses, workers, held, resume=resume, overwrite=overwrite
            )
        tf.keras.utils.set_random_seed(config.seed)
        with workers.reraise_worker_loss(), workers.strategy.scope():
            model = configured_model(config, statistics.species, statistics.scaling)
        with workers.agree():
            _require_whole_glasses(config, model)
            if workers.is_chief and not resume:
                held.enter_context(folder.locked())
                folder = RunFolder.create(
                    config,
                    splits,
                    statistics,
                    potential=potential,
                    store_glasses=glasses is not None,
                    overwrite=overwrite,
                )
        with workers.reraise_worker_loss():
            training = subset_stream(config, model, graphs[names.TRAIN], weights=label_weights(splits[names.TRAIN]))
            state = _fit(config, workers, folder, model, statistics, graphs, training, callbacks)
        if workers.is_chief:
            # Scored by this process alone, in variables that no other one shares.
            model = folder.build_model() if workers.distributed else model
            finishing.finish(folder, model, state)
            finishing.report(config, folder, model, graphs, splits, state)
            if finish:
                finish(folder)
    return folder


def _prepared(
    config: RunConfig,
    glasses: dict[str, list[Glass]] | None,
    workers: Workers,
    held: ExitStack,
    *,
    resume: bool,
    overwrite: bool,
) -> tuple[
    RunFolder,
    dict[str, list[Glass]],
    DatasetStatistics,
    PotentialDescriptors | None,
    dict[str, list[GlassGraph]],
]:
    """Return the run's folder, its glasses by split, their statistics, the potential and their graphs.

    A new run's folder is not touched. That of a resumed run is locked, until `held` is closed.

    Raises:
        InputError: the data, the configuration or the run folder cannot be used.
    """
    folder = RunFolder.open(config.run_dir) if resume else RunFolder(config.run_dir)
    if resume:
        folder.require_extension(config)
        if workers.is_chief:
            held.enter_context(folder.locked())
            folder.remove_unfinished()
    elif workers.is_chief:
        folder.require_free(overwrite=overwrite)
    # A resumed run keeps what it took from the other, which may be gone by now.
    before = None if config.init is None else folder if resume else _to_start_from(config)
    splits = read_labeled(config) if glasses is None else glasses
    for split in (names.TRAIN, names.VALIDATION):
        if not splits[split]:
            raise InputError(config.data or DATA_SET, f"{split} split", "no glass", "at least one")
    potential = folder.potential() if resume else configured_potential(config, before and before.potential())
    graphs = {split: glass_graphs(config, members, potential) for split, members in splits.items()}
    statistics = DatasetStatistics.of(splits[names.TRAIN], graphs[names.TRAIN], config.graph.cutoff)
    if before is not None:
        statistics = replace(before.statistics(), versions=package_versions(), domain=statistics.domain)
    if resume:
        folder.require_data(splits, statistics)
        statistics = folder.statistics()
    for members in splits.values():
        require_species(members, statistics.species)
    if resume and workers.is_chief:
        folder.extend(config)
    return folder, splits, statistics, potential, graphs


def _require_whole_glasses(config: RunConfig, model: BarrierModel) -> None:
    """Check that a model is not trained on patches, if each prediction depends on the whole glass.

    Raises:
        InputError: it is.
    """
    if config.stream.patch_size and not math.isfinite(model.receptive_field):
        expected = f"none with model {config.model}, whose predictions depend on the whole glass"
        raise InputError("configuration", "stream.patch_size", config.stream.patch_size, expected)


def _to_start_from(config: RunConfig) -> RunFolder:
    """Return the run whose weights a configuration starts from.

    Raises:
        InputError: it has none yet, they are of another model, or the new run would replace them.
    """
    before = open_run(config.init)
    before.require_same_model(config)
    before.require_weights()
    if before.path.resolve() == Path(config.run_dir).resolve():
        raise InputError(config.run_dir, "run folder", "that of the run to start from", "another folder")
    return before


def _fit(
    config: RunConfig,
    workers: Workers,
    folder: RunFolder,
    model: BarrierModel,
    statistics: DatasetStatistics,
    graphs: dict[str, list[GlassGraph]],
    training: SubsetStream,
    callbacks: Sequence[tf.keras.callbacks.Callback],
) -> State:
    """Train from the last finished epoch of the folder; return the state after the last one."""
    if config.minutes is not None:
        config = replace(config, epochs=MOST_EPOCHS)
    if not model.trained.trainable_variables:
        config = replace(config, epochs=1)  # without gradient descent, all epochs are alike
    with workers.strategy.scope():
        regressor = BarrierRegressor(model, statistics.scaling)
        steps = config.epochs * training.steps_per_epoch
        regressor.compile(optimizer=_optimizer(config, steps), weighted_metrics=[])
        regressor.optimizer.build(model.trained.trainable_variables)
    checkpointing = Checkpointing(folder, regressor, patience=config.patience, writes=workers.is_chief)
    checkpointing.restore()
    clock = _clock(config, checkpointing.state)
    first = checkpointing.state.epochs
    if first < config.epochs and not checkpointing.exhausted and not (clock and clock.exhausted):
        if first == 0:
            _start(config, workers, model, training)
        _run_epochs(config, workers, folder, regressor, graphs, training, checkpointing, clock, callbacks)
    return checkpointing.state


def _run_epochs(
    config: RunConfig,
    workers: Workers,
    folder: RunFolder,
    regressor: BarrierRegressor,
    graphs: dict[str, list[GlassGraph]],
    training: SubsetStream,
    checkpointing: Checkpointing,
    clock: TimeBudget | None,
    others: Sequence[tf.keras.callbacks.Callback],
) -> None:
    """Run the Keras fit loop."""
    model, first = regressor.barrier_model, checkpointing.state.epochs
    validation = subset_stream(config, model, graphs[names.VALIDATION], halo=model.receptive_field)
    statistics_of_norms = BatchStatistics(
        model.trained,
        workers.shared(lambda share: training.in_order(share, most=MAX_BATCHES)),
        n_batches=min(training.steps_per_epoch, MAX_BATCHES),
        strategy=workers.strategy,
    )
    batches = validation_batches(config, workers, model, validation)
    fitted = _calibration_batches(config, workers, model, graphs[names.VALIDATION], batches)
    calibration = [Calibration(model, fitted, workers.strategy)] if model.calibrated_values() else []
    progress = Progress(
        epochs=config.epochs if clock is None else None, first_epoch=first, steps_per_epoch=training.steps_per_epoch
    )
    callbacks = [StopOnNonFinite(training, seed=config.seed), statistics_of_norms, *calibration]
    if workers.is_chief:
        callbacks += [progress, TensorBoard(folder, config, graphs[names.VALIDATION], clock=clock)]

    def shuffled(share: ReplicaSlice) -> tf.data.Dataset:
        return training.shuffled(seed=config.seed, first_epoch=first, epochs=config.epochs, share=share)

    with closing(progress):
        regressor.fit(
            workers.shared(shuffled),
            steps_per_epoch=training.steps_per_epoch,
            initial_epoch=first,
            epochs=config.epochs,
            validation_data=batches,
            validation_steps=validation.steps_per_epoch if workers.distributed else None,
            callbacks=[*callbacks, *others, checkpointing, *([clock] if clock else [])],
            verbose=0,
        )


def _calibration_batches(
    config: RunConfig, workers: Workers, model: BarrierModel, validation: list[GlassGraph], batches: tf.data.Dataset
) -> tf.data.Dataset:
    """Return the validation batches, or without the other replicas such of one glass or patch, as one device holds."""
    if not workers.distributed:
        return batches
    single = replace(config, stream=replace(config.stream, batch_size=1))
    return subset_stream(single, model, validation, halo=model.receptive_field).in_order()


def _start(config: RunConfig, workers: Workers, model: BarrierModel, training: SubsetStream) -> None:
    """Give a new run's model the weights that it starts from, and solve what is solved before training."""
    with workers.strategy.scope():
        if config.init:
            open_run(config.init).load_weights(model)
        glasses = training.graphs
        model.prepare(
            [to_graph_tensor(graph) for graph in glasses], [graph.barrier for graph in glasses], training.weights
        )


def _clock(config: RunConfig, state: State) -> TimeBudget | None:
    """Return the clock of a run that time ends."""
    if config.minutes is None:
        return None
    return TimeBudget(config.optimizer, minutes=config.minutes, spent=sum(row["seconds"] for row in state.history))


def _optimizer(config: RunConfig, steps: int) -> tf.keras.optimizers.Optimizer:
    # Where a clock ends the run it sets the learning rate, which is a variable then.
    rate = config.optimizer.learning_rate if config.minutes is not None else falling_rate(config.optimizer, steps)
    adam = tf.keras.optimizers.Adam(rate, global_clipnorm=config.optimizer.clip_norm)
    scaled = config.precision == "mixed_float16"
    return tf.keras.mixed_precision.LossScaleOptimizer(adam) if scaled else adam
