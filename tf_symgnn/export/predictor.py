"""Predict the energy barriers of ASE Atoms with an export."""

from __future__ import annotations

import json
import warnings
from functools import lru_cache
from pathlib import Path

import ase
import numpy as np
import tensorflow as tf

from tf_symgnn import names, runtime
from tf_symgnn.data import Glass, InputError, as_input_error, require_species
from tf_symgnn.export.refusals import refusal
from tf_symgnn.export.signatures import SERVING_DEFAULT
from tf_symgnn.export.versions import METADATA, newest
from tf_symgnn.inference.extrapolation import ADVICE, ExtrapolationWarning, glass_extrapolation
from tf_symgnn.models.catalog import is_chunked


class EnergyBarrierPredictor:
    """An export that predicts the energy barriers of ASE Atoms.

    Args:
        export: folder that `tf-symgnn export` wrote, whose newest version is used, or the folder of one version.

    Attributes:
        metadata: the export's `metadata.json`: species, cutoff, units and more.

    Raises:
        InputError: the folder is not an export.
    """

    def __init__(self, export: str | Path):
        version = newest(export)
        with as_input_error(version, "export", "what tf-symgnn export has written"):
            self.metadata = json.loads((version / "assets" / METADATA).read_text())
            self._species = sorted(self.metadata["species"].values())
            runtime.configure(chunked=is_chunked(str(self.metadata.get("model"))))
            self._loaded = _load(version.resolve(), (version / "saved_model.pb").stat().st_mtime_ns)
            self._served = self._loaded.signatures[SERVING_DEFAULT]

    def predict(self, atoms: ase.Atoms) -> np.ndarray:
        """Return the energy barriers f64[N] eV of all atoms.

        An `ExtrapolationWarning` is issued for a structure outside the training data.

        Args:
            atoms: with positions and cell in A.

        Raises:
            InputError: the structure exceeds a limit of `tf_symgnn.data.limits`, or has a species that is not in the
                training data.
        """
        glass = Glass(
            positions=atoms.positions,
            cell=atoms.cell.array,
            pbc=atoms.pbc,
            species=np.array(atoms.get_chemical_symbols()),
            barrier=None,
            source="atoms",
        )
        require_species([glass], self._species)
        # Single precision has a smaller error for positions in the cell than for positions far from it.
        positions = atoms.get_positions(wrap=True)
        try:
            outputs = self._served(
                positions=tf.constant(positions, tf.float32),
                cell=tf.constant(glass.cell, tf.float32),
                pbc=tf.constant(glass.pbc),
                atomic_numbers=tf.constant(glass.atomic_numbers),
            )
        except tf.errors.InvalidArgumentError as error:
            raise InputError("atoms", *refusal(error)) from error
        barrier = outputs[names.ENERGY_BARRIER].numpy().astype(np.float64)
        found = glass_extrapolation(self.metadata, glass, barrier)
        if found.reasons:
            warnings.warn(f"{found}; {ADVICE}", ExtrapolationWarning, stacklevel=2)
        return barrier


@lru_cache(maxsize=8)
def _load(version: Path, modified: int) -> tf.Module:
    """Return the SavedModel in a folder, loaded once for a time of its modification, ns.

    TensorFlow does not free all memory of a SavedModel that is loaded again.
    """
    return tf.saved_model.load(str(version))
