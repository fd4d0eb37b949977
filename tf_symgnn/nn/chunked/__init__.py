"""Kernels that compute layers on pairs in chunks that fit into a CPU cache.

They have the weights and, up to rounding, the results of the kernel `reference`.
"""

from __future__ import annotations

import tensorflow as tf

KERNELS = ("auto", "reference", "chunked")


def uses_chunks(kernel: str) -> bool:
    """Return whether a kernel computes in chunks; `auto` does if TensorFlow has no GPU.

    Raises:
        ValueError: the kernel is unknown.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel: found {kernel}, expected one of {', '.join(KERNELS)}")
    return kernel == "chunked" or (kernel == "auto" and not tf.config.get_visible_devices("GPU"))
