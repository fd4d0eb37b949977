"""Untrusted structure files: the last frame or an error, within limited time and memory."""

import io
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from tests.conftest import random_glass
from tf_symgnn.data import write_glasses
from tf_symgnn.server import parsing
from tf_symgnn.server.protocol import RequestError


def test_the_last_frame_is_read(tmp_path):
    glasses = [random_glass(90, 10), random_glass(91, 12)]
    write_glasses(tmp_path / "two.xyz", glasses)
    glass, frames, notices = parsing.parse_structure((tmp_path / "two.xyz").read_bytes(), "any name.XYZ", ["Cu", "Zr"])
    assert frames == 2 and glass.barrier is None and notices == []
    np.testing.assert_allclose(glass.positions, glasses[1].positions, atol=1e-7)
    assert glass.species.tolist() == glasses[1].species.tolist()


def test_reading_ends_after_the_time_limit(monkeypatch):
    monkeypatch.setattr(parsing, "MAX_SECONDS", 0.01)
    with pytest.raises(RequestError, match="a.xyz: not read within 0.01 seconds") as caught:
        parsing.parse_structure(b"1\n\nCu 0 0 0\n", "a.xyz", ["Cu"])
    assert caught.value.status == 422


def test_an_archive_that_declares_more_than_it_holds_is_refused():
    """A few hundred bytes declare an array of 2.2 GB."""
    header, content = io.BytesIO(), io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (92_000_000, 3)})
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("positions.npy", header.getvalue())
    with pytest.raises(RequestError) as caught:
        parsing.parse_structure(content.getvalue(), "a.npz", ["Cu"])
    assert caught.value.status == 400
    assert "2208000000 bytes declared" in caught.value.message


def test_a_long_blank_line_does_not_slow_down_regular_expressions():
    """The reader of LAMMPS data searches every line of the header for `atoms`."""
    content = b"title\n" + b" " * 20_000 + b"\n\nAtoms\n\n"
    with pytest.raises(RequestError, match="a.data: "):
        parsing.parse_structure(content, "a.data", ["Cu"])
