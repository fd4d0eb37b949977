"""The batches of training and validation glasses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_symgnn.config import RunConfig
from tf_symgnn.graph import GlassGraph, SubsetStream
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.training.distribution import Workers


def subset_stream(
    config: RunConfig,
    model: BarrierModel,
    graphs: Sequence[GlassGraph],
    *,
    halo: float | None = None,
    weights: Sequence[np.ndarray] | None = None,
) -> SubsetStream:
    """Return the stream of whole glasses or patches, with weights of their labels, f32[N] each, by default 1.

    The halo is by default that of the configuration.
    """
    if halo is None:
        halo = model.receptive_field if config.stream.halo is None else config.stream.halo
    stream = config.stream
    return SubsetStream(graphs, batch_size=stream.batch_size, patch_size=stream.patch_size, halo=halo, weights=weights)


def validation_batches(
    config: RunConfig, workers: Workers, model: BarrierModel, validation: SubsetStream
) -> tf.data.Dataset:
    """Return batches of validation glasses, with what the model caches of each where they fit in memory."""
    batches = workers.shared(validation.in_order)
    # Patches are streamed as they do not fit in memory, and what replicas share cannot be made anew.
    return batches if config.stream.patch_size or workers.distributed else with_cache(model, batches)


def with_cache(model: BarrierModel, batches: tf.data.Dataset) -> tf.data.Dataset:
    """Return the batches, kept in memory with what the model caches of each graph; as they are if that is nothing.

    An epoch ends with a prediction of each validation glass. The part that training does not change is more than half
    of it for the default model.
    """
    spec, *others = batches.element_spec
    cache = tf.function(model.cache, input_signature=[spec])
    cached_spec = cache.get_concrete_function().structured_outputs.spec
    if cached_spec == spec:
        return batches
    # By a generator, for a function that maps a dataset cannot use variables that lie on another device.
    cached = tf.data.Dataset.from_generator(
        lambda: ((cache(graph), *rest) for graph, *rest in batches), output_signature=(cached_spec, *others)
    )
    return cached.cache().with_options(batches.options())
