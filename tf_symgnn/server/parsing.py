"""Structure files from strangers, read in a process of their own that may be ended: bounded in time and memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from tf_symgnn.data import Glass, InputError, iter_glasses, read_glass, write_glasses
from tf_symgnn.data.limits import MAX_ATOMS_A_REQUEST
from tf_symgnn.data.readers import EXTXYZ, LAMMPS_DATA, LAMMPS_DUMP, NPZ
from tf_symgnn.server.protocol import RequestError, bad_request

SUFFIXES = EXTXYZ + LAMMPS_DATA + LAMMPS_DUMP + NPZ
MAX_SECONDS = 30  # time enough for the largest body
MAX_MEMORY = 2 * 2**30  # bytes of address space

# Threads of linear algebra that is not done here would only take up address space.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_REFUSED = 2


def parse_structure(content: bytes, name: str, species: Sequence[str]) -> tuple[Glass, int]:
    """The last frame of a structure file, and how many it holds.

    Args:
        content: the file.
        name: what it is called; only the suffix is used, and the name in messages.
        species: chemical symbols of LAMMPS types 1, 2, ...

    Raises:
        RequestError: the file cannot be used, is a pickle, or takes too long.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise bad_request(f"{name}: suffix: found {suffix or 'none'}, expected one of {', '.join(SUFFIXES)}")
    with tempfile.TemporaryDirectory(prefix="tf-symgnn-") as folder:
        file, parsed = Path(folder) / f"structure{suffix}", Path(folder) / "parsed.npz"
        file.write_bytes(content)
        command = [sys.executable, "-m", __name__, str(file), str(parsed), ",".join(species)]
        try:
            finished = subprocess.run(
                command, capture_output=True, text=True, timeout=MAX_SECONDS, env=os.environ | _ONE_THREAD
            )
        except subprocess.TimeoutExpired as error:
            message = f"{name}: not read within {MAX_SECONDS} seconds"
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, message) from error
        if finished.returncode == _REFUSED:
            raise bad_request(finished.stderr.strip().replace(str(file), name))
        if finished.returncode:
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name}: it cannot be read in the memory set aside")
        return read_glass(parsed), int(finished.stdout)


def _main(file: str, parsed: str, species: str) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    try:
        for index, glass in enumerate(iter_glasses(file, label=None, species=species.split(","))):
            frames, last = index + 1, glass
            if glass.n_atoms > MAX_ATOMS_A_REQUEST:  # before the server takes it up, which has no bound of memory
                raise InputError(file, "atoms", glass.n_atoms, f"at most {MAX_ATOMS_A_REQUEST} at a time")
        write_glasses(parsed, [last])
    except InputError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    print(frames)
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
