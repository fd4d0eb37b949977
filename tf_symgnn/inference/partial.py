"""The finished part of a prediction, on disk, from which a killed run continues."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from tf_symgnn.data import Glass, InputError
from tf_symgnn.models.base import BarrierModel

_RECORD = np.dtype([("atom", "<i8"), ("barrier", "<f8")])


class PartialPrediction:
    """Barriers of some atoms of a glass, in a file of a header line and appended records.

    An incomplete last record, which a kill leaves, is removed when the file is opened again.

    Args:
        path: path of the file; it and its folder are created if they do not exist.
        identity: content of the header line, from `identity_of`.
        n_atoms: number N of atoms of the glass.
        overwrite: whether the file of another prediction may be replaced.

    Attributes:
        barrier: f64[N] eV, 0 for unfinished atoms.
        done: bool[N], whether an atom is finished.

    Raises:
        InputError: the file belongs to another prediction.
    """

    def __init__(self, path: Path, identity: str, n_atoms: int, *, overwrite: bool):
        self.barrier, self.done = np.zeros(n_atoms), np.zeros(n_atoms, bool)
        path.parent.mkdir(parents=True, exist_ok=True)
        header = json.dumps({"prediction": identity}).encode() + b"\n"
        records = self._read(path, header, overwrite=overwrite)
        self._file = path.open("r+b" if records is not None else "wb")
        if records is None:
            self._file.write(header)
            self._file.flush()
        else:
            self._file.seek(len(header) + records.nbytes)
            self._file.truncate()
            self._take(records)

    def add(self, atoms: np.ndarray, barrier: np.ndarray) -> None:
        """Append the barriers f64[M] eV of atoms i64[M]."""
        records = np.empty(len(atoms), _RECORD)
        records["atom"], records["barrier"] = atoms, barrier
        self._file.write(records.tobytes())
        self._file.flush()
        self._take(records)

    def close(self) -> None:
        """Close the file, without removing it."""
        self._file.close()

    def _take(self, records: np.ndarray) -> None:
        self.barrier[records["atom"]] = records["barrier"]
        self.done[records["atom"]] = True

    def _read(self, path: Path, header: bytes, *, overwrite: bool) -> np.ndarray | None:
        """Return the complete records of the file, or None if a new file must be written."""
        content = path.read_bytes() if path.exists() else b""
        if content.startswith(header):
            whole = (len(content) - len(header)) // _RECORD.itemsize
            records = np.frombuffer(content, _RECORD, whole, len(header))
            if ((records["atom"] >= 0) & (records["atom"] < len(self.done))).all():
                return records
        elif content and not overwrite and not header.startswith(content):
            raise InputError(path, "partial prediction", "one of another glass or model", "none, or --overwrite")
        return None


def identity_of(glass: Glass, model: BarrierModel, settings: dict) -> str:
    """Return a hash of everything that a prediction depends on.

    Args:
        glass: the glass.
        model: the model, with its weights.
        settings: of the neighbor graph, as JSON.
    """
    digest = hashlib.sha256(json.dumps([settings, model.get_config()], sort_keys=True, default=str).encode())
    numbers = glass.atomic_numbers
    for array in (glass.positions, glass.cell, glass.pbc, numbers, *(v.numpy() for v in model.variables)):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
