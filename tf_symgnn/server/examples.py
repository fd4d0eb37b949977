"""Checks of serialized graphs before prediction: their declared sizes are right, and they fit into memory."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError
from tensorflow.core.example.example_pb2 import Example

from tf_symgnn.data import InputError
from tf_symgnn.data.limits import MAX_ATOMS_A_REQUEST
from tf_symgnn.server.admission import REQUEST

# TF-GNN's names of the size of a set, and of a feature with one number per member of the set.
_SIZES = {
    "nodes/atoms.#size": "nodes/atoms.species",
    "edges/neighbors.#size": "edges/neighbors.#source",
}


def admit_examples(examples: Iterable[bytes]) -> None:
    """Check GraphTensors that are serialized as tf.Examples: TensorFlow allocates memory by their declared sizes.

    Args:
        examples: the serialized tf.Examples.

    Raises:
        InputError: one is not a tf.Example, its declared sizes are wrong, or there are too many atoms in total.
    """
    total = 0
    for serialized in examples:
        try:
            features = Example.FromString(serialized).features.feature
        except DecodeError as error:
            raise InputError(REQUEST, "examples", "other bytes", "serialized tf.Examples") from error
        for size_name, feature_name in _SIZES.items():
            declared, length = features[size_name].int64_list.value, len(features[feature_name].int64_list.value)
            if min(declared, default=0) < 0 or sum(declared) != length:
                found = f"{list(declared[:5])} for {length}"
                raise InputError(REQUEST, size_name, found, f"as many as {feature_name}")
        total += sum(features["nodes/atoms.#size"].int64_list.value)
    if total > MAX_ATOMS_A_REQUEST:
        raise InputError(REQUEST, "atoms", total, f"at most {MAX_ATOMS_A_REQUEST} at a time")
