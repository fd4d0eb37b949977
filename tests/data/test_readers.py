"""Readers of every format, and errors that name the file and the field."""

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tf_symgnn.data import InputError, iter_glasses, read_glass, write_glasses
from tf_symgnn.data.formats import SUFFIXES

XYZ = """2
Lattice="4.0 0.0 0.0 1.0 5.0 0.0 0.0 0.0 6.0" Properties=species:S:1:pos:R:3:energy_barrier:R:1:energies:R:1
Cu 0.0 0.5 1.0 1.25 -3.0
Zr 2.0 2.5 3.0 2.50 -4.0
"""
DATA = """made by LAMMPS with 3 atoms

3 atoms
2 atom types
0.0 4.0 xlo xhi
1.0 6.0 ylo yhi
0.0 6.0 zlo zhi
1.0 -0.5 0.25 xy xz yz

Masses

1 63.546
2 91.224

Atoms # atomic

3 2 0.3 0.3 0.3
1 1 0.1 0.1 0.1
2 2 0.2 0.2 0.2
"""
LABELED = (
    DATA.replace("Atoms #", "Atom Type Labels\n\n1 small\n2 large\n\nAtoms #")
    .replace("3 2 0.3", "3 large 0.3")
    .replace("1 1 0.1", "1 small 0.1")
    .replace("2 2 0.2", "2 large 0.2")
)
DUMP = """ITEM: TIMESTEP
7
ITEM: NUMBER OF ATOMS
3
ITEM: BOX BOUNDS pp pp ff
0.0 4.0
0.0 5.0
0.0 6.0
ITEM: ATOMS id type x y z energy_barrier c_pe
3 2 0.3 0.3 0.3 3.5 -3.0
1 1 0.1 0.1 0.1 1.5 -1.0
2 2 0.2 0.2 0.2 2.5 -2.0
"""


@pytest.fixture
def save(tmp_path):
    def save(name: str, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return save


def test_extxyz(save):
    glass = read_glass(save("a.xyz", XYZ))
    np.testing.assert_array_equal(glass.positions, [[0.0, 0.5, 1.0], [2.0, 2.5, 3.0]])
    np.testing.assert_array_equal(glass.cell, [[4, 0, 0], [1, 5, 0], [0, 0, 6]])
    assert glass.pbc.all()
    assert glass.species.tolist() == ["Cu", "Zr"]
    assert glass.barrier.tolist() == [1.25, 2.5]
    assert read_glass(str(save("A.XYZ", XYZ))).name == "A"


def test_extxyz_label_that_ase_stores_as_a_result(save):
    assert read_glass(save("a.xyz", XYZ), label="energies").barrier.tolist() == [-3.0, -4.0]


def test_only_the_default_label_may_be_missing(save):
    path = save("a.xyz", XYZ.replace("energy_barrier", "eb"))
    assert read_glass(path).barrier is None
    assert read_glass(path, label="eb").barrier.tolist() == [1.25, 2.5]
    with pytest.raises(InputError, match="a.xyz: barrier: found no such column, expected one of .*eb"):
        read_glass(path, label="barrier")


def test_extxyz_frames_of_different_sizes(save):
    path = save("run.xyz", XYZ + XYZ.replace("2\nL", "1\nL").replace("Zr 2.0 2.5 3.0 2.50 -4.0\n", "") + "\n" + XYZ)
    glasses = list(iter_glasses(path))
    assert [(glass.name, glass.n_atoms) for glass in glasses] == [("run-0", 2), ("run-1", 1), ("run-2", 2)]


def test_error_of_a_frame_has_its_index(save):
    with pytest.raises(InputError, match="run.xyz@1: positions: found nan"):
        list(iter_glasses(save("run.xyz", XYZ + XYZ.replace("Zr 2.0", "Zr nan"))))


@pytest.mark.parametrize("suffix", [".data", ".lmp", ".lammps-data"])
def test_lammps_data(save, suffix):
    glass = read_glass(save(f"a{suffix}", DATA), species=("Cu", "Zr"))
    assert glass.species.tolist() == ["Cu", "Zr", "Zr"]
    np.testing.assert_allclose(glass.positions, np.outer([0.1, 0.2, 0.3], np.ones(3)), atol=1e-12)
    np.testing.assert_array_equal(glass.cell, [[4, 0, 0], [1, 5, 0], [-0.5, 0.25, 6]])
    assert glass.pbc.all() and glass.barrier is None


@pytest.mark.parametrize(("name", "content"), [("a.data", DATA), ("a.dump", DUMP)])
def test_types_need_symbols(save, name, content):
    with pytest.raises(
        InputError, match=r"species: found types \[1, 2\] without names, expected .*--species, as in Cu,Zr"
    ):
        read_glass(save(name, content))
    with pytest.raises(InputError, match=r"types: found \[1, 2\], expected 1 to 1, for Cu"):
        read_glass(save(name, content), species=["Cu"])
    with pytest.raises(InputError, match="species: found 'Zz'"):
        read_glass(save(name, content), species=["Cu", "Zz"])


def test_lammps_data_has_no_labels(save):
    with pytest.raises(InputError, match="eb: found no such column, expected one of none"):
        read_glass(save("a.data", DATA), species=("Cu", "Zr"), label="eb")


@pytest.mark.parametrize("suffix", [".dump", ".lammpstrj"])
def test_lammps_dump_is_sorted_by_id(save, suffix):
    glass = read_glass(save(f"a{suffix}", DUMP), species=("Cu", "Zr"))
    assert glass.species.tolist() == ["Cu", "Zr", "Zr"]
    np.testing.assert_array_equal(glass.positions, np.outer([0.1, 0.2, 0.3], np.ones(3)))
    np.testing.assert_array_equal(glass.cell, np.diag([4.0, 5.0, 6.0]))
    assert glass.pbc.tolist() == [True, True, False]
    assert glass.barrier.tolist() == [1.5, 2.5, 3.5]


def test_lammps_dump_labels(save):
    path = save("a.dump", DUMP)
    assert read_glass(path, species=("Cu", "Zr"), label="c_pe").barrier.tolist() == [-1.0, -2.0, -3.0]
    with pytest.raises(InputError, match="eb: found no such column, expected one of c_pe, energy_barrier, id"):
        read_glass(path, species=("Cu", "Zr"), label="eb")


def test_lammps_dump_elements(save):
    content = DUMP.replace("type", "element").replace("3 2 ", "3 Zr ").replace("1 1 ", "1 Ag ").replace("2 2 ", "2 Cu ")
    path = save("a.dump", content)
    assert read_glass(path).species.tolist() == ["Ag", "Cu", "Zr"]
    assert read_glass(path, species=("Cu", "Zr", "Ag")).species.tolist() == ["Ag", "Cu", "Zr"]
    with pytest.raises(InputError, match="element: found Ag, Cu, Zr, expected only Cu, Zr, as by --species"):
        read_glass(path, species=("Cu", "Zr"))


def test_lammps_dump_with_masses_only_is_refused(save):
    with pytest.raises(InputError, match="columns: found id mass .*expected type or element"):
        read_glass(save("a.dump", DUMP.replace("type", "mass")), species=("Cu", "Zr"))


def test_lammps_dump_frames_with_units_and_time(save):
    path = save("run.dump", "ITEM: UNITS\nmetal\n" + DUMP + "ITEM: TIME\n0.5\n" + DUMP.replace("3 2 0.3", "3 2 0.4"))
    first, second = iter_glasses(path, species=("Cu", "Zr"))
    assert (first.name, second.name) == ("run-0", "run-1")
    assert (first.positions[2, 0], second.positions[2, 0]) == (0.3, 0.4)


def test_a_dump_has_one_count(save):
    content = DUMP.replace("ITEM: ATOMS", " ITEM: NUMBER OF ATOMS\n2\nITEM: ATOMS")
    with pytest.raises(InputError, match="BOX BOUNDS: found .*expected three lines of numbers"):
        read_glass(save("a.dump", content), species=("Cu", "Zr"))


def test_lammps_dump_triclinic(save):
    bounds = "ITEM: BOX BOUNDS xy xz yz pp pp pp\n-0.5 5.0 1.0\n0.0 5.25 -0.5\n0.0 6.0 0.25\n"
    content = DUMP[: DUMP.index("ITEM: BOX")] + bounds + DUMP[DUMP.index("ITEM: ATOMS") :]
    glass = read_glass(save("a.dump", content), species=("Cu", "Zr"))
    np.testing.assert_allclose(glass.cell, [[4, 0, 0], [1, 5, 0], [-0.5, 0.25, 6]], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xyz", "999999999999\n\n"),
        ("a.xyz", "90000000\n\nCu 0 0 0\n"),
        ("a.data", DATA.replace("\n3 atoms", "\n999999999999 atoms")),
        ("a.data", DATA.replace("\n3 atoms", "\n90000000 atoms")),
        ("a.dump", DUMP.replace("ATOMS\n3\n", "ATOMS\n999999999999\n")),
        ("a.dump", DUMP.replace("ATOMS\n3\n", "ATOMS\n90000000\n")),
    ],
)
def test_declared_counts_allocate_no_memory(save, name, content):
    with pytest.raises(InputError, match="atoms|Atoms"):
        read_glass(save(name, content), species=("Cu", "Zr"))


def test_truth_values_of_a_column_that_is_kept(save):
    text = XYZ.replace("energies:R", "pinned:L").replace("-3.0", "T")
    glass = read_glass(save("a.xyz", text.replace("-4.0", "False")), keep_columns=True)
    assert glass.columns["pinned"].tolist() == [True, False]
    with pytest.raises(InputError, match="Properties: found values of a column of truth values, expected T or F"):
        read_glass(save("a.xyz", text.replace("-4.0", "yes")), keep_columns=True)


def test_types_by_label_are_in_the_order_of_their_section(save):
    assert read_glass(save("a.data", LABELED), species=("Cu", "Zr")).species.tolist() == ["Cu", "Zr", "Zr"]


def test_general_triclinic_box_of_lammps_data(save):
    box = "4 0 0 avec\n1 5 0 bvec\n0.5 -0.25 6 cvec\n0 1 2 abc origin\n"
    text = DATA.replace(DATA[DATA.index("0.0 4.0") : DATA.index("Masses")], box + "\n")
    glass = read_glass(save("a.data", text), species=("Cu", "Zr"))
    np.testing.assert_allclose(glass.cell, [[4, 0, 0], [1, 5, 0], [0.5, -0.25, 6]])
    np.testing.assert_allclose(glass.origin, [0, 1, 2])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xyz", "", "file: found nothing in it"),
        ("a.xyz", "\n\n", "content: found no frame"),
        ("a.xyz", "0\n\n", "number of atoms: found '0'"),
        ("a.xyz", "two\n", "number of atoms: found 'two'"),
        (
            "a.xyz",
            XYZ.replace("Zr 2.0 2.5 3.0 2.50 -4.0\n", ""),
            "atoms: found 1 rows, expected 2 as declared",
        ),
        ("a.xyz", XYZ.replace("-4.0", ""), "columns: found 5 values in row 2, expected 6 as declared"),
        ("a.xyz", XYZ.replace("Zr 2", "Qq 2"), "species: found 'Qq', expected chemical symbols"),
        ("a.xyz", XYZ.replace("Zr 2", "X 2"), "species: found 'X'"),
        ("a.xyz", XYZ[XYZ.index("Prop") :].join(["2\n", ""]), "cell: found no vector along which it is periodic"),
        ("a.xyz", XYZ.replace("barrier:R", "barrier:S"), "energy_barrier: found values of type"),
        ("a.xyz", XYZ.replace(":pos:R:3", ":place:R:3"), "Properties: found .*expected pos among them"),
        ("a.xyz", XYZ.replace("energies", "pos"), "Properties: found .*expected each name once"),
        ("a.xyz", XYZ.replace("species:S", "symbol:S"), "Properties: found .*expected species or Z among them"),
        ("a.xyz", XYZ.replace("species:S", "Z:I").replace("Cu", "29").replace("Zr", "119"), "Z: found values"),
        ("a.dump", "", "file: found nothing in it"),
        ("a.dump", "nonsense\n", "line 1: found nonsense, expected ITEM: TIMESTEP, where a frame begins"),
        ("a.dump", "ITEM: TIMESTEP\n7\n", "content: found an incomplete frame"),
        ("a.dump", DUMP[: DUMP.index("2 2 0.2")], "atoms: found 2 rows, expected 3 as declared"),
        ("a.dump", DUMP + "4 1 0 0 0 0 0\n", "atoms: found 4 rows, expected 3 as declared"),
        ("a.dump", DUMP.replace("x y z", "a b c"), "columns: found id type a b c"),
        ("a.dump", DUMP.replace(" type", " size"), "content: found|columns: found"),
        ("a.data", "", "file: found nothing in it"),
        ("a.data", "only a comment\n", "Atoms: found no such section"),
        ("a.data", DATA.replace("3 atoms", "no atoms"), "number of atoms: found 'no'"),
        (
            "a.data",
            DATA[: DATA.index("3 atoms\n2")] + DATA[DATA.index("2 atom types") :],
            "number of atoms: found none",
        ),
        ("a.data", DATA[: DATA.index("2 2 0.2")], "atoms: found 2 rows, expected 3 as declared"),
        ("a.data", DATA.replace("6.0 zlo", "0.0 zlo"), "cell: found volume"),
        ("a.data", LABELED.replace("1 small 0.1", "1 tiny 0.1"), "types: found tiny, expected labels in the section"),
        ("a.npz", "", "file: found nothing in it"),
        ("a.npz", "PK", "archive: found BadZipFile"),
        ("a.cif", "x", "content: found .*expected a file that ASE reads as cif"),
        ("a", "x", "format: found an unknown one, suffix none, expected .*--format"),
    ],
)
def test_invalid_files_are_refused(save, name, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read_glass(save(name, content), species=("Cu", "Zr"))
    assert "\n" not in str(caught.value)


def test_arguments_are_checked(save):
    path = save("a.dump", DUMP)
    with pytest.raises(InputError, match="species: found 'Cu,Zr', expected a sequence of chemical symbols"):
        read_glass(path, species="Cu,Zr")
    with pytest.raises(InputError, match="label: found 3, expected the name of a column"):
        read_glass(path, label=3)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no.xyz: file: found No such file or directory"):
        read_glass(tmp_path / "no.xyz")
    with pytest.raises(InputError, match="file: found Is a directory"):
        read_glass(tmp_path)


@pytest.mark.parametrize("suffix", [".xyz", ".dump", ".npz"])
def test_truncated_files_raise_input_error_or_nothing(tmp_path, save, make_glass, suffix):
    write_glasses(tmp_path / f"whole{suffix}", [make_glass()])
    content = (tmp_path / f"whole{suffix}").read_bytes()
    refused = 0
    for length in range(0, len(content), 7):
        try:
            read_glass(save(f"cut{suffix}", content[:length]))
        except InputError:
            refused += 1
    # A text that ends within its last number is still valid.
    assert refused >= len(range(0, len(content), 7)) - 2


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(min_size=1, max_size=200), cut=st.integers(0, 400))
def test_random_bytes_raise_input_error_or_nothing(tmp_path, save, save_npz, garbage, cut):
    wholes = {".xyz": XYZ.encode(), ".dump": DUMP.encode(), ".data": DATA.encode(), ".npz": save_npz().read_bytes()}
    for suffix in SUFFIXES:
        whole = wholes.get(suffix, b"")
        for content in (garbage, whole[:cut] + garbage + whole[cut + len(garbage) :]):
            with contextlib.suppress(InputError):
                list(iter_glasses(save(f"garbage{suffix}", content), species=("Cu", "Zr")))
