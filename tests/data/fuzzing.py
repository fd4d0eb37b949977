"""Whole files of every format, and their mutations from a seed."""

import gzip
import io
import pickle

import ase
import ase.io
import numpy as np

_CORNERS = np.array([[0.5, 0.5, 0.5], [3.0, 0.5, 0.5], [0.5, 3.0, 0.5], [3.0, 3.0, 3.0]])
_ROWS = [" ".join(map(str, row)) for row in _CORNERS.tolist()]

_XYZ = (
    '4\nLattice="9 0 0 1 9 0 0 0 9" Properties=species:S:1:pos:R:3:energy_barrier:R:1:id:I:1:move:L:1 '
    'pbc="T T F" Origin="0 0 1" Timestep=7 note="a b"\n'
    + "".join(f"{s} {row} 1.{k} {k + 4} T\n" for k, (s, row) in enumerate(zip(["Cu", "Zr"] * 2, _ROWS, strict=True)))
)
_DUMP = (
    "ITEM: UNITS\nmetal\nITEM: TIMESTEP\n100\nITEM: NUMBER OF ATOMS\n4\nITEM: BOX BOUNDS xy xz yz pp pp ff\n"
    "0 10 1\n0 9 0\n1.0e+00 10 0\nITEM: ATOMS id type element x y z v_energy_barrier ix\n"
    + "".join(f"{k + 4} {k % 2 + 1} {'CuZr'[2 * (k % 2) :][:2]} {row} 1.{k} -1\n" for k, row in enumerate(_ROWS))
)
_DATA = (
    "LAMMPS data file via write_data, version 22 Jul 2025, timestep = 5, units = metal\n\n4 atoms\n2 atom types\n\n"
    "0 9 xlo xhi\n0 9 ylo yhi\n1 10 zlo zhi\n1 0 0 xy xz yz\n\nAtom Type Labels\n\n1 Cu\n2 Zr\n\n"
    "Masses\n\n1 63.546\n2 91.224\n\nAtoms # charge\n\n"
    + "".join(f"{k + 4} {k % 2 + 1} 0.5 {row} 0 0 1\n" for k, row in enumerate(_ROWS))
    + "\nVelocities\n\n"
    + "".join(f"{k + 4} 0 0 0\n" for k in range(4))
)


def _npz() -> bytes:
    content, species = io.BytesIO(), np.array(["Cu", "Zr"] * 2)
    arrays = {"positions": _CORNERS, "species": species, "cell": np.eye(3) * 9, "energy_barrier": np.arange(4.0)}
    np.savez_compressed(content, **arrays, ids=np.arange(4), step=np.array(3), origin=np.ones(3), pbc=np.ones(3, bool))
    return content.getvalue()


def _by_ase(format: str) -> bytes:
    atoms = ase.Atoms("Cu2Zr2", positions=_CORNERS, cell=np.diag([9, 8, 7.0]), pbc=True)
    content = io.BytesIO() if format in ("cif", "traj") else io.StringIO()
    ase.io.write(content, atoms, format=format)
    written = content.getvalue()
    return written if isinstance(written, bytes) else written.encode()


_PICKLED = {
    "__header__": b"MATLAB",
    "__globals__": [],
    "box": np.full(3, 9.0, np.float32),
    "positions": _CORNERS,
    "trajectory_start_velocities": np.arange(4.0, dtype=np.float32),
    "types": np.array([1, 2, 1, 2], np.int32),
}

WHOLE = {
    "a.xyz": (_XYZ + _XYZ).encode(),
    "a.dump": (_DUMP + _DUMP.replace("ITEM: UNITS\nmetal\n", "")).encode(),
    "a.data": _DATA.encode(),
    "a.npz": _npz(),
    "a.pickle": pickle.dumps(_PICKLED, protocol=4),
    "b.xyz.gz": gzip.compress(_XYZ.encode(), mtime=0),
    "a.cif": _by_ase("cif"),
    "POSCAR": _by_ase("vasp"),
    "a.traj": _by_ase("traj"),
}
# Parts of files that readers give a meaning.
_WORDS = (b"nan", b"-1", b"1e999", b"ITEM: ATOMS id type x y z", b"\n\n", b" ", b"9" * 30, b"Atoms", b"\x00", b":R:1")


def mutate(whole: bytes, rng: np.random.Generator) -> bytes:
    """Return content with one or two changes: a byte, a word, a part that is cut out or doubled, or a cut end."""
    content = bytearray(whole)
    for _ in range(rng.integers(1, 3)):
        begin = int(rng.integers(0, len(content) + 1))
        end = min(len(content), begin + int(rng.integers(0, 1 + len(content) // 12)))
        kind = rng.integers(0, 6)
        if kind == 0 and begin < len(content):
            content[begin] = rng.integers(0, 256)
        elif kind == 1:
            content[begin:begin] = _WORDS[rng.integers(len(_WORDS))]
        elif kind == 2:
            word = _WORDS[rng.integers(len(_WORDS))]
            content[begin : begin + len(word)] = word
        elif kind == 3:
            del content[begin:end]
        elif kind == 4:
            content[begin:begin] = content[begin:end]
        elif kind == 5:
            content = content[:begin] if rng.random() < 0.5 else content[begin:]
    return bytes(content) or b" "
