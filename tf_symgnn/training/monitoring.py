"""A progress bar and TensorBoard logs of a run."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tqdm import tqdm

from tf_symgnn import names
from tf_symgnn.config import RunConfig
from tf_symgnn.graph import GlassGraph
from tf_symgnn.inference import CompiledModel
from tf_symgnn.models.catalog import complete
from tf_symgnn.nn.orthogonal import OrthogonalDistribution
from tf_symgnn.progress import progress_bar
from tf_symgnn.runs.folder import RunFolder
from tf_symgnn.training import plots
from tf_symgnn.training.budget import TimeBudget
from tf_symgnn.training.regressor import NETWORK_PREFIX

# Tags of the best epoch's scores and parity plots begin with it.
BEST = "best"
# Number of pictures over a run; each costs a prediction and a second of drawing.
PICTURES = 20


class Progress(tf.keras.callbacks.Callback):
    """Shows one bar over all steps of the run with the time left, and prints one line per epoch.

    Args:
        epochs: of the whole run, or None where time ends it.
        first_epoch: first epoch of this process.
        steps_per_epoch: number of batches per epoch.
    """

    def __init__(self, *, epochs: int | None, first_epoch: int, steps_per_epoch: int):
        super().__init__()
        self._of = "" if epochs is None else f"/{epochs}"
        self._total, self._initial = epochs and epochs * steps_per_epoch, first_epoch * steps_per_epoch
        self._bar = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Open the bar."""
        self._bar = progress_bar(unit="step", total=self._total, initial=self._initial)

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Advance the bar."""
        self._bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Print the scores of the epoch."""
        # Scores of training are those of the part that is trained by gradient descent.
        of = " of the network" if f"val_{NETWORK_PREFIX}loss" in logs else ""
        tqdm.write(
            f"epoch {epoch + 1}{self._of}  training{of}: loss {logs['loss']:.4f}, pearson {logs['pearson']:.4f}; "
            f"validation: loss {logs['val_loss']:.4f}, pearson {logs['val_pearson']:.4f}, mae {logs['val_mae']:.4f} eV"
        )

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


class TensorBoard(tf.keras.callbacks.Callback):
    """Writes to `logs/`: scalars every epoch, pictures 20 times per run, hyperparameters once.

    Args:
        folder: of the run.
        config: of the run.
        validation: validation glasses, for the parity plot.
        clock: of a run that ends by time, over which its pictures are spread; else they are over its epochs.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        validation: list[GlassGraph],
        *,
        clock: TimeBudget | None = None,
    ):
        super().__init__()
        self._folder, self._config, self._validation = folder, config, validation
        splits = (names.TRAIN, names.VALIDATION)
        self._writers = {split: tf.summary.create_file_writer(str(folder.logs / split)) for split in splits}
        self._clock, self._pictures = clock, 0
        self._predict = None
        self._started = 0.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Write the configuration as text and as hyperparameters."""
        self._predict = CompiledModel(self.model.barrier_model, patch_size=self._config.stream.patch_size)
        with self._writers[names.TRAIN].as_default():
            tf.summary.text("config", f"```\n{self._folder.config_file.read_text()}```", step=0)
        settings = effective_settings(self._config)
        metrics = [
            hparams.Metric(f"{BEST}/{score}", group=split, display_name=f"{split} {score}")
            for split in (names.VALIDATION, names.TEST)
            for score in ("pearson", "mae")
        ]
        # In the folder above all splits, so that the table of TensorBoard shows the metrics of all.
        with tf.summary.create_file_writer(str(self._folder.logs)).as_default():
            hparams.hparams_config(hparams=[hparams.HParam(name) for name in settings], metrics=metrics)
            hparams.hparams(settings, trial_id=self._config.run_dir)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the clock of the epoch's training steps."""
        self._started = time.perf_counter()
        self._seconds = 0.0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stop the clock at the last training step, so that validation does not count."""
        self._seconds = time.perf_counter() - self._started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Write the epoch's scalars, and pictures when they are due."""
        optimizer = self.model.optimizer
        scores = ("loss", "pearson", "mae", "rmse")
        # Curves of one tag are of one model: of the network where gradient descent fits that part of the model only.
        of_network = f"val_{NETWORK_PREFIX}loss" in logs
        trained = NETWORK_PREFIX.replace("_", "/") if of_network else ""
        with self._writers[names.TRAIN].as_default(step=epoch):
            for name in scores:
                tf.summary.scalar(f"{trained}{name}", logs[name])
            tf.summary.scalar("gradient_norm", logs["gradient_norm"])
            tf.summary.scalar("learning_rate", optimizer.learning_rate)
            tf.summary.scalar("atoms_per_second", logs["atoms"] / max(self._seconds, 1e-9))
            for distribution in self._distributions():
                self._describe(distribution)
        with self._writers[names.VALIDATION].as_default(step=epoch):
            for name in scores:
                tf.summary.scalar(name, logs[f"val_{name}"])
                if of_network:
                    tf.summary.scalar(f"{trained}{name}", logs[f"val_{NETWORK_PREFIX}{name}"])
        if self._picture_is_due(epoch):
            self._draw(epoch)
        for writer in self._writers.values():
            writer.flush()

    def _picture_is_due(self, epoch: int) -> bool:
        """Return whether the run has come to its next picture; the first and the last epoch have one."""
        share = epoch / self._config.epochs if self._clock is None else self._clock.share
        due = int(share * PICTURES) >= self._pictures or epoch == self._config.epochs - 1
        if due:
            self._pictures = int(share * PICTURES) + 1
        return due

    def _distributions(self) -> list[OrthogonalDistribution]:
        return [m for m in self.model.barrier_model.submodules if isinstance(m, OrthogonalDistribution)]

    def _describe(self, distribution: OrthogonalDistribution) -> None:
        for variable in distribution.trainable_variables:
            name = variable.name.split("/")[-1].split(":")[0]
            tf.summary.histogram(f"{distribution.name}/{name}", variable)
            for index, value in np.ndenumerate(variable.numpy()):
                kind = ("rotations", "improper")[index[0]]
                place = "_".join(str(k) for k in index[1:])
                tf.summary.scalar(f"{distribution.name}/{name}/{kind}_{place}", value)

    def _draw(self, epoch: int) -> None:
        with self._writers[names.VALIDATION].as_default(step=epoch):
            labels = np.concatenate([graph.barrier for graph in self._validation])
            predictions = [self._predict(graph) for graph in self._validation]
            figure = plots.parity(labels, np.concatenate(predictions), f"validation, epoch {epoch + 1}")
            tf.summary.image("parity", plots.as_image(figure))
        with self._writers[names.TRAIN].as_default(step=epoch):
            for distribution in self._distributions():
                drawn = distribution.sample(400, seed=0).numpy()
                tf.summary.image(f"{distribution.name}/directions", plots.as_image(plots.directions(drawn)))


def effective_settings(config: RunConfig) -> dict[str, bool | int | float | str]:
    """Return the fields of a configuration by dotted names, with the model's own values in place of null."""
    return _flat(replace(config, network=complete(config.model, config.network)).as_plain())


def _flat(config: dict, prefix: str = "") -> dict[str, bool | int | float | str]:
    """Return nested fields by dotted names, with values of the types that the hyperparameter table accepts."""
    flat = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return flat
