"""Learned edge masks (GNNExplainer; Ying et al. 2019), for the regression of one number per atom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tf_symgnn.explain.neighborhoods import Neighborhood
from tf_symgnn.explain.probe import Batch, Probe, in_batches
from tf_symgnn.explain.result_cache import ResultCache
from tf_symgnn.progress import progress_bar


@dataclass(frozen=True)
class MaskSettings:
    """Settings of the learning of masks.

    The loss of a center with mask m is ((prediction - prediction without a mask) / spread)^2 + size * sum m +
    entropy * sum H(m), where H(m) is the binary entropy in nats.

    Args:
        steps: number of steps of Adam.
        learning_rate: of the logits of the mask.
        size: penalty of a pair that is kept. A pair is kept if it decreases the squared error by more than this.
        entropy: penalty of the entropy of a mask, which is 0 for a pair that is kept or removed completely.
        start: mean of the initial logits. Their standard deviation is `NOISE`.
    """

    steps: int = 100
    learning_rate: float = 1.0
    size: float = 0.01
    entropy: float = 0.002
    start: float = 1.0


NOISE = 0.1  # standard deviation of the initial logits


@dataclass(frozen=True)
class Masks:
    """Learned masks of T centers, and the course of learning.

    Attributes:
        importance: the mask f64[P], from 0 to 1, of the pairs of each center; 0 for self-loops.
        loss: f64[T, steps + 1], the loss of each center before each step and after the last one.
        kept: f64[T, steps + 1], the sum of each mask at the same times.
    """

    importance: list[np.ndarray]
    loss: np.ndarray
    kept: np.ndarray

    @property
    def still_falling(self) -> float:
        """Return the decrease of the mean loss in the last fifth of the steps, over the decrease in all steps."""
        loss = self.loss.mean(axis=0)
        last = len(loss) - 1 - (len(loss) - 1) // 5
        decrease = loss[0] - loss.min()
        return float((loss[last] - loss[-1]) / decrease) if decrease > 0 else 0.0


def edge_masks(
    probe: Probe,
    neighborhoods: Sequence[Neighborhood],
    *,
    spread: float,
    seed: int,
    settings: MaskSettings | None = None,
    cache: ResultCache | None = None,
    title: str = "edge masks",
) -> Masks:
    """Learn one mask per center, over its directed pairs, that keeps the prediction with as few pairs as possible.

    Masks are pair weights. The loss is that of GNNExplainer (Ying et al. 2019, eq. 5, with their size and entropy
    terms): for a number with Gaussian noise of fixed width, the mutual information of eq. 5 is a squared error plus a
    constant. Self-loops keep weight 1. Without them, attention would not change if all weights were scaled together.

    Args:
        probe: the model.
        neighborhoods: those of the T centers.
        spread: unit of the change of a prediction, eV.
        seed: seed of the initial masks. The mask of a center does not depend on the other centers.
        settings: settings of the learning.
        cache: stores finished batches.
        title: name of the masks, for the progress bar and the cache.
    """
    settings, cache = settings or MaskSettings(), cache or ResultCache()
    batches = in_batches(neighborhoods)
    learned = []
    with progress_bar(total=settings.steps * len(batches), title=title, unit="step") as bar:
        for k, batch in enumerate(batches):
            key = (settings, seed, spread, [(n.center, n.n_pairs) for n in batch.neighborhoods])
            learned.append(
                cache.get(f"{title} {k}", key, lambda batch=batch: _learn(probe, batch, spread, seed, settings, bar))
            )
    importance = [mask for batch, arrays in zip(batches, learned, strict=True) for mask in batch.split(arrays["mask"])]
    return Masks(importance, *(np.concatenate([arrays[name] for arrays in learned]) for name in ("loss", "kept")))


def _learn(
    probe: Probe, batch: Batch, spread: float, seed: int, settings: MaskSettings, bar: tqdm
) -> dict[str, np.ndarray]:
    """Return the masks of a batch [E], and the loss and the sum of each mask [B, steps + 1]."""
    logits = tf.Variable(_initial_logits(batch, seed, settings.start), dtype=tf.float32)
    optimizer = tf.keras.optimizers.Adam(settings.learning_rate)
    unmasked, unit = probe.predict(batch), spread if spread > 0 else 1.0
    losses, kept = [], []
    for step in range(settings.steps + 1):
        value = logits.numpy().astype(np.float64)
        mask = 1 / (1 + np.exp(-value))
        predicted, slope = probe.slopes(batch, np.where(batch.explained, mask, 1.0))
        error = (predicted - unmasked) / unit
        losses.append(np.square(error) + batch.sum_pairs(batch.explained * _penalty(value, mask, settings)))
        kept.append(batch.sum_pairs(batch.explained * mask))
        if step == settings.steps:
            break
        # H(m) has the derivative -logit(m).
        mask_gradient = 2 * error[batch.owner] * slope / unit + settings.size - settings.entropy * value
        gradient = batch.explained * mask_gradient * mask * (1 - mask)
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), logits)])
        bar.update()
    return {
        "mask": np.where(batch.explained, mask, 0.0),
        "loss": np.stack(losses, axis=1),
        "kept": np.stack(kept, axis=1),
    }


def _initial_logits(batch: Batch, seed: int, start: float) -> np.ndarray:
    """Return logits f64[E]; those of a center depend on the seed and on the center only."""
    logits = [np.random.default_rng([seed, n.center]).normal(start, NOISE, n.n_pairs) for n in batch.neighborhoods]
    return np.concatenate(logits)


def _penalty(logit: np.ndarray, mask: np.ndarray, settings: MaskSettings) -> np.ndarray:
    """Return the size and entropy terms of each pair, [E]."""
    entropy = np.logaddexp(0, logit) - mask * logit
    return settings.size * mask + settings.entropy * entropy
