"""An exported SavedModel as a server holds it: the newest version of an export, its signatures and what they know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from ase.data import chemical_symbols
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tf_symgnn import runtime
from tf_symgnn.data import InputError, as_input_error
from tf_symgnn.export.refusals import refusal
from tf_symgnn.export.versions import METADATA
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.server.admission import REQUEST, admit_request
from tf_symgnn.server.examples import admit_examples
from tf_symgnn.server.protocol import DEFAULT_SIGNATURE, Signature, Tensor, bad_request

# What TensorFlow stores among the signatures and no client calls.
_INITIALIZER = "__saved_model_init_op"


class Servable:
    """One version of an export, ready to be asked.

    Args:
        path: the SavedModel's folder, named by its version.

    Raises:
        InputError: it cannot be loaded, or its metadata do not say species and cutoff.

    Attributes:
        version: its number.
        facts: the export's metadata.
        species: atomic numbers that the model knows.
        cutoff: A.
        signature_defs: the JSON forms of its SignatureDefs by name.
        signatures: the inputs of each by name.
    """

    def __init__(self, path: Path):
        if not path.name.isdecimal():
            raise InputError(path, "version", path.name, "a number, as tf-symgnn export gives it")
        self.version, metadata = int(path.name), path / "assets" / METADATA
        with as_input_error(metadata, "metadata", "those of an export by this version of tf-symgnn"):
            self.facts: dict[str, Any] = json.loads(metadata.read_text())
            self.species = sorted(int(number) for number in self.facts["species"].values())
            self.cutoff = float(self.facts["cutoff"])
        runtime.configure(chunked=is_chunked(str(self.facts.get("model"))))
        with as_input_error(path, "SavedModel", "one that TensorFlow loads"):
            self.signature_defs = _signature_defs(path)
            logging.set_verbosity(logging.ERROR)  # gradients, which nobody asks of a server, are missed with a warning
            self._loaded = tf.saved_model.load(str(path))  # what the functions below belong to
            self._functions = dict(self._loaded.signatures)
            self.signatures: dict[str, Signature] = {
                name: _inputs(function.structured_input_signature[1]) for name, function in self._functions.items()
            }
        if DEFAULT_SIGNATURE not in self.signatures:
            raise InputError(path, "signatures", ", ".join(self.signatures) or "none", DEFAULT_SIGNATURE)

    @property
    def symbols(self) -> list[str]:
        """The chemical symbols of the species that the model knows."""
        return [chemical_symbols[number] for number in self.species]

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of a signature by name; barriers are f32[N] eV.

        Raises:
            InputError: no glass could be like that, it holds another species, or is too large.
            RequestError: status 400, the model finds no finite barriers.
        """
        admit_request(inputs, self.species, self.cutoff)
        admit_examples(inputs.get("examples", ()))
        try:
            outputs = self._functions[signature](**{name: tf.constant(array) for name, array in inputs.items()})
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.DataLossError) as error:
            raise InputError(REQUEST, *refusal(error)) from error
        arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in outputs.items()}
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise bad_request(
                    f"{name}: the model finds {int((~np.isfinite(array)).sum())} numbers that are not finite"
                )
        return arrays

    def warm_up(self) -> None:
        """Asks for one atom's barrier, so that the first client does not wait for what TensorFlow does only once."""
        self.predict(
            DEFAULT_SIGNATURE,
            {
                "positions": np.zeros((1, 3), np.float32),
                "cell": np.eye(3, dtype=np.float32) * 4 * np.float32(self.cutoff),
                "pbc": np.ones(3, bool),
                "atomic_numbers": np.array(self.species[:1], np.int32),
            },
        )


def _signature_defs(path: Path) -> dict[str, Any]:
    stored = SavedModel()
    stored.ParseFromString((path / "saved_model.pb").read_bytes())
    found = {}
    for name, definition in sorted(stored.meta_graphs[0].signature_def.items()):
        if name != _INITIALIZER:
            form = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
            found[name] = MessageToDict(definition, **form)
    return found


def _inputs(specs: Mapping[str, tf.TensorSpec]) -> Signature:
    return {
        name: Tensor(np.dtype(spec.dtype.as_numpy_dtype), tuple(spec.shape.as_list())) for name, spec in specs.items()
    }
