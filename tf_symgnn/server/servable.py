"""A version of an export that is loaded for serving, with its signatures and its metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from ase.data import chemical_symbols
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tf_symgnn import runtime
from tf_symgnn.data import InputError, as_input_error
from tf_symgnn.export.loading import load_without_gradients
from tf_symgnn.export.refusals import refusal
from tf_symgnn.export.versions import METADATA
from tf_symgnn.server.admission import REQUEST, admit_request
from tf_symgnn.server.examples import admit_examples
from tf_symgnn.server.protocol import DEFAULT_SIGNATURE, Signature, Tensor, bad_request

# TensorFlow stores its initializer among the signatures.
_INITIALIZER = "__saved_model_init_op"
_LOOPS = ("While", "StatelessWhile")


class Servable:
    """One version of an export, ready for prediction.

    Args:
        path: folder of the SavedModel; its name is the version.

    Raises:
        InputError: it cannot be loaded, or its metadata lack species or cutoff.

    Attributes:
        version: number of the version.
        metadata: metadata of the export.
        species: atomic numbers of the model.
        cutoff: cutoff of the neighbor graph, A.
        reach: the largest cutoff that neighbors are searched to, A: that of the graph or of a potential.
        signature_defs: JSON forms of the SignatureDefs, by name.
        signatures: inputs of each signature, by name.
    """

    def __init__(self, path: Path):
        if not path.name.isdecimal():
            raise InputError(path, "version", path.name, "a number, as tf-symgnn export writes it")
        self.version, file = int(path.name), path / "assets" / METADATA
        with as_input_error(file, "metadata", "those of an export by this version of tf-symgnn"):
            self.metadata: dict[str, Any] = json.loads(file.read_text())
            self.species = sorted(int(number) for number in self.metadata["species"].values())
            self.cutoff = float(self.metadata["cutoff"])
            self._needs_rest = "potential" in self.metadata
            self.reach = max(self.cutoff, float(self.metadata["potential"]["cutoff"]) if self._needs_rest else 0.0)
        with as_input_error(path, "SavedModel", "one that TensorFlow can load"):
            stored = SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0]
            self.signature_defs = _signature_defs(stored)
            runtime.configure(chunked=_is_chunked(stored))
            self._loaded = load_without_gradients(path)  # the functions below need it alive
            self._functions = dict(self._loaded.signatures)
            self.signatures: dict[str, Signature] = {
                name: _inputs(function.structured_input_signature[1]) for name, function in self._functions.items()
            }
        if DEFAULT_SIGNATURE not in self.signatures:
            raise InputError(path, "signatures", ", ".join(self.signatures) or "none", DEFAULT_SIGNATURE)

    @property
    def symbols(self) -> list[str]:
        """Chemical symbols of the model's species."""
        return [chemical_symbols[number] for number in self.species]

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of a signature by name; barriers are f32[N] eV.

        Args:
            signature: name of the signature.
            inputs: arrays by input name.

        Raises:
            InputError: a glass is invalid or too large, or has an unknown species.
            RequestError: status 400, an output is not finite.
        """
        admit_request(inputs, self.species, self.reach)
        admit_examples(inputs.get("examples", ()))
        try:
            outputs = self._functions[signature](**{name: tf.constant(array) for name, array in inputs.items()})
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.DataLossError) as error:
            raise InputError(REQUEST, *refusal(error)) from error
        arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in outputs.items()}
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise bad_request(f"{name}: {int((~np.isfinite(array)).sum())} values are not finite")
        return arrays

    def warm_up(self) -> None:
        """Predict the barrier of one atom, so that the first client does not wait for TensorFlow's initialization.

        A model with a potential predicts only glasses at rest under it, of which there is none at hand.
        """
        if self._needs_rest:
            return
        self.predict(
            DEFAULT_SIGNATURE,
            {
                "positions": np.zeros((1, 3), np.float32),
                "cell": np.eye(3, dtype=np.float32) * 4 * np.float32(self.cutoff),
                "pbc": np.ones(3, bool),
                "atomic_numbers": np.array(self.species[:1], np.int32),
            },
        )


def _signature_defs(stored: MetaGraphDef) -> dict[str, Any]:
    """Return the JSON forms of the signatures, by name."""
    return {
        name: MessageToDict(definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for name, definition in sorted(stored.signature_def.items())
        if name != _INITIALIZER
    }


def _is_chunked(stored: MetaGraphDef) -> bool:
    """Return whether a model computes in chunks: only loops over chunks store how many iterations run in parallel."""
    functions = stored.graph_def.library.function
    nodes = chain(stored.graph_def.node, *(function.node_def for function in functions))
    return any(node.op in _LOOPS and "parallel_iterations" in node.attr for node in nodes)


def _inputs(specs: Mapping[str, tf.TensorSpec]) -> Signature:
    return {
        name: Tensor(np.dtype(spec.dtype.as_numpy_dtype), tuple(spec.shape.as_list())) for name, spec in specs.items()
    }
