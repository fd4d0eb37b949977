"""Kernels that compute layers of pairs in chunks that stay in a CPU's cache: same weights, same numbers, faster."""

from __future__ import annotations

import tensorflow as tf

KERNELS = ("auto", "reference", "chunked")


def uses_chunks(kernel: str) -> bool:
    """Return whether a layer computes in chunks: with kernel `auto` where TensorFlow has no GPU.

    Raises:
        ValueError: there is no such kernel.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel: found {kernel}, expected one of {', '.join(KERNELS)}")
    return kernel == "chunked" or (kernel == "auto" and not tf.config.get_visible_devices("GPU"))
