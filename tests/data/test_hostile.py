"""Hostile files: what they declare is checked before anything of that size is made, and no program in them runs."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import zstandard

from tests.data.fuzzing import WHOLE, mutate
from tf_symgnn.data import Glass, InputError, iter_glasses, opening, read_glass
from tf_symgnn.data.limits import MAX_LINE

COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_of_every_format(tmp_path, suffix):
    for name, content in ((name, content) for name, content in WHOLE.items() if not name.endswith(".gz")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / (name + suffix)).write_bytes(COMPRESS[suffix](content))
        whole = list(iter_glasses(tmp_path / name, species=("Cu", "Zr")))
        packed = list(iter_glasses(tmp_path / (name + suffix), species=("Cu", "Zr")))
        assert [glass.name for glass in packed] == [glass.name for glass in whole]
        np.testing.assert_array_equal(packed[-1].positions, whole[-1].positions)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_that_is_cut_is_refused(tmp_path, suffix):
    packed = COMPRESS[suffix](WHOLE["a.xyz"] * 100)
    path = tmp_path / f"a.xyz{suffix}"
    for length in (len(packed) // 2, len(packed) - 1):
        path.write_bytes(packed[:length])
        with pytest.raises(InputError, match=f"compression: found .*, expected a whole {suffix} file"):
            list(iter_glasses(path))
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="compression: found"):
        list(iter_glasses(path))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_file_that_inflates_without_bound_is_refused(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(opening, "FREE_INFLATION", 2**20)
    path = tmp_path / f"a.xyz{suffix}"
    path.write_bytes(COMPRESS[suffix]((WHOLE["a.xyz"] + b" " * (MAX_LINE // 2) + b"\n") * 20))
    with pytest.raises(InputError, match="compression: found over [0-9]+ bytes when inflated"):
        for _ in iter_glasses(path):
            pass


def test_blank_lines_without_end_are_refused(tmp_path):
    for name in ("a.xyz", "a.dump", "a.data"):
        (tmp_path / name).write_bytes(b"\n" * 10_000)
        with pytest.raises(InputError, match="line 1001: found over 1000 blank lines, expected fewer"):
            read_glass(tmp_path / name)


def test_a_line_without_an_end_is_refused(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"2\n" + b" " * (MAX_LINE + 10))
    with pytest.raises(InputError, match=f"line 2: found over {MAX_LINE} characters"):
        read_glass(tmp_path / "a.xyz")


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.xyz")
    (tmp_path / "a.dump").symlink_to("/dev/zero")
    for name in ("a.xyz", "a.dump"):
        with pytest.raises(InputError, match=f"{name}: file: found a pipe, a socket or a device, expected a regular"):
            read_glass(tmp_path / name)


def test_a_declared_number_of_columns_is_compared_with_the_first_row(tmp_path):
    header = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:x:R:1000000000000'
    (tmp_path / "a.xyz").write_text(f"1\n{header}\nCu 0 0 0\n")
    with pytest.raises(InputError, match="Properties: found 1000000000004 columns declared, expected 4"):
        read_glass(tmp_path / "a.xyz")


@pytest.mark.parametrize(
    "header", ["1 " + " \t" * 200_000 + "\n", "1 " + "atoms " * 60_000 + "\n", "=" * 300_000 + "\n"]
)
@pytest.mark.parametrize("name", ["a.data", "a.xyz", "a.dump"])
def test_long_lines_are_parsed_in_linear_time(tmp_path, name, header):
    # A regular expression took hours; the limit of time of the suite is the check.
    (tmp_path / name).write_text(f"2\n{header}{header}Cu 0 0 0\n")
    with pytest.raises(InputError):
        read_glass(tmp_path / name, species=["Cu"])


def test_more_columns_than_any_file_has_are_refused(tmp_path):
    names = ":".join(f"c{k}:R:1" for k in range(2000))
    header = f'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:{names}'
    (tmp_path / "a.xyz").write_text(f"1\n{header}\nCu 0 0 0{' 1' * 2000}\n")
    with pytest.raises(InputError, match="columns: found 2004, expected at most 1000"):
        read_glass(tmp_path / "a.xyz")


@pytest.mark.parametrize("name", ["POSCAR", "XDATCAR", "a.cfg", "a.xsf"])
def test_counts_of_other_formats_are_compared_with_the_file(tmp_path, name):
    atoms = ase.Atoms("Cu2", positions=[[0, 0, 0], [2.5, 0, 0]], cell=np.eye(3) * 9, pbc=True)
    ase.io.write(tmp_path / name, atoms)
    text = (tmp_path / name).read_text()
    count = {"POSCAR": r"\n +2\n", "XDATCAR": r"\n +2\n", "a.cfg": "particles = 2", "a.xsf": "\n 2 1"}[name]
    declared = re.sub(count, lambda found: found[0].replace("2", "99999999999"), text)
    assert declared != text
    (tmp_path / name).write_text(declared)
    with pytest.raises(InputError, match="line [0-9]+: found a count of [0-9]+, expected at most [0-9]+, the bytes"):
        list(iter_glasses(tmp_path / name))


def _npz(path: Path, members: list[tuple[str, str, tuple, bytes]]) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # a name twice
        for name, descr, shape, content in members:
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
            archive.writestr(f"{name}.npy", header.getvalue() + content)
    return path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("positions", "|V0", (10**12,), b"")], r"positions: found values of type .*V0.*, expected numbers or text"),
        ([("positions", "|S0", (10**12, 3), b"")], "positions: found values of type"),
        ([("positions", "<f8", (10**8 // 24, 3), bytes(10**8 - 16))], "positions: found 99999984 bytes declared"),
        ([("positions", "<f8", (1, 3), bytes(24))] * 2, "archive: found a name twice, expected each name once"),
        ([("positions", "<f8", (100, 3), bytes(24))], "positions: found 2400 bytes declared, expected at most"),
    ],
)
def test_archives_that_declare_more_than_they_hold_are_refused(tmp_path, members, message):
    with pytest.raises(InputError, match=message):
        read_glass(_npz(tmp_path / "a.npz", members))


def _tuples(depth: int) -> bytes:
    return b")" + b"\x85" * depth


def _doubling(times: int) -> bytes:
    # Each tuple holds the one before twice: hashing it takes 2^times steps.
    return b")" + b"".join(b"q" + bytes([k]) + b"h" + bytes([k]) + b"\x86" for k in range(times))


PICKLES = {
    "a key of tuples 200,000 deep": b"\x80\x03}" + _tuples(200_000) + b"Ns.",
    "a key of doubling tuples": b"\x80\x03}" + _doubling(40) + b"Ns.",
    "doubling tuples of several keys": b"\x80\x03}(" + _doubling(40) + b"N" + _doubling(40) + b"Nu.",
    "a shallow key": b"\x80\x03})\x85Ns.",
    "a number for a key": b"\x80\x03}K\x01Ns.",
    "ten million lists": b"\x80\x03]" + b"](" * 10 + b"]" * 10_000_000 + b".",
    "a mark too few": b"\x80\x03}X\x01\x00\x00\x00aNu.",
    "nothing on the stack": b"\x80\x03s.",
    "a shape of tuples": b"\x80\x03cnumpy\ndtype\n" + _tuples(200_000) + b"R.",
    "marks and lists": b"\x80\x03" + b"(]" * 1_000_000 + b"e" * 10 + b".",
}


@pytest.mark.parametrize("content", PICKLES.values(), ids=PICKLES)
def test_pickles_whose_keys_or_size_are_hostile_are_refused(tmp_path, content):
    (tmp_path / "a.pickle").write_bytes(content)
    with pytest.raises(InputError, match="pickle: found"):
        read_glass(tmp_path / "a.pickle")


def test_a_trajectory_of_ase_in_the_format_of_old_is_not_unpickled(tmp_path):
    class Touch:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'marker'}",)

    for name in ("a.traj", "a.json", "a.db", "a.cif", "unknown"):
        (tmp_path / name).write_bytes(b"PickleTrajectory" + pickle.dumps(Touch(), 0))
        with pytest.raises(InputError):
            list(iter_glasses(tmp_path / name))
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", WHOLE)
def test_mutated_files_are_valid_glasses_or_refused(tmp_path, name):
    """`benchmarks/fuzz_readers.py` does the same thousands of times."""
    refused = 0
    for seed in range(60):
        path = tmp_path / name
        path.write_bytes(mutate(WHOLE[name], np.random.default_rng(seed)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                glasses = list(iter_glasses(path, species=("Cu", "Zr"), keep_columns=True))
            except InputError as error:
                assert "\n" not in str(error)
                refused += 1
            else:
                assert all(isinstance(glass, Glass) for glass in glasses)
    assert refused > 10
