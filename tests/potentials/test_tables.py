"""Tables of potentials: what LAMMPS ships is read, written and read again, and what is damaged is refused."""

import numpy as np
import pytest

from tf_symgnn.data import InputError
from tf_symgnn.potentials.tables import read_tables

from .conftest import TABLES

# Two species with five points of each function, whose values count up from 0.
SMALL = """comment
comment
comment
2 Cu Zr
5 0.5 5 1.0 4.0
29 63.5 3.6 fcc
0 1 2 3 4
5 6 7 8 9
10 11
12 13 14
40 91.2
15 16 17 18 19
20 21 22 23 24 25 26 27 28 29
30 31 32 33 34
35 36 37 38 39
40 41 42 43 44
"""


def write(folder, text: str = SMALL):
    path = folder / "small.eam.fs"
    path.write_text(text)
    return path


def test_values_are_where_lammps_has_them(tmp_path):
    tables = read_tables(write(tmp_path), "eam/fs")
    assert tables.symbols == ("Cu", "Zr") and tables.masses.tolist() == [63.5, 91.2]
    assert (tables.cutoff, tables.density_step, tables.distance_step) == (4.0, 0.5, 1.0)
    assert tables.embedding.tolist() == [[0, 1, 2, 3, 4], [15, 16, 17, 18, 19]]
    # The density of Cu at Cu, then of Cu at Zr; then of Zr at either.
    assert tables.density[:, :, 0].tolist() == [[5, 10], [20, 25]]
    assert tables.pair[:, :, 0].tolist() == [[30, 35], [35, 40]]


def test_comments_end_a_line(tmp_path):
    commented = SMALL.replace("0 1 2 3 4\n", "0 1 2 # embedding\n# of copper\n3 4\n")
    assert read_tables(write(tmp_path, commented), "eam/fs").embedding[0].tolist() == [0, 1, 2, 3, 4]


def test_one_density_is_that_at_all_species(lammps_potentials):
    tables = read_tables(lammps_potentials / "NiAlH_jea.eam.alloy", "eam/alloy")
    np.testing.assert_array_equal(tables.density[0, 0], tables.density[0, 2])
    assert not np.array_equal(tables.density[0, 0], tables.density[1, 0])


@pytest.mark.parametrize("name", TABLES)
def test_written_tables_are_read_again_in_every_digit(name, lammps_potentials, tmp_path):
    style, symbols = TABLES[name]
    tables = read_tables(lammps_potentials / name, style)
    assert tables.symbols == symbols
    tables.write(tmp_path / name, style)
    again = read_tables(tmp_path / name, style)
    assert (again.lattices, again.cutoff) == (tables.lattices, tables.cutoff)
    for field in ("masses", "embedding", "density", "pair", "density_step", "distance_step"):
        np.testing.assert_array_equal(getattr(again, field), getattr(tables, field))


def test_thinned_tables_have_every_kth_point(tmp_path, lammps_potentials):
    tables = read_tables(lammps_potentials / "CuZr_mm.eam.fs", "eam/fs")
    thinned = tables.thinned(1500)
    np.testing.assert_array_equal(thinned.pair, tables.pair[..., ::6])
    assert thinned.distance_step == 6 * tables.distance_step and thinned.cutoff == tables.cutoff
    assert read_tables(write(tmp_path), "eam/fs").thinned(100).pair.shape == (2, 2, 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lines: found 0, expected a table of eam/fs"),
        (SMALL.replace("2 Cu Zr", "2 Cu Xx"), "line 4: found 2 Cu Xx"),
        (SMALL.replace("2 Cu Zr", "3 Cu Zr"), "line 4: found 3 Cu Zr"),
        (SMALL.replace("2 Cu Zr", "2 Cu Cu"), "line 4: found 2 Cu Cu"),
        (SMALL.replace("5 0.5 5 1.0 4.0", "5 0.5 5"), "line 5: found IndexError"),
        (SMALL.replace("5 0.5 5 1.0 4.0", "5 0.5 5 1.0 nan"), "cutoff: found nan, expected a number above 0"),
        (SMALL.replace("5 0.5 5 1.0 4.0", "5 0.5 4 1.0 4.0"), "points of distances: found 4"),
        (SMALL.replace("5 0.5 5 1.0 4.0", "5 0.5 999999999999 1.0 4.0"), "points of distances: found 999999999999"),
        (SMALL.replace("5 0.5 5 1.0 4.0", "5 0.5 5 1.0 5.1"), "cutoff: found 5.1 A, and distances up to 4 A"),
        (SMALL.replace("5 0.5 5 1.0 4.0", "5 0.5 5 1e6 4e6"), "cutoff, which is at most 20 A"),
        (SMALL.replace("7 8 9", "7 8 1e999"), "density of Cu: found inf, expected finite numbers"),
        (SMALL.replace("29 63.5", "29 copper"), "line 6: found ValueError"),
        (SMALL.replace("7 8 9", "7 8 nan"), "density of Cu: found nan, expected finite numbers"),
        (SMALL.replace("7 8 9", "7 8 x"), "density of Cu: found ValueError"),
        (SMALL.replace("0 1 2 3 4\n", "0 1 2 3 4 5\n"), "embedding of Cu: found 6 numbers on its lines, expected 5"),
        (SMALL[: SMALL.index("40 41")], "pair function of Zr and Zr: found the end of the file"),
        (SMALL + "1 2 3\n", "end: found 3 more numbers, expected the end of a table of eam/fs"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_tables(write(tmp_path, text), "eam/fs")


def test_files_that_are_no_tables_of_the_style_are_refused(tmp_path, lammps_potentials):
    with pytest.raises(InputError, match="density of Ni: found ValueError"):
        read_tables(lammps_potentials / "NiAlH_jea.eam.alloy", "eam/fs")
    with pytest.raises(InputError, match="line 4007: found ValueError"):
        read_tables(lammps_potentials / "CuZr_mm.eam.fs", "eam/alloy")
    with pytest.raises(InputError, match="pair style: found 'meam', expected one of eam/alloy, eam/fs"):
        read_tables(write(tmp_path), "meam")
    with pytest.raises(InputError, match="potential: found FileNotFoundError"):
        read_tables(tmp_path / "absent", "eam/fs")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tf_symgnn.potentials.tables.MAX_BYTES", 100)
    with pytest.raises(InputError, match=r"size: found \d+ bytes, expected at most 100"):
        read_tables(write(tmp_path), "eam/fs")
