"""The learning rate over a run, and a callback that ends a run after a given time."""

from __future__ import annotations

import math
import time

import tensorflow as tf

from tf_symgnn.config import OptimizerConfig

MOST_EPOCHS = 1_000_000  # of a run that time ends


class TimeBudget(tf.keras.callbacks.Callback):
    """Decays the learning rate to zero over a given time, and stops training before an epoch that would exceed it.

    Models of any speed are thus trained for the same time with the same schedule. The number of epochs depends on the
    machine, so that results are not bit-identical between machines.

    Args:
        config: of the optimizer.
        minutes: training time, validation included.
        spent: seconds that a resumed run has used before.
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
        """Start the clock."""
        self._started = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the epoch's clock."""
        self._epoch_started = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Set the learning rate for the elapsed time."""
        self.model.optimizer.learning_rate.assign(rate_at(self._config, self.share))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Stop training if another epoch like this one would exceed the time."""
        if self._elapsed() + time.perf_counter() - self._epoch_started > self._seconds:
            self.model.stop_training = True

    def _elapsed(self) -> float:
        return self._spent + time.perf_counter() - self._started


def rate_at(config: OptimizerConfig, share: float) -> float:
    """Return the learning rate after a share of the run: a linear warm-up, then half a cosine down to zero."""
    if share < config.warmup:
        return config.learning_rate * (0.01 + 0.99 * share / config.warmup)
    left = (share - config.warmup) / max(1 - config.warmup, 1e-9)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(left, 1.0)))


def falling_rate(config: OptimizerConfig, steps: int) -> tf.keras.optimizers.schedules.LearningRateSchedule:
    """Return the schedule of `rate_at` over a number of steps."""
    peak, warmup = config.learning_rate, int(config.warmup * steps)
    return tf.keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 100 if warmup else peak,
        decay_steps=max(1, steps - warmup),
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
