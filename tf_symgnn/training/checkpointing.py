"""Best weights by validation Pearson, early stopping, and checkpoints from which a killed run continues."""

from __future__ import annotations

import math
import time

import tensorflow as tf

from tf_symgnn.graph import SubsetStream
from tf_symgnn.runs import RunFolder, State, notice_lost_epochs, write_history


class TrainingStopped(RuntimeError):
    """Training cannot continue; the message contains the place and the reason."""


class Checkpointing(tf.keras.callbacks.Callback):
    """Keeps the best weights, stops early, and saves after every epoch all that the next one depends on.

    The order of the data is a function of seed and epoch, so that a run that is resumed from its last checkpoint gives
    the results of an uninterrupted one.

    Args:
        folder: of the run.
        regressor: the compiled model, its optimizer built.
        patience: epochs without a better validation Pearson before stopping, or None.
        writes: whether this process is the one that writes to the folder.
    """

    def __init__(self, folder: RunFolder, regressor: tf.keras.Model, *, patience: int | None, writes: bool = True):
        super().__init__()
        self._folder, self._patience, self._writes = folder, patience, writes
        self._barrier_model = regressor.barrier_model
        self._variables = tf.train.Checkpoint(model=self._barrier_model, optimizer=regressor.optimizer)
        self.state = State()
        self._started = self._step_started = self._in_steps = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self.state.exhausted(self._patience)

    def restore(self) -> None:
        """Restore the last finished epoch, if there is one.

        Raises:
            InputError: the checkpoint is damaged, gone, or of another model, as one of an earlier version may be.
        """
        self.state = self._folder.state()
        if not self.state.epochs:
            return
        self._folder.checkpoints.restore(self.state, self._variables)
        if self._writes:
            notice_lost_epochs(self._folder, self.state.epochs)
            # A kill may have come between the checkpoint and its readable copy.
            write_history(self._folder, self.state.history)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the epoch's clocks."""
        self._started, self._in_steps = time.perf_counter(), 0.0

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Start the clock of training steps."""
        self._step_started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Stop the clock of training steps."""
        self._in_steps += time.perf_counter() - self._step_started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Store the epoch; the history for people is written last, since it repeats what the checkpoint holds."""
        if not math.isfinite(logs["val_loss"]):
            raise TrainingStopped(f"validation loss is {logs['val_loss']} after epoch {epoch + 1}")
        best_epoch, best_pearson = self.state.best_epoch, self.state.best_pearson
        # An undefined Pearson (NaN, of a constant prediction) counts as the lowest.
        if best_epoch < 0 or logs["val_pearson"] > best_pearson:
            best_epoch = epoch
            best_pearson = float(logs["val_pearson"]) if math.isfinite(logs["val_pearson"]) else -1.0
        seconds = time.perf_counter() - self._started
        scores = {name: float(value) for name, value in logs.items()}
        row = {"epoch": epoch, **scores, "seconds": seconds, "step_seconds": self._in_steps}
        self.state = State(epoch + 1, best_epoch, best_pearson, [*self.state.history, row])
        if self._writes:
            self._folder.checkpoints.save(self.state, self._variables, self._barrier_model)
            write_history(self._folder, self.state.history)
        if self.exhausted:
            self.model.stop_training = True


class StopOnNonFinite(tf.keras.callbacks.Callback):
    """Stops the run when the loss is no longer a finite number, with a message that names the step and its glasses.

    Args:
        stream: of the training data.
        seed: of its order.
    """

    def __init__(self, stream: SubsetStream, *, seed: int):
        super().__init__()
        self._stream, self._seed, self._epoch = stream, seed, 0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Store the epoch, for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        """Raise TrainingStopped when the loss or the gradient is not finite."""
        bad = [name for name in ("loss", "gradient_norm") if not math.isfinite(logs[name])]
        if bad:
            glasses = ", ".join(self._stream.names_at(seed=self._seed, epoch=self._epoch, step=batch))
            raise TrainingStopped(
                f"{bad[0].replace('_', ' ')} is {logs[bad[0]]} at epoch {self._epoch + 1}, step {batch + 1} "
                f"({glasses}); a smaller optimizer.learning_rate or optimizer.clip_norm may help"
            )
