"""Structure files from strangers: the last frame, or a refusal, within the time and memory set aside."""

import io
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from tests.conftest import random_glass
from tf_symgnn.data import write_glasses
from tf_symgnn.server import parsing
from tf_symgnn.server.protocol import RequestError


def test_a_file_is_read_as_it_would_be_here(tmp_path):
    glasses = [random_glass(90, 10), random_glass(91, 12)]
    write_glasses(tmp_path / "two.xyz", glasses)
    glass, frames = parsing.parse_structure((tmp_path / "two.xyz").read_bytes(), "any name.XYZ", ["Cu", "Zr"])
    assert frames == 2 and glass.barrier is None
    np.testing.assert_allclose(glass.positions, glasses[1].positions, atol=1e-7)
    assert glass.species.tolist() == glasses[1].species.tolist()


def test_a_file_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(parsing, "MAX_SECONDS", 0.01)
    with pytest.raises(RequestError, match="a.xyz: not read within 0.01 seconds") as caught:
        parsing.parse_structure(b"1\n\nCu 0 0 0\n", "a.xyz", ["Cu"])
    assert caught.value.status == 422


def test_an_archive_that_declares_more_than_memory_takes_gets_none():
    """A few hundred bytes that declare 2.2 GB, within what a reader that may take all memory lets pass."""
    header, content = io.BytesIO(), io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (92_000_000, 3)})
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("positions.npy", header.getvalue())
    with pytest.raises(RequestError) as caught:
        parsing.parse_structure(content.getvalue(), "a.npz", ["Cu"])
    assert caught.value.status in (400, 422)
    assert "memory" in caught.value.message.lower()


def test_a_line_of_blanks_that_a_careless_pattern_would_never_finish():
    """LAMMPS data: `atoms` is looked for in every line of the header."""
    content = b"title\n" + b" " * 20_000 + b"\n\nAtoms\n\n"
    with pytest.raises(RequestError, match="a.data: "):
        parsing.parse_structure(content, "a.data", ["Cu"])
