"""What serialized graphs must be before a model is asked: as large as they say, and no larger than memory takes."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError
from tensorflow.core.example.example_pb2 import Example

from tf_symgnn.data import InputError
from tf_symgnn.data.limits import MAX_ATOMS_A_REQUEST
from tf_symgnn.server.admission import REQUEST

# By what TF-GNN calls them: how many of a set there are, and a feature that has one number for each.
_SIZES = {
    "nodes/atoms.#size": "nodes/atoms.species",
    "edges/neighbors.#size": "edges/neighbors.#source",
}


def admit_examples(examples: Iterable[bytes]) -> None:
    """Checks GraphTensors given as tf.Examples: TensorFlow takes memory by the sizes that they declare.

    Raises:
        InputError: one is no tf.Example, declares other sizes than it has, or there are too many atoms in all.
    """
    total = 0
    for serialized in examples:
        try:
            features = Example.FromString(serialized).features.feature
        except DecodeError as error:
            raise InputError(REQUEST, "examples", "bytes that are none", "serialized tf.Examples") from error
        for declared, listed in _SIZES.items():
            sizes, found = features[declared].int64_list.value, len(features[listed].int64_list.value)
            if min(sizes, default=0) < 0 or sum(sizes) != found:
                raise InputError(REQUEST, declared, f"{list(sizes[:5])} for {found}", f"as many as {listed}")
        total += sum(features["nodes/atoms.#size"].int64_list.value)
    if total > MAX_ATOMS_A_REQUEST:
        raise InputError(REQUEST, "atoms", total, f"at most {MAX_ATOMS_A_REQUEST} at a time")
