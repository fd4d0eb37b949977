"""One run of one model under the protocol, from glasses to a row."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tf_symgnn import names, runtime
from tf_symgnn.compare.ridge import DescriptorRidge, descriptor_graph
from tf_symgnn.compare.rows import Protocol, Row
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass
from tf_symgnn.inference import CompiledModel
from tf_symgnn.models.catalog import needs_potential
from tf_symgnn.runs import package_versions, read_history
from tf_symgnn.training import invariance_error, scores_by_glass, train

RUNS = "runs"

# A run is still rising if the last fifth of its time improved the best validation Pearson by more than 0.01.
LAST_FRACTION = 0.2
MIN_RISE = 0.01


def network_row(config: RunConfig, glasses: dict[str, list[Glass]], protocol: Protocol) -> Row:
    """Train a model of the catalog, or continue an interrupted run, and return its row.

    Args:
        config: configuration of the run.
        glasses: glasses of each split.
        protocol: protocol of the table.

    Raises:
        InputError: the run folder holds another run.
        TrainingStopped: the loss is no longer finite.
    """
    folder = train(config, resume=(Path(config.run_dir) / "config.yaml").exists())
    metrics = folder.metrics()
    model = folder.load_model()
    predict = CompiledModel(model)
    graphs = folder.graphs(glasses[names.TRAIN])

    def barrier(glass: Glass) -> np.ndarray:
        return predict(*folder.graphs([glass]))

    return Row(
        model=config.model,
        seed=config.seed,
        budget_minutes=protocol.budget_minutes,
        configuration=protocol.configuration,
        splits=protocol.splits,
        label_mean=protocol.label_mean,
        label_std=protocol.label_std,
        potential=protocol.potential if needs_potential(config.model) else None,
        train=scores_by_glass(graphs, [predict(graph) for graph in graphs]),
        validation=metrics[names.VALIDATION],
        test=metrics[names.TEST],
        invariance_error=metrics["invariance_error"],
        parameters=metrics["parameters"],
        epochs=metrics["epochs"],
        best_epoch=metrics["best_epoch"],
        training_seconds=round(metrics["seconds"], 3),
        prediction_seconds=_mean_seconds(barrier, glasses[names.VALIDATION]),
        # A model without gradient descent is finished after its only epoch.
        rising=bool(model.trained.trainable_variables) and still_rising(read_history(folder)),
        machine=machine(),
        versions=package_versions(),
    )


def ridge_row(glasses: dict[str, list[Glass]], protocol: Protocol) -> Row:
    """Fit ridge regression on structural descriptors and return its row, with seed 0: nothing in it is random.

    Args:
        glasses: glasses of each split.
        protocol: protocol of the table.
    """
    graphs = {split: [descriptor_graph(glass) for glass in members] for split, members in glasses.items()}
    started = time.perf_counter()
    model = DescriptorRidge(np.unique(np.concatenate([graph.atomic_numbers for graph in graphs[names.TRAIN]])))
    model.fit(graphs[names.TRAIN])
    training_seconds = round(time.perf_counter() - started, 3)
    predictions = {split: [model.predict(graph) for graph in members] for split, members in graphs.items()}
    validation = graphs[names.VALIDATION], predictions[names.VALIDATION]
    return Row(
        model="ridge",
        seed=0,
        budget_minutes=protocol.budget_minutes,
        configuration=protocol.configuration,
        splits=protocol.splits,
        label_mean=protocol.label_mean,
        label_std=protocol.label_std,
        train=scores_by_glass(graphs[names.TRAIN], predictions[names.TRAIN]),
        validation=scores_by_glass(*validation),
        test=scores_by_glass(graphs[names.TEST], predictions[names.TEST]),
        invariance_error=invariance_error(model.predict, *validation),
        parameters=model.parameters,
        epochs=None,
        best_epoch=None,
        training_seconds=training_seconds,
        prediction_seconds=_mean_seconds(
            lambda glass: model.predict(descriptor_graph(glass)), glasses[names.VALIDATION]
        ),
        rising=False,
        machine=machine(),
        versions=package_versions(),
    )


def still_rising(history: list[dict]) -> bool:
    """Return whether the last fifth of a run's time improved the best validation Pearson by more than 0.01.

    Args:
        history: one record per epoch with `seconds` and `val_pearson`.
    """
    seconds = np.cumsum([row["seconds"] for row in history])
    pearson = np.nan_to_num([row["val_pearson"] for row in history], nan=-1.0)
    last = seconds > (1 - LAST_FRACTION) * seconds[-1]
    before = pearson[~last].max(initial=-1.0)
    return bool(pearson[last].max() > before + MIN_RISE)


def _mean_seconds(barrier: Callable[[Glass], np.ndarray], glasses: list[Glass]) -> float:
    """Return the mean seconds per glass, after one call that compiles."""
    barrier(glasses[0])
    started = time.perf_counter()
    for glass in glasses:
        barrier(glass)
    return round((time.perf_counter() - started) / len(glasses), 3)


def machine() -> str:
    """Return the processor's name and the number of usable cores."""
    return f"{_processor()}, {runtime.usable_cores()} cores"


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
