"""Export a trained model as a SavedModel that does not require this package, in a folder of numbered versions."""

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
from tf_symgnn.data import InputError, locked, remove_unfinished, sync
from tf_symgnn.export.signatures import SERVING_DEFAULT, ServedModel
from tf_symgnn.export.versions import METADATA, versions
from tf_symgnn.export.warmup import small_glass, write_warmup
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.potentials.response import MAX_FORCE
from tf_symgnn.runs import RunFolder

# Start of the name of a folder with an unfinished version.
_UNFINISHED = ".export-"


def export(run: RunFolder, directory: str | Path) -> Path:
    """Write the best model of a run as the next version in a folder of versions, whole or not at all.

    A version is a SavedModel with the signatures of `ServedModel`. Its `assets/metadata.json` has the signatures,
    species, cutoff, units, scaling and the domain of the training data. Its `assets.extra/tf_serving_warmup_requests`
    has one request, with which TensorFlow Serving warms up.

    Args:
        run: folder of the run.
        directory: folder of versions, in TensorFlow Serving the base path of the model.

    Returns:
        The folder of the new version, `directory/1` for the first.

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
        remove_unfinished(directory, f"{_UNFINISHED}*")
        # A temporary folder elsewhere may be on another disk. Servers ignore names that are not numbers.
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=directory) as temporary, locked(Path(temporary)):
            new = Path(temporary) / "export"
            _save(run, model, new)
            return _move_to_next(new, directory)
    except BaseException:
        if is_new and not any(directory.iterdir()):
            directory.rmdir()
        raise


def _save(run: RunFolder, model: BarrierModel, new: Path) -> None:
    """Write a SavedModel with its metadata and its warm-up request."""
    graph, statistics = run.config().graph, run.statistics()
    record = new.with_name(METADATA)
    record.write_text("{}")
    served = ServedModel(
        model,
        species=statistics.species,
        cutoff=graph.cutoff,
        self_loops=graph.self_loops,
        potential=run.potential(),
        metadata=record,
    )
    with runtime.tracing_export():
        served.save(new)
    # The names of tensors, which clients without Python need, exist only in the saved file.
    (new / "assets" / METADATA).write_text(
        json.dumps(metadata(run) | {"signatures": _signatures(new)}, indent=2) + "\n"
    )
    # With a potential, only a glass at rest under it could be predicted.
    if statistics.potential is None:
        write_warmup(new, SERVING_DEFAULT, small_glass(statistics.species))


def _move_to_next(new: Path, directory: Path) -> Path:
    """Move a version to the next number, also if another export takes numbers at the same time; return its folder."""
    for path in new.rglob("*"):
        sync(path)
    while True:
        version = directory / str(max(versions(directory), default=0) + 1)
        try:
            return new.rename(version)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def metadata(run: RunFolder) -> dict:
    """Return the properties of a run's model that clients need: species, cutoff, units, scaling and potential."""
    config, statistics, potential = run.config(), run.statistics(), run.potential()
    physics = {}
    if potential is not None:
        physics["potential"] = {
            "cutoff": potential.cutoff,
            "species": potential.potential.tables.symbols,
            "max_force": MAX_FORCE,
            "sha256": statistics.potential,
        }
    return physics | {
        "model": config.model,
        "species": {chemical_symbols[z]: z for z in statistics.species},
        "cutoff": config.graph.cutoff,
        "self_loops": config.graph.self_loops,
        "units": {"length": "angstrom", names.ENERGY_BARRIER: "eV"},
        # Of the training labels, eV. The outputs of the model are in eV and need no scaling.
        "label_scaling": {"mean": statistics.label_mean, "std": statistics.label_std},
        "domain": statistics.domain.record(),
        "tf_symgnn": __version__,
        "versions": statistics.versions,
    }


def _signatures(export: Path) -> dict:
    """Return dtype, shape and tensor name of each input and output of each signature of a SavedModel."""
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
