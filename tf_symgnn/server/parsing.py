"""Parse untrusted structure files in a separate process with limited time and memory."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import numpy as np

from tf_symgnn.data import Glass, InputError, InputNotice, iter_glasses, read_glass, write_glasses
from tf_symgnn.data.formats import EXTXYZ, LAMMPS_DATA, LAMMPS_DUMP, NPZ
from tf_symgnn.data.limits import MAX_ATOMS_A_REQUEST
from tf_symgnn.data.opening import COMPRESSIONS, uncompressed_name
from tf_symgnn.server.protocol import RequestError, bad_request

SUFFIXES = EXTXYZ + LAMMPS_DATA + LAMMPS_DUMP + NPZ
ACCEPTED = SUFFIXES + COMPRESSIONS  # last suffixes of names
MAX_SECONDS = 30  # enough for the largest body
MAX_MEMORY = 2 * 2**30  # bytes of address space
MAX_NOTICES = 5
SHOWN_COLUMNS, SHOWN_NAME = 40, 100  # further columns of a file, and characters of their names

# Threads of linear algebra libraries are not used here, but would need address space.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_REFUSED = 2


def parse_structure(content: bytes, name: str, species: Sequence[str]) -> tuple[Glass, int, list[str]]:
    """Return the last frame of a structure file, the number of frames, and notices about the file.

    Args:
        content: content of the file.
        name: name of the file. Its suffixes select format and compression; messages contain the name.
        species: chemical symbols of LAMMPS types 1, 2, ...; none if the file has symbols.

    Raises:
        RequestError: status 400 or 422, the file is invalid, has another suffix, or needs too much time or memory.
    """
    plain = uncompressed_name(name)
    suffix, compression = Path(plain).suffix.lower(), name[len(plain) :].lower()
    if suffix not in SUFFIXES:
        raise bad_request(f"{name}: suffix: found {suffix or 'none'}, expected one of {', '.join(SUFFIXES)}")
    with tempfile.TemporaryDirectory(prefix="tf-symgnn-") as folder:
        file, parsed = Path(folder) / f"structure{suffix}{compression}", Path(folder) / "parsed.npz"
        file.write_bytes(content)
        command = [sys.executable, "-m", __name__, str(file), str(parsed), ",".join(species)]
        try:
            with _end_of_life() as pipe:
                finished = subprocess.run(
                    command,
                    stdin=pipe,
                    capture_output=True,
                    text=True,
                    timeout=MAX_SECONDS,
                    env=os.environ | _ONE_THREAD,
                )
        except subprocess.TimeoutExpired as error:
            message = f"{name}: not read within {MAX_SECONDS} seconds"
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, message) from error
        if finished.returncode == _REFUSED:
            raise bad_request(finished.stderr.strip().replace(str(file), name))
        if finished.returncode:
            message = f"{name}: cannot be read within {MAX_MEMORY // 2**30} GiB of memory"
            raise RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, message)
        about = json.loads(finished.stdout)
        notices = [text.replace(str(file), name) for text in about["notices"]]
        return read_glass(parsed, keep_columns=True), about["frames"], notices


@contextmanager
def _end_of_life() -> Iterator[int]:
    """Yield a pipe that ends when this process does, even if it is killed."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def _end_with_the_server(folder: Path) -> None:
    """Wait until the server has ended, then remove the files and end this process."""
    os.read(0, 1)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(_REFUSED)


def _shown_columns(glass: Glass) -> dict[str, np.ndarray]:
    """Return the first columns of a glass that atoms can be colored by: one finite number for each of them."""
    numbers = (
        (name, values)
        for name, values in glass.columns.items()
        if values.ndim == 1 and values.dtype.kind in "biuf" and len(name) <= SHOWN_NAME and np.isfinite(values).all()
    )
    return dict(itertools.islice(numbers, SHOWN_COLUMNS))


def _main(file: str, parsed: str, species: str) -> int:
    threading.Thread(target=_end_with_the_server, args=(Path(file).parent,), daemon=True).start()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    # Also ends a process whose other threads cannot run.
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS + 1, MAX_SECONDS + 1))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InputNotice)
            for index, glass in enumerate(
                iter_glasses(file, label=None, species=species.split(",") if species else None, keep_columns=True)
            ):
                frames, last = index + 1, glass
                # The memory of the server itself is not limited.
                if glass.n_atoms > MAX_ATOMS_A_REQUEST:
                    raise InputError(file, "atoms", glass.n_atoms, f"at most {MAX_ATOMS_A_REQUEST} at a time")
        write_glasses(parsed, [replace(last, columns=_shown_columns(last))])
    except InputError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    notices = dict.fromkeys(str(notice.message) for notice in caught if issubclass(notice.category, InputNotice))
    print(json.dumps({"frames": frames, "notices": list(notices)[:MAX_NOTICES]}))
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
