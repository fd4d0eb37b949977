"""Parse the errors of a SavedModel that refuses its inputs."""

from __future__ import annotations

import re

import tensorflow as tf


def refusal(error: tf.errors.InvalidArgumentError) -> tuple[str, str, str]:
    """Return the field, the found value and the expected value of an error that an assertion of a signature raised.

    `tf_symgnn.graph.neighbor_ops.require` makes the assertions.
    """
    match = re.search(r"assertion failed: \[(\w+): expected (.*?), found\] \[(.*)\]", error.message)
    if match is None:
        return "input", error.message, "what the signature takes"
    return match[1], match[3], match[2]
