"""A trained model as a SavedModel that needs nothing of this package, in a folder of numbered versions."""

from __future__ import annotations

import errno
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from ase.data import chemical_symbols
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tf_symgnn import __version__, names, runtime
from tf_symgnn.data import InputError
from tf_symgnn.export.signatures import SERVING_DEFAULT, ServedModel
from tf_symgnn.export.versions import METADATA, versions
from tf_symgnn.export.warmup import small_glass, write_warmup
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.runs import RunFolder


def export(run: RunFolder, directory: str | Path) -> Path:
    """Writes the run's best model as the next version in a folder of versions, whole or not at all.

    The folder is what TensorFlow Serving calls a model's base path: it serves the highest number. A version is a
    SavedModel with the signatures of `ServedModel`; its `assets/metadata.json` says them, species, cutoff, units and
    scaling, and `assets.extra/tf_serving_warmup_requests` has a request to warm up with.

    Returns:
        The version's folder, `directory/1` for the first.

    Raises:
        InputError: the directory is a file or a SavedModel itself, or the run has no weights yet.
    """
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise InputError(directory, "export", "a file", "a folder of versions, or none")
    if tf.saved_model.contains_saved_model(str(directory)):
        raise InputError(directory, "export", "a SavedModel without versions", "a folder of versions, or none")
    model = run.load_model()
    is_new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        # Beside its place to be, lest that be on another disk; servers heed numbers only.
        with tempfile.TemporaryDirectory(prefix=".export-", dir=directory) as temporary:
            new = Path(temporary) / "export"
            _save(run, model, new)
            return _move_to_next(new, directory)
    except BaseException:
        if is_new and not any(directory.iterdir()):
            directory.rmdir()
        raise


def _save(run: RunFolder, model: BarrierModel, new: Path) -> None:
    config, statistics = run.config(), run.statistics()
    settings = {"cutoff": config.graph.cutoff, "self_loops": config.graph.self_loops}
    record = new.with_name(METADATA)
    record.write_text("{}")
    served = ServedModel(model, species=statistics.species, **settings, metadata=record)
    with runtime.tracing_export():
        tf.saved_model.save(served, str(new), signatures=served.signatures())
    # Only what is saved has names that a client without Python can call its tensors by.
    (new / "assets" / METADATA).write_text(
        json.dumps(metadata(run) | {"signatures": _signatures(new)}, indent=2) + "\n"
    )
    write_warmup(new, SERVING_DEFAULT, small_glass(statistics.species))


def _move_to_next(new: Path, directory: Path) -> Path:
    """Moves a version to the first number above all there are, which another export may be about to take, too."""
    while True:
        version = directory / str(max(versions(directory), default=0) + 1)
        try:
            return new.rename(version)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def metadata(run: RunFolder) -> dict:
    """What a client must know of an export's model: species, cutoff, units and scaling."""
    config, statistics = run.config(), run.statistics()
    return {
        "model": config.model,
        "species": {chemical_symbols[z]: z for z in statistics.species},
        "cutoff": config.graph.cutoff,
        "self_loops": config.graph.self_loops,
        "units": {"length": "angstrom", names.ENERGY_BARRIER: "eV"},
        # Of the training labels, eV; what the model puts out is in eV already.
        "label_scaling": {"mean": statistics.label_mean, "std": statistics.label_std},
        "tf_symgnn": __version__,
        "versions": statistics.versions,
    }


def _signatures(export: Path) -> dict:
    """Dtype, shape and tensor of each input and output of each signature of a SavedModel."""
    (saved,) = SavedModel.FromString((export / "saved_model.pb").read_bytes()).meta_graphs
    return {
        name: {"inputs": _tensors(signature.inputs), "outputs": _tensors(signature.outputs)}
        for name, signature in sorted(saved.signature_def.items())
        if signature.method_name
    }


def _tensors(infos: Mapping[str, TensorInfo]) -> dict:
    return {
        name: {
            "dtype": tf.as_dtype(info.dtype).name,
            "shape": tf.TensorShape(info.tensor_shape).as_list(),
            "tensor": info.name,
        }
        for name, info in sorted(infos.items())
    }
