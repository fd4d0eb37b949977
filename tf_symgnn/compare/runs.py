"""One run of one model under the protocol, from data to row."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tf_symgnn import names, runtime
from tf_symgnn.compare.ridge import DescriptorRidge, descriptor_graph
from tf_symgnn.compare.rows import Protocol, Row
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass
from tf_symgnn.inference import Predictor
from tf_symgnn.runs import glass_graphs, package_versions, read_history
from tf_symgnn.training import invariance_error, scores_by_glass, train

RUNS = "runs"

# A run is still rising when its last fifth found a validation Pearson that is better by more than this.
LAST_SHARE = 0.2
RISE = 0.01


def network_row(config: RunConfig, glasses: dict[str, list[Glass]], protocol: Protocol) -> Row:
    """Trains a model of the catalog, or goes on with what an interruption left in its run folder.

    Raises:
        InputError: the run folder is of another run.
        TrainingStopped: the loss is no longer finite.
    """
    begun = (Path(config.run_dir) / "config.yaml").exists()
    folder = train(config, resume=begun)
    metrics = json.loads(folder.metrics_file.read_text())
    predict = Predictor(folder.load_model())
    graphs = glass_graphs(config, glasses[names.TRAIN])

    def barrier(glass: Glass) -> np.ndarray:
        return predict(*glass_graphs(config, [glass]))

    return Row(
        model=config.model,
        seed=config.seed,
        **asdict(protocol),
        train=scores_by_glass(graphs, [predict(graph) for graph in graphs]),
        **{split: metrics[split] for split in (names.VALIDATION, names.TEST)},
        invariance_error=metrics["invariance_error"],
        parameters=metrics["parameters"],
        epochs=metrics["epochs"],
        best_epoch=metrics["best_epoch"],
        training_seconds=round(metrics["seconds"], 3),
        prediction_seconds=_seconds(barrier, glasses[names.VALIDATION]),
        rising=still_rising(read_history(folder)),
        **circumstances(),
    )


def ridge_row(glasses: dict[str, list[Glass]], protocol: Protocol) -> Row:
    """Fits ridge regression on structural descriptors; nothing in it is random, so one run is all there is."""
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
        **asdict(protocol),
        **{split: scores_by_glass(graphs[split], predictions[split]) for split in names.SPLITS},
        invariance_error=invariance_error(model.predict, *validation),
        parameters=model.parameters,
        epochs=None,
        best_epoch=None,
        training_seconds=training_seconds,
        prediction_seconds=_seconds(lambda glass: model.predict(descriptor_graph(glass)), glasses[names.VALIDATION]),
        rising=False,
        **circumstances(),
    )


def still_rising(history: list[dict]) -> bool:
    """Whether the last fifth of a run's time found a validation Pearson better by more than 0.01 than all before.

    A run that stopped because nothing got better has found nothing in its last fifth or is told here like any other.
    """
    seconds = np.cumsum([row["seconds"] for row in history])
    pearson = np.nan_to_num([row["val_pearson"] for row in history], nan=-1.0)
    last = seconds > (1 - LAST_SHARE) * seconds[-1]
    before = pearson[~last].max(initial=-1.0)
    return bool(pearson[last].max() > before + RISE)


def _seconds(barrier: Callable[[Glass], np.ndarray], glasses: list[Glass]) -> float:
    """Mean seconds a glass, after one to warm up."""
    barrier(glasses[0])
    started = time.perf_counter()
    for glass in glasses:
        barrier(glass)
    return round((time.perf_counter() - started) / len(glasses), 3)


def circumstances() -> dict:
    """The `machine`, processor and cores, and the `versions` of the packages."""
    return {"machine": f"{_processor()}, {runtime.usable_cores()} cores", "versions": package_versions()}


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    named = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()
