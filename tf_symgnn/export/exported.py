"""An export, loaded to predict glasses."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_symgnn import names, runtime
from tf_symgnn.data import Glass, InputError, as_input_error
from tf_symgnn.domain.extrapolation import Extrapolation, glass_extrapolation
from tf_symgnn.export.loading import load_without_gradients
from tf_symgnn.export.refusals import refusal
from tf_symgnn.export.signatures import SERVING_DEFAULT
from tf_symgnn.export.versions import METADATA, newest
from tf_symgnn.graph.images import near_cell
from tf_symgnn.models.catalog import is_chunked


class ExportedModel:
    """An export that predicts glasses.

    Args:
        export: folder that `tf-symgnn export` wrote, whose newest version is used, or the folder of one version.

    Attributes:
        metadata: the export's `metadata.json`: species, cutoff, units and more.
        species: atomic numbers of the training glasses, ascending.
        type_names: None, for an export has no names of LAMMPS types.
        model: None, for an export has no Keras model.

    Raises:
        InputError: the folder is not an export.
    """

    type_names = None
    model = None

    def __init__(self, export: str | Path):
        version = newest(export)
        with as_input_error(version, "export", "what tf-symgnn export has written"):
            self.metadata = json.loads((version / "assets" / METADATA).read_text())
            self.species = sorted(self.metadata["species"].values())
            runtime.configure(chunked=is_chunked(str(self.metadata.get("model"))))
            self._loaded = _load(version.resolve(), (version / "saved_model.pb").stat().st_mtime_ns)
            self._served = self._loaded.signatures[SERVING_DEFAULT]

    def predict(self, glass: Glass) -> tuple[np.ndarray, Extrapolation]:
        """Return the energy barriers f64[N] eV of a glass, and how far it is outside the training data.

        Raises:
            InputError: the glass exceeds a limit of `tf_symgnn.data.limits`.
        """
        positions = near_cell(glass.positions, glass.cell, glass.pbc)
        try:
            outputs = self._served(
                positions=tf.constant(positions, tf.float32),
                cell=tf.constant(glass.cell, tf.float32),
                pbc=tf.constant(glass.pbc),
                atomic_numbers=tf.constant(glass.atomic_numbers),
            )
        except tf.errors.InvalidArgumentError as error:
            raise InputError(glass.place, *refusal(error)) from error
        barrier = outputs[names.ENERGY_BARRIER].numpy().astype(np.float64)
        return barrier, glass_extrapolation(self.metadata, glass, barrier)


@lru_cache(maxsize=8)
def _load(version: Path, modified: int) -> tf.Module:
    """Return the SavedModel in a folder, loaded once for a time of its modification, ns.

    TensorFlow does not free all memory of a SavedModel that is loaded again.
    """
    return load_without_gradients(version)
