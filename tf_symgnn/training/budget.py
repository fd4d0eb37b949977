"""The learning rate over a run, and a run that ends when its time is spent."""

from __future__ import annotations

import math
import time

import tensorflow as tf

from tf_symgnn.config import OptimizerConfig


class TimeBudget(tf.keras.callbacks.Callback):
    """Lets the learning rate fall to zero over minutes of training, and stops before an epoch that would take longer.

    So runs of models of any speed have the same time and the same schedule in it. How far a run comes depends on the
    machine: it is not repeated to the last digit.

    Args:
        config: of the optimizer.
        minutes: that training takes, validation included.
        spent: seconds that went by before, in a run that goes on.
    """

    def __init__(self, config: OptimizerConfig, *, minutes: float, spent: float):
        super().__init__()
        self._config, self._seconds, self._spent = config, 60 * minutes, spent
        self._started = self._epoch_started = time.perf_counter()

    @property
    def exhausted(self) -> bool:
        """Whether no time is left."""
        return self.share >= 1

    @property
    def share(self) -> float:
        """Return the share of the time that is spent."""
        return self._elapsed() / self._seconds

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts the clock."""
        self._started = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Starts the epoch's clock."""
        self._epoch_started = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Sets the learning rate for the time gone by."""
        self.model.optimizer.learning_rate.assign(rate_at(self._config, self.share))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Stops training where another epoch like this one would not fit."""
        if self._elapsed() + time.perf_counter() - self._epoch_started > self._seconds:
            self.model.stop_training = True

    def _elapsed(self) -> float:
        return self._spent + time.perf_counter() - self._started


def rate_at(config: OptimizerConfig, share: float) -> float:
    """The learning rate when a share of the run has gone by: a linear warm-up, then half a cosine down to zero."""
    if share < config.warmup:
        return config.learning_rate * (0.01 + 0.99 * share / config.warmup)
    left = (share - config.warmup) / max(1 - config.warmup, 1e-9)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(left, 1.0)))


def falling_rate(config: OptimizerConfig, steps: int) -> tf.keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate that `rate_at` gives, over a number of steps."""
    peak, warmup = config.learning_rate, int(config.warmup * steps)
    return tf.keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 100 if warmup else peak,
        decay_steps=max(1, steps - warmup),
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
