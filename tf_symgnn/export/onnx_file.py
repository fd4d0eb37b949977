"""Export a trained model as an ONNX file, for runtimes other than TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import tensorflow as tf
import tf2onnx

from tf_symgnn import names
from tf_symgnn.config import GraphConfig
from tf_symgnn.data import InputError, replacing
from tf_symgnn.export.saved_model import metadata
from tf_symgnn.export.signatures import GLASS, as_arrays
from tf_symgnn.graph import neighbor_pairs
from tf_symgnn.graph.tensors import assemble
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.runs import RunFolder

OPSET = 18


def export_onnx(run: RunFolder, file: str | Path) -> None:
    """Write the best model of a run as an ONNX file, with the inputs and the output of the signature `serving_default`.

    ONNX has no assertions, so the file does not refuse invalid inputs. For an unknown species, predictions are NaN. The
    property `tf_symgnn` has the metadata of a SavedModel as JSON.

    Args:
        run: folder of the run.
        file: path to write.

    Raises:
        InputError: the file exists, the model has no portable form, or the run has no weights yet.
    """
    file = Path(file)
    if file.exists():
        raise InputError(file, "export", "an existing file or folder", "a new file")
    model = run.load_model().portable()
    if model is None:
        raise InputError(run.path, "model", run.config().model, "symgnn, the one that is written as ONNX")
    converted = _convert(_barriers(model, run.config().graph))
    converted.metadata_props.add(key="tf_symgnn", value=json.dumps(metadata(run)))
    with replacing(file) as new:
        onnx.save(converted, str(new))


def _barriers(model: BarrierModel, graph: GraphConfig) -> Callable[..., tf.Tensor]:
    """Return the signature `serving_default` as a function."""

    def barriers(positions: tf.Tensor, cell: tf.Tensor, pbc: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        pairs = neighbor_pairs(positions, cell, pbc, cutoff=graph.cutoff, self_loops=graph.self_loops)
        n_atoms, n_pairs = tf.shape(positions)[:1], tf.shape(pairs.source)
        arrays = as_arrays(positions, cell[tf.newaxis], atomic_numbers, pairs)
        return tf.cast(model(assemble(arrays, (n_atoms, n_pairs)), training=False), tf.float32)

    return barriers


def _convert(barriers: Callable[..., tf.Tensor]) -> onnx.ModelProto:
    """Return a function as an ONNX model whose output has the name of the energy barrier."""
    function = tf.function(barriers, autograph=False)
    converted, _ = tf2onnx.convert.from_function(function, input_signature=GLASS, opset=OPSET)
    (output,) = converted.graph.output
    for node in converted.graph.node:
        node.output[:] = [names.ENERGY_BARRIER if name == output.name else name for name in node.output]
    output.name = names.ENERGY_BARRIER
    return converted
