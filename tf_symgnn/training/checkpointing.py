"""Best weights by validation Pearson, early stopping, and checkpoints that a killed run goes on from."""

from __future__ import annotations

import math
import time

import tensorflow as tf

from tf_symgnn.data import as_input_error
from tf_symgnn.graph import SubsetStream
from tf_symgnn.runs import RunFolder, read_history
from tf_symgnn.runs.history import write_history


class TrainingStopped(RuntimeError):
    """Training cannot go on; the message says where and why."""


class Checkpointing(tf.keras.callbacks.Callback):
    """Keeps the best weights, stops early, and saves after every epoch all that the next one depends on.

    The order of the data is a function of seed and epoch, so what a killed run goes on to from its last checkpoint is
    what it would have been.

    Args:
        folder: of the run.
        regressor: the compiled model, its optimizer built.
        patience: epochs without a better validation Pearson before stopping, or None.
        writes: whether this process is the one that writes to the folder.
    """

    def __init__(self, folder: RunFolder, regressor: tf.keras.Model, *, patience: int | None, writes: bool = True):
        super().__init__()
        self._folder, self._patience, self._writes = folder, patience, writes
        self._next_epoch = tf.Variable(0, dtype=tf.int64)
        self._best_epoch = tf.Variable(-1, dtype=tf.int64)
        self._best_pearson = tf.Variable(-math.inf, dtype=tf.float64)
        self._barrier_model = regressor.barrier_model
        state = tf.train.Checkpoint(
            model=self._barrier_model,
            optimizer=regressor.optimizer,
            next_epoch=self._next_epoch,
            best_epoch=self._best_epoch,
            best_pearson=self._best_pearson,
        )
        # Made by all: later only one process saves, and a variable is made by all workers together or not at all.
        self._saves = state.save_counter
        self._manager = tf.train.CheckpointManager(state, str(folder.checkpoints), max_to_keep=2)
        self.history: list[dict] = []
        self._started = self._step_started = self._in_steps = 0.0

    @property
    def next_epoch(self) -> int:
        """The first epoch that is not finished."""
        return int(self._next_epoch)

    @property
    def best_epoch(self) -> int:
        """The epoch of the best weights, from 0; -1 before the first."""
        return int(self._best_epoch)

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self._patience is not None and self.next_epoch - 1 - max(self.best_epoch, 0) >= self._patience

    def restore(self) -> None:
        """Goes back to the last finished epoch, if there is one.

        Raises:
            InputError: the checkpoint is damaged or of another model, as one of an earlier version may be.
        """
        if self._manager.latest_checkpoint:
            checkpoint = self._manager.latest_checkpoint
            expected = "the state that training wrote, by this version, for the model of config.yaml"
            with as_input_error(checkpoint, "checkpoint", expected):
                self._manager.checkpoint.restore(checkpoint).assert_consumed()
            self.history = [row for row in read_history(self._folder) if row["epoch"] < self.next_epoch]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the epoch's clocks."""
        self._started, self._in_steps = time.perf_counter(), 0.0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Starts the clock of training steps."""
        self._step_started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stops the clock of training steps."""
        self._in_steps += time.perf_counter() - self._step_started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Files the epoch; the checkpoint is written last, so that what it counts as done is done."""
        if not math.isfinite(logs["val_loss"]):
            raise TrainingStopped(f"validation loss is {logs['val_loss']} after epoch {epoch + 1}")
        # An undefined Pearson (NaN, of a constant prediction) is better than nothing only.
        if self.best_epoch < 0 or logs["val_pearson"] > float(self._best_pearson):
            self._best_pearson.assign(logs["val_pearson"] if math.isfinite(logs["val_pearson"]) else -1.0)
            self._best_epoch.assign(epoch)
            if self._writes:
                self._folder.save_best_weights(self._barrier_model)
        seconds = time.perf_counter() - self._started
        scores = {name: float(value) for name, value in logs.items()}
        self.history.append({"epoch": epoch, **scores, "seconds": seconds, "step_seconds": self._in_steps})
        if self._writes:
            write_history(self._folder, self.history)
        self._next_epoch.assign(epoch + 1)
        if self._writes:
            self._manager.save(checkpoint_number=epoch + 1)
        if self.exhausted:
            self.model.stop_training = True


class StopOnNonFinite(tf.keras.callbacks.Callback):
    """Stops the run with a message that says where when the loss is no longer a finite number.

    Args:
        stream: of the training data.
        seed: of its order.
    """

    def __init__(self, stream: SubsetStream, *, seed: int):
        super().__init__()
        self._stream, self._seed, self._epoch = stream, seed, 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remembers the epoch, for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Raises TrainingStopped when the loss or the gradient is not finite."""
        bad = [name for name in ("loss", "gradient_norm") if not math.isfinite(logs[name])]
        if bad:
            glasses = ", ".join(self._stream.names_at(seed=self._seed, epoch=self._epoch, step=batch))
            raise TrainingStopped(
                f"{bad[0].replace('_', ' ')} is {logs[bad[0]]} at epoch {self._epoch + 1}, step {batch + 1} "
                f"({glasses}); a smaller optimizer.learning_rate or optimizer.clip_norm may help"
            )
