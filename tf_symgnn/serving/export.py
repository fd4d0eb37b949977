"""A trained model as a SavedModel that needs nothing of this package."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path

import tensorflow as tf
import tensorflow_gnn as tfgnn
from ase.data import chemical_symbols

from tf_symgnn import __version__, names
from tf_symgnn.data import InputError
from tf_symgnn.graph import graph_spec
from tf_symgnn.training import RunFolder

METADATA = "metadata.json"


class ServedModel(tf.Module):
    """What the SavedModel holds: a model, its metadata, and the function that serves it.

    Args:
        model: takes a GraphTensor, predicts f[N] eV.
        metadata: file of the JSON asset.
    """

    def __init__(self, model: tf.keras.Model, metadata: Path):
        super().__init__()
        # The weights, without the Keras object round them, whose own traces would need TF-GNN to load.
        self.weights = model.variables
        self._predict = partial(model, training=False)
        self.metadata = tf.saved_model.Asset(str(metadata))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serialized_graphs(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Predicts glasses given as tf.Examples [B]: barriers f32[N] eV of all in a row, and how many are whose."""
        batch = tfgnn.parse_example(graph_spec(labelled=False), examples)
        graph = batch.merge_batch_to_components()
        return {
            names.ENERGY_BARRIER: self._predict(graph),
            "n_atoms": graph.node_sets[names.ATOMS].sizes,
        }


def export(run: RunFolder, directory: str | Path, *, overwrite: bool = False) -> None:
    """Writes the run's best model as a SavedModel, whole or not at all.

    Signature `serving_default`: `examples` string[B], GraphTensors by `schemas/glass.pbtxt` as tf.Example, to
    `energy_barrier` f32[N] eV and `n_atoms` i32[B]. `assets/metadata.json` says species, cutoff, units and scaling.

    Raises:
        InputError: the directory exists and `overwrite` is not set, or the run has no weights yet.
    """
    directory = Path(directory)
    if directory.exists() and not overwrite:
        raise InputError(directory, "export", "an existing file or folder", "a new folder, or --overwrite")
    if directory.exists() and not tf.saved_model.contains_saved_model(str(directory)):
        raise InputError(directory, "export", "something that is no SavedModel", "an export to overwrite")
    model = run.load_model()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as temporary:
        record, new = Path(temporary) / METADATA, Path(temporary) / "export"
        record.write_text(json.dumps(metadata(run), indent=2) + "\n")
        served = ServedModel(model, record)
        signature = served.serialized_graphs.get_concrete_function()
        tf.saved_model.save(served, str(new), signatures=signature)
        if directory.exists():
            directory.rename(Path(temporary) / "old")
        new.rename(directory)


def metadata(run: RunFolder) -> dict:
    """What a client must know of an export: species, cutoff, units and scaling."""
    config, facts = run.config(), run.facts()
    return {
        "model": config.model,
        "species": {chemical_symbols[z]: z for z in facts.species},
        "cutoff": config.graph.cutoff,
        "self_loops": config.graph.self_loops,
        "units": {"length": "angstrom", names.ENERGY_BARRIER: "eV"},
        # Of the training labels, eV; what the model puts out is in eV already.
        "label_scaling": {"mean": facts.label_mean, "std": facts.label_std},
        "tf_symgnn": __version__,
        "versions": facts.versions,
    }
