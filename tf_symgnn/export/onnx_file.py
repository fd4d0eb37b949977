"""A trained model as an ONNX file, for runtimes that are not TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import tensorflow as tf
import tf2onnx

from tf_symgnn import names
from tf_symgnn.data import InputError, replacing
from tf_symgnn.export.saved_model import metadata
from tf_symgnn.export.signatures import GLASS, as_arrays
from tf_symgnn.export.warmup import small_glass
from tf_symgnn.graph import neighbor_pairs
from tf_symgnn.graph.tensors import assemble
from tf_symgnn.models.symgnn import PlainSymGNN, SymGNN
from tf_symgnn.nn.symmetrization import Symmetrization
from tf_symgnn.runs import RunFolder

OPSET = 18


class _Given(tf.keras.layers.Layer):
    """Transforms [K, 3, 3] as a distribution gives them: the quantiles of von Mises' are none of ONNX's functions."""

    def __init__(self, matrices: tf.Tensor):
        super().__init__(name="given", dtype=matrices.dtype)
        self.transforms, self._matrices = len(matrices), matrices.numpy()

    def call(self, _: None) -> tf.Tensor:
        return tf.constant(self._matrices)


def export_onnx(run: RunFolder, file: str | Path) -> None:
    """Writes the run's best model as an ONNX file that takes and gives what the signature `serving_default` does.

    ONNX has no assertions: what the signature refuses is computed as far as it goes, an unknown species to NaN. The
    file's metadata under `tf_symgnn` are those of a SavedModel as JSON.

    Raises:
        InputError: the file exists, or the run's model is not `symgnn` or has no weights yet.
    """
    file = Path(file)
    if file.exists():
        raise InputError(file, "export", "an existing file or folder", "a new file")
    model = run.load_model()
    if type(model) is not SymGNN:
        raise InputError(run.path, "model", run.config().model, "symgnn, the one that is written as ONNX")
    converted = _convert(_plain_barriers(model, run))
    converted.metadata_props.add(key="tf_symgnn", value=json.dumps(metadata(run)))
    with replacing(file) as new:
        onnx.save(converted, str(new))


def _plain_barriers(model: SymGNN, run: RunFolder) -> Callable[..., tf.Tensor]:
    """The signature as a function, without loops over blocks of pairs and with the transforms that the weights give."""
    config, plain = run.config(), PlainSymGNN.from_config(model.get_config())
    settings = {"cutoff": config.graph.cutoff, "self_loops": config.graph.self_loops}

    def barriers(positions: tf.Tensor, cell: tf.Tensor, pbc: tf.Tensor, atomic_numbers: tf.Tensor) -> tf.Tensor:
        pairs = neighbor_pairs(positions, cell, pbc, **settings)
        n_atoms, n_pairs = tf.shape(positions)[:1], tf.shape(pairs.source)
        arrays = as_arrays(positions, cell[tf.newaxis], atomic_numbers, pairs)
        return tf.cast(plain(assemble(arrays, (n_atoms, n_pairs)), training=False), tf.float32)

    glass = small_glass(run.facts().species)
    barriers(**{name: tf.constant(x) for name, x in glass.items()})  # creates the weights
    plain.set_weights(model.get_weights())
    if isinstance(model.symmetrization, Symmetrization):
        plain.symmetrization.distribution = _Given(model.symmetrization.distribution(None, training=False))
    return barriers


def _convert(barriers: Callable[..., tf.Tensor]) -> onnx.ModelProto:
    function = tf.function(barriers, autograph=False)
    converted, _ = tf2onnx.convert.from_function(function, input_signature=GLASS, opset=OPSET)
    (output,) = converted.graph.output
    for node in converted.graph.node:
        node.output[:] = [names.ENERGY_BARRIER if name == output.name else name for name in node.output]
    output.name = names.ENERGY_BARRIER
    return converted
