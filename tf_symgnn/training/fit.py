"""One run from configuration to metrics."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_symgnn import names, runtime
from tf_symgnn.config import RunConfig
from tf_symgnn.data import SAMPLE, Glass, InputError, require_species
from tf_symgnn.graph import GlassGraph, SubsetStream, to_graph_tensor
from tf_symgnn.inference import Predictor
from tf_symgnn.models.catalog import build_model, is_chunked, require_known
from tf_symgnn.models.hybrid import SpectralSymGNN
from tf_symgnn.runs import RunFacts, RunFolder, glass_graphs, package_versions, read_labelled
from tf_symgnn.runs.statistics import facts_of
from tf_symgnn.training import plots
from tf_symgnn.training.batch_statistics import EpochStatistics, settle
from tf_symgnn.training.budget import TimeBudget, falling_rate
from tf_symgnn.training.checkpointing import Checkpointing, StopOnNonFinite
from tf_symgnn.training.distribution import Team
from tf_symgnn.training.evaluation import evaluate
from tf_symgnn.training.monitoring import Progress, TensorBoard
from tf_symgnn.training.regressor import BarrierRegressor


def train(config: RunConfig, *, resume: bool = False, overwrite: bool = False) -> RunFolder:
    """Trains a model, keeps its best weights by validation Pearson, and scores them on validation and test.

    Args:
        config: of the run; when resuming, the stored one.
        resume: go on from the run folder's last finished epoch.
        overwrite: replace a run that the folder holds.

    Raises:
        InputError: the data, the configuration or the run folder cannot be used.
        TrainingStopped: the loss is no longer finite, or another worker is gone or was refused.
    """
    require_known(config)
    runtime.configure(chunked=is_chunked(config.model))
    team = Team(config)
    with team.unanimous():
        folder, splits, facts, graphs = _prepared(config, team, resume=resume, overwrite=overwrite)
    tf.keras.utils.set_random_seed(config.seed)
    with team.together(), team.strategy.scope():
        network = build_model(config, facts.species, facts.scaling)
    with team.unanimous():
        if team.is_chief and not resume:
            folder = RunFolder.create(config, splits, facts, overwrite=overwrite)
    with team.together():
        stream = _stream(config, network, graphs[names.TRAIN])
        course = _fit(config, team, folder, network, facts, graphs, stream)
    if team.is_chief:
        # Scored by this process alone, in variables that no other one shares.
        network = folder.build_model() if team.distributed else network
        folder.load_best_weights(network)
        print("settling batch statistics, one more pass over the training glasses", file=sys.stderr, flush=True)
        settle(network, (graph for graph, *_ in stream.in_order()))
        if isinstance(network, SpectralSymGNN):
            weigh(network, graphs[names.VALIDATION], patch_size=config.stream.patch_size)
        folder.save_best_weights(network)
        _report(config, folder, network, graphs, course)
    return folder


def adapt(network: SpectralSymGNN, graphs: Sequence[GlassGraph]) -> None:
    """Solves for the part of a network that is not trained, on the training glasses."""
    print(f"solving the ridge regression on {len(graphs)} glasses", file=sys.stderr, flush=True)
    network.adapt([to_graph_tensor(graph) for graph in graphs], [graph.barrier for graph in graphs])


def weigh(network: SpectralSymGNN, graphs: Sequence[GlassGraph], *, patch_size: float | None = None) -> None:
    """Has SymGNN heard beside the regression as much as leaves labelled glasses the errors that spread least.

    Epochs are compared before, SymGNN half heard in each.
    """
    predict, predictions = Predictor(network, patch_size=patch_size), []
    for share in (0.0, 1.0):
        network.share.assign(share)
        predictions.append(np.concatenate([predict(graph) for graph in graphs]))
    linear, whole = predictions
    added, left = whole - linear, np.concatenate([graph.barrier for graph in graphs]) - linear
    share = np.cov(added, left)[0, 1] / added.var(ddof=1) if np.ptp(added) > 0 else 0.0
    share = float(np.clip(share, 0.0, 1.0))
    network.share.assign(share)
    print(f"of what SymGNN says otherwise than the regression {share:.0%} count", file=sys.stderr, flush=True)


def _prepared(
    config: RunConfig, team: Team, *, resume: bool, overwrite: bool
) -> tuple[RunFolder, dict[str, list[Glass]], RunFacts, dict[str, list[GlassGraph]]]:
    """The run's folder, as yet untouched, its glasses by split, what they say, and their graphs.

    Raises:
        InputError: the data, the configuration or the run folder cannot be used.
    """
    folder = RunFolder.open(config.run_dir) if resume else RunFolder(config.run_dir)
    if resume:
        folder.require_config(config)
    elif team.is_chief:
        folder.refuse_occupied(overwrite=overwrite)
    splits = read_labelled(config)
    for split in (names.TRAIN, names.VALIDATION):
        if not splits[split]:
            raise InputError(config.data or SAMPLE, f"{split} split", "no glass", "at least one")
    facts = facts_of(splits[names.TRAIN])
    if config.init:
        # A run that goes on keeps what it took from the other, which may be gone by now.
        before = folder if resume else _to_start_from(config)
        facts = replace(before.facts(), versions=package_versions())
    if resume:
        folder.require_data(splits, facts)
        facts = folder.facts()
    for glasses in splits.values():
        require_species(glasses, facts.species)
    return folder, splits, facts, {split: glass_graphs(config, glasses) for split, glasses in splits.items()}


def _to_start_from(config: RunConfig) -> RunFolder:
    """The run whose weights a configuration starts from.

    Raises:
        InputError: it has none yet, they are of another model, or the new run would replace them.
    """
    before = RunFolder.open(config.init)
    before.require_same_model(config)
    before.require_weights()
    if before.path.resolve() == Path(config.run_dir).resolve():
        raise InputError(config.run_dir, "run folder", "that of the run to start from", "another folder")
    return before


def _fit(
    config: RunConfig,
    team: Team,
    folder: RunFolder,
    network: tf.keras.Model,
    facts: RunFacts,
    graphs: dict[str, list[GlassGraph]],
    stream: SubsetStream,
) -> Checkpointing:
    """Runs the Keras fit loop from where the folder stands; returns the course it took."""
    validation = SubsetStream(graphs[names.VALIDATION], **_patches(config), halo=network.receptive_field)

    with team.strategy.scope():
        regressor = BarrierRegressor(network, facts.scaling)
        steps = config.epochs * stream.steps_per_epoch
        regressor.compile(optimizer=_optimizer(config, steps), weighted_metrics=[])
        regressor.optimizer.build(regressor.trainable_variables)
    checkpointing = Checkpointing(folder, regressor, patience=config.patience, writes=team.is_chief)
    checkpointing.restore()
    first = checkpointing.next_epoch
    budget = _budget(config, checkpointing)
    if first >= config.epochs or checkpointing.exhausted or any(clock.exhausted for clock in budget):
        return checkpointing
    if first == 0:
        with team.strategy.scope():
            if config.init:
                RunFolder.open(config.init).load_best_weights(network)
            if isinstance(network, SpectralSymGNN):
                adapt(network, graphs[names.TRAIN])

    validation_data = team.shared(validation.in_order)
    # Patches are streamed as they do not fit in memory, and what replicas share cannot be made anew.
    if isinstance(network, SpectralSymGNN) and config.stream.patch_size is None and not team.distributed:
        validation_data = with_linear_part(network, validation_data)
    callbacks = [StopOnNonFinite(stream, seed=config.seed), EpochStatistics(network)]
    bound = config.epochs if config.minutes is None else None
    progress = Progress(epochs=bound, first_epoch=first, steps_per_epoch=stream.steps_per_epoch)
    if team.is_chief:
        callbacks += [progress, TensorBoard(folder, config, graphs[names.VALIDATION])]
    order = {"seed": config.seed, "first_epoch": first, "epochs": config.epochs}
    try:
        regressor.fit(
            team.shared(lambda share: stream.shuffled(**order, share=share)),
            steps_per_epoch=stream.steps_per_epoch,
            initial_epoch=first,
            epochs=config.epochs,
            validation_data=validation_data,
            validation_steps=validation.steps_per_epoch if team.distributed else None,
            callbacks=[*callbacks, checkpointing, *budget],
            verbose=0,
        )
    finally:
        progress.close()
    return checkpointing


def with_linear_part(network: SpectralSymGNN, batches: tf.data.Dataset) -> tf.data.Dataset:
    """Batches, kept in memory, whose graphs say what the network's regression predicts, which training leaves alone.

    That is more than half of what a prediction costs, and an epoch ends with one of each validation glass.
    """
    # By a generator, for a function that maps a dataset cannot use variables that lie on another device.
    spec, *others = batches.element_spec
    asked = tf.function(network.with_linear_part, input_signature=[spec])
    answered = asked.get_concrete_function().structured_outputs.spec
    known = tf.data.Dataset.from_generator(
        lambda: ((asked(graph), *rest) for graph, *rest in batches), output_signature=(answered, *others)
    )
    return known.cache().with_options(batches.options())


def _stream(config: RunConfig, network: tf.keras.Model, graphs: Sequence[GlassGraph]) -> SubsetStream:
    """What training takes its steps on."""
    halo = network.receptive_field if config.stream.halo is None else config.stream.halo
    return SubsetStream(graphs, **_patches(config), halo=halo)


def _patches(config: RunConfig) -> dict:
    return {"batch_size": config.stream.batch_size, "patch_size": config.stream.patch_size}


def _budget(config: RunConfig, course: Checkpointing) -> list[TimeBudget]:
    """The clock of a run that has one."""
    if config.minutes is None:
        return []
    spent = sum(row["seconds"] for row in course.history)
    return [TimeBudget(config.optimizer, minutes=config.minutes, spent=spent)]


def _optimizer(config: RunConfig, steps: int) -> tf.keras.optimizers.Optimizer:
    # Where a clock ends the run it sets the learning rate, which is a variable then.
    rate = config.optimizer.learning_rate if config.minutes is not None else falling_rate(config.optimizer, steps)
    adam = tf.keras.optimizers.Adam(rate, global_clipnorm=config.optimizer.clip_norm)
    scaled = config.precision == "mixed_float16"
    return tf.keras.mixed_precision.LossScaleOptimizer(adam) if scaled else adam


def _report(
    config: RunConfig,
    folder: RunFolder,
    network: tf.keras.Model,
    graphs: dict[str, list[GlassGraph]],
    course: Checkpointing,
) -> None:
    """Scores the best weights, once, and draws the run."""
    predict = Predictor(network, patch_size=config.stream.patch_size)
    record = {}
    for split in (names.VALIDATION, names.TEST):
        if not graphs[split]:
            continue
        record[split], predictions = evaluate(predict, graphs[split])
        labels = np.concatenate([graph.barrier for graph in graphs[split]])
        figure = plots.parity(labels, np.concatenate(predictions), f"{split}, {len(labels)} atoms")
        plots.save(figure, folder.plots / f"parity_{split}.png")
    plots.save(plots.learning_curves(course.history), folder.plots / "curves.png")
    record |= {
        "invariance_error": record[names.VALIDATION]["invariance_error"],
        "best_epoch": course.best_epoch + 1,
        "epochs": course.next_epoch,
        "parameters": int(network.count_params()),
        "seed": config.seed,
        "seconds": sum(row["seconds"] for row in course.history),
    }
    folder.write_json(folder.metrics_file, record)
