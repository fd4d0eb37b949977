"""Weights and TensorBoard records of a run, for comparison."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event

from tf_symgnn.runs import RunFolder


def weights(folder: RunFolder) -> dict[str, np.ndarray]:
    """Return every value of the last checkpoint: weights, batch norm, optimizer."""
    reader = tf.train.load_checkpoint(str(folder.checkpoints.folder / folder.state().training_prefix))
    return {
        key: reader.get_tensor(key) for key in sorted(reader.get_variable_to_shape_map()) if "OBJECT_GRAPH" not in key
    }


def events(folder: Path) -> dict[str, list]:
    """Every value that TensorBoard would show, by tag."""
    found: dict[str, list] = {}
    for file in sorted(folder.rglob("events*")):
        for record in tf.data.TFRecordDataset(str(file)):
            for value in Event.FromString(record.numpy()).summary.value:
                found.setdefault(f"{file.parent.name}/{value.tag}", []).append(value)
    return found
