"""Learned edge masks (GNNExplainer) for the regression of one number an atom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tf_symgnn.explain.neighborhoods import Neighborhood
from tf_symgnn.explain.probe import Batch, Probe, in_batches
from tf_symgnn.explain.result_cache import ResultCache


@dataclass(frozen=True)
class MaskSettings:
    """How masks are learned.

    The loss of a target is ((prediction - that without a mask) / spread)^2 + size * sum m + entropy * sum H(m).

    Args:
        steps: of Adam.
        learning_rate: of the logits of the masks.
        size: price of a pair that is kept: worth it is what takes more than that off the squared error.
        entropy: price of a pair that is neither kept nor removed.
        start: mean of the first logits; a tenth of a unit of noise by the seed is added to each.
    """

    steps: int = 100
    learning_rate: float = 1.0
    size: float = 0.01
    entropy: float = 0.002
    start: float = 1.0


NOISE = 0.1


@dataclass(frozen=True)
class Masks:
    """What was learned.

    Attributes:
        importance: the mask f64[P] in [0, 1] of each target's pairs, 0 on self-loops.
        loss: f64[T, steps + 1], of each target before every step and after the last.
        kept: f64[T, steps + 1], the sum of each mask.
    """

    importance: list[np.ndarray]
    loss: np.ndarray
    kept: np.ndarray

    @property
    def still_falling(self) -> float:
        """What the last fifth of the steps took off the mean loss, as a share of all that was taken off."""
        loss = self.loss.mean(axis=0)
        last = len(loss) - 1 - (len(loss) - 1) // 5
        whole = loss[0] - loss.min()
        return float((loss[last] - loss[-1]) / whole) if whole > 0 else 0.0


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
    """Learns one mask a target over its directed pairs that keeps its prediction and little else.

    The mutual information of Ying et al. (2019, eq. 5) between a prediction and a subgraph, both of one number with
    noise of a fixed width, is a squared error but for a constant; the size and entropy terms are theirs. Masks are
    pair weights. Self-loops keep weight 1: attention over nothing but masked pairs would not see them all fade alike.

    Args:
        probe: of the model.
        neighborhoods: of the T targets.
        spread: eV, the unit in which a change of a prediction counts.
        seed: of the first masks; a target's are the same whatever other targets there are.
        settings: how masks are learned.
        cache: keeps what is finished of a long computation.
        title: of the progress bar.
    """
    settings, cache = settings or MaskSettings(), cache or ResultCache()
    batches = in_batches(neighborhoods)
    found = []
    with tqdm(total=settings.steps * len(batches), desc=title, unit="step", mininterval=1.0) as bar:
        for k, batch in enumerate(batches):
            key = (settings, seed, spread, [(n.center, n.n_pairs) for n in batch.neighborhoods])
            found.append(
                cache.get(f"{title} {k}", key, lambda batch=batch: _learn(probe, batch, spread, seed, settings, bar))
            )
    importance = [part for batch, one in zip(batches, found, strict=True) for part in batch.split(one["mask"])]
    return Masks(importance, *(np.concatenate([one[name] for one in found]) for name in ("loss", "kept")))


def _learn(
    probe: Probe, batch: Batch, spread: float, seed: int, settings: MaskSettings, bar: tqdm
) -> dict[str, np.ndarray]:
    logits = tf.Variable(_first_logits(batch, seed, settings.start), dtype=tf.float32)
    optimizer = tf.keras.optimizers.Adam(settings.learning_rate)
    whole, unit = probe.predict(batch), spread if spread > 0 else 1.0
    losses, kept = [], []
    for step in range(settings.steps + 1):
        value = logits.numpy().astype(np.float64)
        mask = 1 / (1 + np.exp(-value))
        predicted, slope = probe.slopes(batch, np.where(batch.explained, mask, 1.0))
        off = (predicted - whole) / unit
        losses.append(np.square(off) + batch.total(batch.explained * _price(value, mask, settings)))
        kept.append(batch.total(batch.explained * mask))
        if step == settings.steps:
            break
        # H(m) has the derivative -logit(m).
        by_mask = 2 * off[batch.owner] * slope / unit + settings.size - settings.entropy * value
        gradient = batch.explained * by_mask * mask * (1 - mask)
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), logits)])
        bar.update()
    return {
        "mask": np.where(batch.explained, mask, 0.0),
        "loss": np.stack(losses, axis=1),
        "kept": np.stack(kept, axis=1),
    }


def _first_logits(batch: Batch, seed: int, start: float) -> np.ndarray:
    drawn = [np.random.default_rng([seed, n.center]).normal(start, NOISE, n.n_pairs) for n in batch.neighborhoods]
    return np.concatenate(drawn)


def _price(logit: np.ndarray, mask: np.ndarray, settings: MaskSettings) -> np.ndarray:
    entropy = np.logaddexp(0, logit) - mask * logit
    return settings.size * mask + settings.entropy * entropy
