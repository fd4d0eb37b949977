"""Restart files of a quench: one file that holds the settings of the quench and LAMMPS' own restart data."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from tf_symgnn.data import InputError, replacing
from tf_symgnn.simulate.engine import program

MAGIC = "tf_symgnn quench checkpoint"


def save_state(lmp: Any) -> bytes:
    """Return LAMMPS' restart data of its present state."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state"
        lmp.command(f'write_restart "{file}"')
        return file.read_bytes()


def load_state(lmp: Any, state: bytes) -> None:
    """Give a fresh LAMMPS the state in restart data."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state"
        file.write_bytes(state)
        lmp.command(f'read_restart "{file}"')


def write_checkpoint(path: Path, settings: dict, step: int, state: bytes) -> None:
    """Replace a checkpoint; it is on disk whole or not at all.

    Args:
        path: the file.
        settings: of the quench, which a later `read_checkpoint` compares.
        step: the number of time steps done.
        state: LAMMPS' restart data at that step.
    """
    header = _identity(settings) | {"step": step, "sha256": hashlib.sha256(state).hexdigest()}
    with replacing(path) as file:
        file.write_bytes(json.dumps(header).encode() + b"\n" + state)


def read_checkpoint(path: Path, settings: dict) -> tuple[int, bytes]:
    """Return the number of time steps done and LAMMPS' restart data.

    Raises:
        InputError: the file is damaged, of another quench, or of another version of this program or LAMMPS.
    """
    first, _, state = path.read_bytes().partition(b"\n")
    try:
        header = json.loads(first)
        step, digest = int(header["step"]), header["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, "checkpoint", "another file", "one that a quench wrote") from error
    for name, expected in _identity(settings).items():
        if header.get(name) != expected:
            raise InputError(path, name, header.get(name), f"{expected}; remove the file to start anew")
    if hashlib.sha256(state).hexdigest() != digest:
        raise InputError(path, "checkpoint", "damaged data", "what a quench wrote; remove the file to start anew")
    return step, state


def _identity(settings: dict) -> dict:
    # As JSON reads it back.
    return json.loads(json.dumps({"file": MAGIC, "program": program(), **settings}))
