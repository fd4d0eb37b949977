"""What a SavedModel says when it refuses its inputs."""

from __future__ import annotations

import re

import tensorflow as tf


def refusal(error: tf.errors.InvalidArgumentError) -> tuple[str, str, str]:
    """Which input a signature refused, what it found and what it expected, out of what TensorFlow wraps round it."""
    told = re.search(r"assertion failed: \[(\w+): expected (.*?), found\] \[(.*)\]", error.message)
    if told is None:
        return "input", error.message, "what the signature takes"
    return told[1], told[3], told[2]
