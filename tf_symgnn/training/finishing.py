"""The end of a run: its best weights, stored and scored."""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, noise_ceiling
from tf_symgnn.graph import GlassGraph
from tf_symgnn.inference import CompiledModel
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.runs import RunFolder, State, write_record
from tf_symgnn.training import plots
from tf_symgnn.training.evaluation import evaluate
from tf_symgnn.training.monitoring import BEST


def finish(folder: RunFolder, model: BarrierModel, state: State) -> None:
    """Store the best weights as those to predict with, and print what was fitted on validation."""
    if folder.checkpoints.has_final(state):
        folder.load_weights(model)
        return
    folder.checkpoints.load_best(state, model)
    for name, value in model.calibrated_values().items():
        print(f"the {name}, fitted on validation, is {value:.2f}", file=sys.stderr, flush=True)
    folder.checkpoints.save_final(state, model)


def report(
    config: RunConfig,
    folder: RunFolder,
    model: BarrierModel,
    graphs: dict[str, list[GlassGraph]],
    glasses: dict[str, list[Glass]],
    state: State,
) -> None:
    """Score the best weights, once, and draw the run, as files and in TensorBoard."""
    predict = CompiledModel(model, patch_size=config.stream.patch_size)
    record = {}
    for split in (names.VALIDATION, names.TEST):
        if not graphs[split]:
            continue
        record[split], predictions = evaluate(predict, graphs[split])
        record[split]["noise_ceiling"] = noise_ceiling(glasses[split])
        labels = np.concatenate([graph.barrier for graph in graphs[split]])
        title = f"{split}, epoch {state.best_epoch + 1} (best), {len(labels)} atoms"
        figure = plots.parity(labels, np.concatenate(predictions), title)
        plots.save(figure, folder.plots / f"parity_{split}.png")
        with tf.summary.create_file_writer(str(folder.logs / split)).as_default(step=state.best_epoch):
            for name in ("pearson", "mae", "rmse"):
                if record[split][name] is not None:  # as the Pearson of a constant prediction is
                    tf.summary.scalar(f"{BEST}/{name}", record[split][name])
            tf.summary.image(f"{BEST}/parity", plots.as_image(figure))
    plots.save(plots.learning_curves(state.history), folder.plots / "curves.png")
    record |= {
        "invariance_error": record[names.VALIDATION]["invariance_error"],
        "calibrated": model.calibrated_values(),
        "best_epoch": state.best_epoch + 1,
        "best_epoch_pearson": state.best_pearson,
        "epochs": state.epochs,
        "parameters": int(model.count_params()),
        "seed": config.seed,
        "seconds": sum(row["seconds"] for row in state.history),
    }
    write_record(folder.metrics_file, record)
