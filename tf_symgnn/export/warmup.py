"""The request that TensorFlow Serving replays when it loads an export, so that the first client does not wait.

The file holds one `PredictionLog` of TensorFlow Serving's API. Its few fields are encoded here: they are all
length-delimited, and the package `tensorflow-serving-api` would be a dependency for this one record.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

# The path inside an export where TensorFlow Serving looks for the file.
WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"

# Field numbers in tensorflow_serving/apis: prediction_log.proto, predict.proto and model.proto.
_LOG_PREDICT_LOG = 6
_PREDICT_LOG_REQUEST = 1
_REQUEST_MODEL_SPEC, _REQUEST_INPUTS = 1, 2
_MODEL_SPEC_SIGNATURE_NAME = 3
_MAP_KEY, _MAP_VALUE = 1, 2
_LENGTH_DELIMITED = 2

SPACING = 2.7  # A, a typical distance of neighbors in a metal


def small_glass(species: Sequence[int]) -> dict[str, np.ndarray]:
    """Return inputs of `serving_default`: a simple cubic crystal of 64 atoms of all species (atomic numbers)."""
    points = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return {
        "positions": (points * SPACING).astype(np.float32),
        "cell": np.eye(3, dtype=np.float32) * 4 * SPACING,
        "pbc": np.ones(3, bool),
        "atomic_numbers": np.resize(np.array(species, np.int32), len(points)),
    }


def write_warmup(export: Path, signature: str, inputs: dict[str, np.ndarray]) -> None:
    """Write a prediction request into an export.

    Args:
        export: the folder of a SavedModel.
        signature: the name of the signature that is called.
        inputs: the arrays of the request by input name.
    """
    file = export / WARMUP_FILE
    file.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(_prediction_log(signature, inputs))


def _prediction_log(signature: str, inputs: dict[str, np.ndarray]) -> bytes:
    """Return a serialized PredictionLog. It names no model, since TensorFlow Serving sends it to the exported one."""
    request = _field(_REQUEST_MODEL_SPEC, _field(_MODEL_SPEC_SIGNATURE_NAME, signature.encode()))
    for name, values in inputs.items():
        entry = _field(_MAP_KEY, name.encode()) + _field(_MAP_VALUE, tf.make_tensor_proto(values).SerializeToString())
        request += _field(_REQUEST_INPUTS, entry)
    return _field(_LOG_PREDICT_LOG, _field(_PREDICT_LOG_REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field as protocol buffers encode it."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Return an unsigned integer in groups of seven bits, the lowest first."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
