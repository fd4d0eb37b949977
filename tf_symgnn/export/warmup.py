"""The request that TensorFlow Serving plays to an export before it takes others, so that the first is not slow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

# Where TensorFlow Serving looks, in an export.
WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def predict_request(name: str, signature: str, inputs: dict[str, np.ndarray]) -> PredictRequest:
    """The gRPC request for a prediction by a signature of the model that a server calls `name`."""
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, values in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(values))
    return request


SPACING = 2.7  # A, as far as metal atoms are apart


def small_glass(species: Sequence[int]) -> dict[str, np.ndarray]:
    """A cube of 64 atoms, of every species (atomic numbers) in turn: inputs of `serving_default`."""
    places = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return {
        "positions": (places * SPACING).astype(np.float32),
        "cell": np.eye(3, dtype=np.float32) * 4 * SPACING,
        "pbc": np.ones(3, bool),
        "atomic_numbers": np.resize(np.array(species, np.int32), len(places)),
    }


def write_warmup(export: Path, signature: str, inputs: dict[str, np.ndarray]) -> None:
    """Writes a request for a prediction into an export."""
    # TensorFlow Serving plays it to the model it finds it in, whatever that is called.
    log = PredictionLog(predict_log=PredictLog(request=predict_request("", signature, inputs)))
    file = export / WARMUP_FILE
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(log.SerializeToString())
