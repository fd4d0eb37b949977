"""Barriers of ASE Atoms by an export, which knows all that the run knew."""

from __future__ import annotations

import json
from pathlib import Path

import ase
import numpy as np
import tensorflow as tf

from tf_symgnn import names, runtime
from tf_symgnn.data import Glass, InputError, as_input_error, require_species
from tf_symgnn.export.refusals import refusal
from tf_symgnn.export.signatures import SERVING_DEFAULT
from tf_symgnn.export.versions import METADATA, newest
from tf_symgnn.models.catalog import is_chunked


class EnergyBarrierPredictor:
    """Predicts the energy barriers of ASE Atoms with a model that `tf-symgnn export` has written.

    Args:
        export: the export, whose newest version is taken, or the folder of a version.

    Attributes:
        metadata: what `metadata.json` of the export says: species, cutoff, units and more.

    Raises:
        InputError: that is no export.
    """

    def __init__(self, export: str | Path):
        version = newest(export)
        with as_input_error(version, "export", "what tf-symgnn export has written"):
            self.metadata = json.loads((version / "assets" / METADATA).read_text())
            self._species = sorted(self.metadata["species"].values())
            runtime.configure(chunked=is_chunked(str(self.metadata.get("model"))))
            self._loaded = tf.saved_model.load(str(version))  # signatures alone would let go of the weights
            self._served = self._loaded.signatures[SERVING_DEFAULT]

    def predict(self, atoms: ase.Atoms) -> np.ndarray:
        """Energy barriers f64[N] eV of all atoms, whose positions and cell are in A.

        Raises:
            InputError: no glass could be like that, or it holds a species the model was not trained on.
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
        # Single precision says more of a place in the cell than of one far from it.
        positions = atoms.get_positions(wrap=True)
        try:
            served = self._served(
                positions=tf.constant(positions, tf.float32),
                cell=tf.constant(glass.cell, tf.float32),
                pbc=tf.constant(glass.pbc),
                atomic_numbers=tf.constant(glass.atomic_numbers),
            )
        except tf.errors.InvalidArgumentError as error:
            raise InputError("atoms", *refusal(error)) from error
        return served[names.ENERGY_BARRIER].numpy().astype(np.float64)
