"""Files as LAMMPS, ASE and OVITO users have them: each stands for a kind, and is read rightly or refused by name."""

import gzip
import warnings

import ase
import ase.io
import numpy as np
import pytest
from ase.data import atomic_numbers, covalent_radii

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.data import (
    Glass,
    InputError,
    InputNotice,
    ReadOptions,
    iter_glasses,
    label_scaling,
    parse_pbc,
    read_glass,
    read_glasses,
    read_splits,
    stem_of,
    write_glasses,
)

CORNERS = np.array([[0.5, 0.5, 0.5], [3.0, 0.5, 0.5], [0.5, 3.0, 0.5]])
CU_ZR = ("Cu", "Zr")


def dump(header="id type x y z", rows=("1 1", "2 2", "3 1"), *, step=0, bounds="pp pp pp", z=(0, 9), end="") -> str:
    lines = [f"{row} {x} {y} {c + z[0]}{end}" for row, (x, y, c) in zip(rows, CORNERS.tolist(), strict=True)]
    box = f"ITEM: BOX BOUNDS {bounds}".rstrip() + f"\n0 9\n0 9\n{z[0]} {z[1]}\n"
    return f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n3\n{box}ITEM: ATOMS {header}\n" + "\n".join(lines) + "\n"


def data(atoms="Atoms # atomic", rows=("1 1", "2 2", "3 1"), *, masses=(63.546, 91.224), further="") -> str:
    lines = "\n".join(f"{row} {x} {y} {z}" for row, (x, y, z) in zip(rows, CORNERS.tolist(), strict=True))
    return (
        f"t\n\n3 atoms\n2 atom types\n0 9 xlo xhi\n0 9 ylo yhi\n0 9 zlo zhi\n{further}\n"
        f"Masses\n\n1 {masses[0]}\n2 {masses[1]}\n\n{atoms}\n\n{lines}\n"
    )


def xyz(header='Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3', words=("Cu", "Cu", "Zr"), ends=("",) * 3):
    rows = [f"{w} {x} {y} {z} {e}" for w, (x, y, z), e in zip(words, CORNERS.tolist(), ends, strict=True)]
    return f"3\n{header}\n" + "\n".join(rows) + "\n"


@pytest.fixture
def save(tmp_path):
    def save(name: str, content):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return save


def notices(function) -> list[InputNotice]:
    """Return the notices that a function issues."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [w.message for w in caught if isinstance(w.message, InputNotice)]


# Beginnings and ends


@pytest.mark.parametrize("name", ["a.dump", "a.xyz", "a.data"])
def test_a_byte_order_mark_is_left_out(save, name):
    text = {"a.dump": dump(step=100) + dump(step=200), "a.xyz": xyz() + xyz(), "a.data": data()}[name]
    glasses = list(iter_glasses(save(name, "\ufeff" + text), species=CU_ZR))
    assert len(glasses) == (1 if name == "a.data" else 2)
    np.testing.assert_array_equal(glasses[0].positions, CORNERS)
    if name == "a.dump":
        assert [glass.step for glass in glasses] == [100, 200]


def test_a_dump_that_begins_within_a_frame_is_refused(save):
    with pytest.raises(
        InputError, match="line 1: found 2 2 3.0 0.5 0.5, expected ITEM: TIMESTEP, where a frame begins"
    ):
        read_glass(save("a.dump", dump()[-32:] + dump()), species=CU_ZR)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.dump", dump().replace("ATOMS\n3\n", "ATOMS\n4\n") + dump(), "atoms: found 3 rows, expected 4 as declared"),
        ("a.dump", dump().replace("ATOMS\n3\n", "ATOMS\n2\n") + dump(), "atoms: found 3 rows, expected 2 as declared"),
        ("a.data", data().replace("3 atoms", "4 atoms"), "atoms: found 3 rows, expected 4 as declared"),
        ("a.data", data("Atoms").partition("1 1 0.5")[0], "atoms: found 0 rows, expected 3 as declared"),
        ("a.data", data().replace("3 atoms", "2 atoms"), "atoms: found 3 rows, expected 2 as declared"),
        ("a.xyz", xyz().replace("3\nL", "4\nL"), "atoms: found 3 rows, expected 4 as declared"),
        ("a.xyz", xyz().replace("3\nL", "4\nL") + xyz(), "columns: found 1 values in row 4, expected 4 as declared"),
        ("a.xyz", xyz().replace("3\nL", "2\nL"), "number of atoms: found 'Zr 0.5 3.0 0.5'"),
        ("a.dump", dump(rows=("1 1", "2 2", "1 1")), "ids: found 1 twice, expected each once"),
        ("a.data", data(rows=("1 1", "2 2", "1 1")), "ids: found 1 twice, expected each once"),
        (
            "a.xyz",
            xyz(xyz().split("\n")[1] + ":id:I:1", ends="121"),
            "ids: found 1 twice, expected each once",
        ),
    ],
)
def test_rows_that_do_not_match_the_header_are_refused(save, name, content, message):
    with pytest.raises(InputError, match=message):
        list(iter_glasses(save(name, content), species=CU_ZR))


@pytest.mark.parametrize(("name", "text"), [("a.dump", dump()), ("a.data", data()), ("a.xyz", xyz())])
def test_a_file_that_ends_within_its_last_line_gets_a_notice(save, name, text):
    (found,) = notices(lambda: read_glass(save(name, text.rstrip()), species=CU_ZR))
    assert str(found).endswith("end: found no line end after the last line; the file may be cut short")
    assert not notices(lambda: read_glass(save(name, text), species=CU_ZR))


# Box


def test_the_origin_of_a_dump_is_kept(save):
    glass = read_glass(save("a.dump", dump(bounds="pp pp ff", z=(100, 109))), species=CU_ZR)
    assert glass.origin.tolist() == [0, 0, 100]
    np.testing.assert_array_equal(glass.positions, CORNERS + [0, 0, 100])
    assert glass.pbc.tolist() == [True, True, False]


def test_scaled_coordinates_begin_at_the_origin(save):
    rows = ["1 1 0.5 0.5 0.25", "2 2 0 0 0", "3 1 0.1 0.2 0.3"]
    head = dump("id type xs ys zs", z=(100, 109)).partition("1 1")[0]
    glass = read_glass(save("a.dump", head + "\n".join(rows) + "\n"), species=CU_ZR)
    np.testing.assert_allclose(glass.positions, [[4.5, 4.5, 102.25], [0, 0, 100], [0.9, 1.8, 102.7]])


def test_the_origin_of_tilted_boxes(save):
    # Bounds are of the whole box: x from 10 + min(0, -2, 1, -1) to 10 + 9 + max(0, -2, 1, -1).
    bounds = "ITEM: BOX BOUNDS xy xz yz pp pp pp\n8 20 -2\n20 29.5 1\n30 39 0.5\n"
    text = dump()
    text = text[: text.index("ITEM: BOX")] + bounds + text[text.index("ITEM: ATOMS") :]
    glass = read_glass(save("a.dump", text), species=CU_ZR)
    np.testing.assert_allclose(glass.origin, [10, 20, 30])
    np.testing.assert_allclose(glass.cell, [[9, 0, 0], [-2, 9, 0], [1, 0.5, 9]])
    general = "ITEM: BOX BOUNDS abc origin pp pp ff\n0 9 0 1\n-9 0 0 2\n0 0 8 3\n"
    text = text[: text.index("ITEM: BOX")] + general + text[text.index("ITEM: ATOMS") :]
    glass = read_glass(save("b.dump", text), species=CU_ZR)
    assert glass.origin.tolist() == [1, 2, 3] and glass.pbc.tolist() == [True, True, False]
    np.testing.assert_array_equal(glass.cell, [[0, 9, 0], [-9, 0, 0], [0, 0, 8]])


def test_the_origin_of_a_data_file_is_kept(save):
    text = data().replace("0 9 xlo", "-3 6 xlo").replace("zhi\n", "zhi\n1 2 -0.5 xy xz yz\n")
    glass = read_glass(save("a.data", text), species=CU_ZR)
    assert glass.origin.tolist() == [-3, 0, 0]
    np.testing.assert_array_equal(glass.cell, [[9, 0, 0], [1, 9, 0], [2, -0.5, 9]])


def test_image_flags_move_atoms_by_cell_vectors(save):
    text = data(further="1 2 -0.5 xy xz yz").rstrip() + " 1 0 -1\n"
    text = text.replace("1 1 0.5 0.5 0.5", "1 1 0.5 0.5 0.5 0 0 0").replace("2 2 3.0 0.5 0.5", "2 2 3.0 0.5 0.5 0 2 0")
    glass = read_glass(save("a.data", text), species=CU_ZR)
    moved = CORNERS + [[0, 0, 0], [2, 18, 0], [9 - 2, 0.5, -9]]
    np.testing.assert_allclose(glass.positions, moved)


def test_old_box_bounds_are_periodic_with_a_notice(save):
    path = save("a.dump", dump(bounds=""))
    (found,) = notices(lambda: read_glass(path, species=CU_ZR))
    assert "BOX BOUNDS: found no boundary flags; taken as periodic" in str(found)
    assert read_glass(path, species=CU_ZR, pbc=(True, True, False)).pbc.tolist() == [True, True, False]


def test_pbc_replaces_the_file_s(save):
    assert read_glass(save("a.data", data()), species=CU_ZR).pbc.all()
    assert read_glass(save("a.data", data()), species=CU_ZR, pbc=parse_pbc("p,p,f")).pbc.tolist() == [True, True, False]
    assert [parse_pbc(text) for text in ("ppf", "T T F", "1 1 0")] == [(True, True, False)] * 3
    with pytest.raises(InputError, match="--pbc: found p,p, expected p or f for each cell vector"):
        parse_pbc("p,p")


def slab(vacuum: float) -> str:
    """Return a LAMMPS data file of a simple cubic slab of 4 x 4 x 4 atoms, 2.5 A apart."""
    grid = 2.5 * np.stack(np.meshgrid(*[np.arange(4)] * 3), axis=-1).reshape(-1, 3) + 0.3
    rows = "\n".join(f"{k} 1 {x} {y} {z}" for k, (x, y, z) in enumerate(grid.tolist(), start=1))
    height = 10 + vacuum
    return f"t\n\n64 atoms\n1 atom types\n0 10 xlo xhi\n0 10 ylo yhi\n0 {height} zlo zhi\n\nAtoms # atomic\n\n{rows}\n"


def test_atoms_that_leave_a_face_empty_get_a_notice_where_periodicity_is_not_stated(save):
    (found,) = notices(lambda: read_glass(save("a.data", slab(8.0)), species=["Cu"]))
    assert "pbc: found 10.5 A without atoms along cell vector c; taken as periodic; --pbc" in str(found)
    assert not notices(lambda: read_glass(save("a.data", slab(0.0)), species=["Cu"]))
    assert not notices(lambda: read_glass(save("a.data", slab(8.0)), species=["Cu"], pbc=(True, True, False)))


def test_a_cluster_or_slab_without_a_vector_gets_one_round_its_atoms(save):
    glass = read_glass(save("a.xyz", xyz('Properties=species:S:1:pos:R:3 pbc="F F F"')))
    np.testing.assert_allclose(glass.cell, np.diag([4.5, 4.5, 2.0]))
    np.testing.assert_allclose(glass.origin, [-0.5, -0.5, -0.5])
    glass = read_glass(save("a.xyz", xyz('Lattice="9 0 0 0 9 0 0 0 0" Properties=species:S:1:pos:R:3 pbc="T T F"')))
    np.testing.assert_allclose(glass.cell, np.diag([9.0, 9.0, 2.0]))
    np.testing.assert_allclose(glass.origin, [0, 0, -0.5])
    np.testing.assert_array_equal(glass.positions, CORNERS)


def test_no_cell_without_a_word_on_periodicity_is_refused(save):
    with pytest.raises(InputError, match="cell: found no vector along which it is periodic, expected a box, or --pbc"):
        read_glass(save("a.xyz", xyz("")))
    assert not read_glass(save("a.xyz", xyz("")), pbc=(False, False, False)).pbc.any()


# Species, masses and units


def test_masses_of_other_elements_are_refused_with_both_values(save):
    with pytest.raises(InputError, match="Masses: found 91.224 for type 1, as of Zr, expected 63.546, for Cu"):
        read_glass(save("a.data", data(masses=(91.224, 63.546))), species=CU_ZR)
    # Nickel and cobalt differ by 0.4%, tables of masses by less.
    with pytest.raises(InputError, match="Masses: found 58.9332 for type 1, as of Co, expected 58.6934, for Ni"):
        read_glass(save("a.data", data(masses=(58.9332, 91.224))), species=("Ni", "Zr"))
    for masses in ((63.5, 91), (63.546, 91.22), (64, 91.2)):
        assert read_glass(save("a.data", data(masses=masses)), species=CU_ZR).n_atoms == 3
    text = dump("id type x y z mass", end=" 91.224")
    with pytest.raises(InputError, match="Masses: found 91.224 for type 1, as of Zr, expected 63.546"):
        read_glass(save("a.dump", text), species=CU_ZR)


@pytest.mark.parametrize("units", ["lj", "nano", "electron", "si"])
def test_units_that_are_not_angstrom_are_refused(save, units):
    with pytest.raises(InputError, match=f"units: found {units}, expected metal or real, whose lengths are in A"):
        read_glass(save("a.dump", f"ITEM: UNITS\n{units}\n" + dump()), species=CU_ZR)
    title = f"LAMMPS data file via write_data, version 22 Jul 2025, timestep = 7, units = {units}"
    with pytest.raises(InputError, match=f"units: found {units}, expected metal or real"):
        read_glass(save("a.data", data().replace("t\n", f"{title}\n", 1)), species=CU_ZR)
    metal = read_glass(save("a.data", data().replace("t\n", title.replace(units, "metal") + "\n", 1)), species=CU_ZR)
    assert metal.step == 7


@pytest.mark.parametrize(
    ("distance", "unit"),
    [(0.255, ", as in nm"), (4.82, ", as in bohr"), (1.09, r", as in .*\(lj\)"), (255, ", as in pm")],
)
@pytest.mark.parametrize("symbol", ["Cu", "Al", "Zr"])
def test_other_units_are_recognized_by_the_distance_of_neighbors(tmp_path, symbol, distance, unit):
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3)

    def atoms(edge: float) -> ase.Atoms:
        return ase.Atoms(f"{symbol}27", positions=edge * grid, cell=np.eye(3) * 3 * edge, pbc=True)

    scaled = distance * covalent_radii[atomic_numbers[symbol]] / covalent_radii[29]
    ase.io.write(tmp_path / "a.xyz", atoms(distance if distance == 1.09 else scaled))
    with pytest.raises(InputError, match=f"units: found nearest neighbors .* apart{unit}, expected about"):
        read_glass(tmp_path / "a.xyz")
    # Bonds of metals from beryllium to caesium are 2.2 to 5.3 A long: 0.9 to 1.1 of two radii.
    for stretch in (0.85, 1.0, 1.2):
        ase.io.write(tmp_path / "a.xyz", atoms(2 * stretch * covalent_radii[atomic_numbers[symbol]]))
        assert read_glass(tmp_path / "a.xyz").n_atoms == 27


def test_unwrapped_atoms_are_judged_through_periodic_images(save, tmp_path):
    glass = random_glass(3, 40)
    moved = glass.positions + np.arange(40)[:, None] * glass.cell.sum(0)
    ase.io.write(tmp_path / "a.xyz", ase.Atoms(glass.species, positions=moved, cell=glass.cell, pbc=True))
    np.testing.assert_allclose(read_glass(tmp_path / "a.xyz").positions, moved, atol=1e-7)


def test_type_labels_of_data_files(save):
    labels = "\nAtom Type Labels\n\n1 Cu\n2 Zr\n"
    for rows in (("1 Cu", "2 Zr", "3 Cu"), ("1 1", "2 2", "3 1")):
        path = save("a.data", data(rows=rows, further=labels))
        for species in (None, CU_ZR):
            assert read_glass(path, species=species).species.tolist() == ["Cu", "Zr", "Cu"]
        with pytest.raises(InputError, match="Atom Type Labels: found Cu for type 1, expected Zr, as by --species"):
            read_glass(path, species=("Zr", "Cu"))


def test_type_labels_of_dumps(save):
    rows = ("1 Cu", "2 Zr", "3 Cu")
    assert read_glass(save("a.dump", dump(rows=rows))).species.tolist() == ["Cu", "Zr", "Cu"]
    assert read_glass(save("a.dump", dump("id typelabel x y z", rows))).species.tolist() == ["Cu", "Zr", "Cu"]
    with pytest.raises(InputError, match="type: found A, B, expected labels that are chemical symbols"):
        read_glass(save("a.dump", dump(rows=("1 A", "2 B", "3 A"))), species=CU_ZR)


def test_element_c_for_every_type_yields_to_species_with_a_notice(save):
    path = save("a.dump", dump("id type element x y z", ("1 1 C", "2 2 C", "3 1 C")))
    (found,) = notices(lambda: read_glass(path, species=CU_ZR))
    assert "element: found C for every type, as LAMMPS writes without names; types are taken" in str(found)
    assert read_glass(path, species=CU_ZR).species.tolist() == ["Cu", "Zr", "Cu"]
    with pytest.raises(InputError, match=r"element: found C for types \[1, 2\], expected their symbols by --species"):
        read_glass(path)


def test_elements_that_contradict_species_are_refused(save):
    path = save("a.dump", dump("id type element x y z", ("1 1 Zr", "2 2 Cu", "3 1 Zr")))
    assert read_glass(path).species.tolist() == ["Zr", "Cu", "Zr"]
    with pytest.raises(InputError, match="element: found Zr for type 1, expected Cu, as by --species"):
        read_glass(path, species=CU_ZR)


def test_lower_case_elements(save):
    path = save("a.dump", dump("id element x y z", ("1 cu", "2 ZR", "3 Cu")))
    assert read_glass(path).species.tolist() == ["Cu", "Zr", "Cu"]


def test_numeric_species_of_extended_xyz(save):
    path = save("a.xyz", xyz(words="121"))
    assert read_glass(path, species=CU_ZR).species.tolist() == ["Cu", "Zr", "Cu"]
    with pytest.raises(InputError, match=r"species: found types \[1, 2\] without names, expected .*--species"):
        read_glass(path)


# Atom styles

STYLES = {
    "charge": ("1 1 0.0", "2 2 0.0", "3 1 0.0"),
    "molecular": ("1 0 1", "2 0 2", "3 0 1"),
    "full": ("1 0 1 0.5", "2 0 2 -0.5", "3 0 1 0.5"),
    "sphere": ("1 1 2.5 8.9", "2 2 3.0 6.5", "3 1 2.5 8.9"),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("flags", ["", " 0 1 0"])
def test_atom_styles(save, style, flags):
    text = data(f"Atoms # {style}", STYLES[style])
    body, end = text.split("Atoms")
    text = f"{body}Atoms" + "\n".join(line + flags if line[:1].isdigit() else line for line in end.split("\n"))
    moved = CORNERS + ([0, 9, 0] if flags else 0)
    np.testing.assert_allclose(read_glass(save("a.data", text), species=CU_ZR).positions, moved)
    unhinted = save("a.data", text.replace(f" # {style}", ""))
    np.testing.assert_allclose(read_glass(unhinted, species=CU_ZR, atom_style=style).positions, moved)
    if style == "sphere":
        with pytest.raises(InputError, match="atom style: found .*expected --atom-style one of atomic, charge"):
            read_glass(unhinted, species=CU_ZR)
    else:
        np.testing.assert_allclose(read_glass(unhinted, species=CU_ZR).positions, moved)


def test_an_ambiguous_atom_style_is_asked_for(save):
    # Either charges of 1 and 2 or molecule 1 and types 1 and 2.
    path = save("a.data", data("Atoms", ("1 1 1", "2 1 2", "3 1 1")))
    with pytest.raises(InputError, match="atom style: found 6 values in a row .*expected --atom-style charge or molec"):
        read_glass(path, species=CU_ZR)
    assert read_glass(path, species=CU_ZR, atom_style="molecular").species.tolist() == ["Cu", "Zr", "Cu"]
    assert read_glass(path, species=CU_ZR, atom_style="charge").species.tolist() == ["Cu", "Cu", "Cu"]


def test_a_hybrid_style_and_a_remark_after_atoms(save):
    rows = [f"{row} 0.5 0.5 0.5" for row in ("1 1", "2 2", "3 1")]
    text = data("Atoms # hybrid charge sphere").replace("0.5\n", "0.5 0.0 2.5 8.9\n")
    assert read_glass(save("a.data", text), species=CU_ZR).n_atoms == len(rows)
    assert read_glass(save("a.data", data("Atoms # of the melt")), species=CU_ZR).n_atoms == 3
    with pytest.raises(InputError, match="atom style: found tri, expected one of atomic"):
        read_glass(save("a.data", data("Atoms # tri")), species=CU_ZR)


# Labels and columns


def test_colons_in_the_name_of_a_column(save):
    path = save("a.xyz", xyz("Properties=species:S:1:pos:R:3:mtt::eb:R:1 " + 'Lattice="9 0 0 0 9 0 0 0 9"', ends="123"))
    assert read_glass(path, label="mtt::eb").barrier.tolist() == [1, 2, 3]
    write_glasses(path.with_name("b.xyz"), [read_glass(path, keep_columns=True)])
    assert ase.io.read(path.with_name("b.xyz")).arrays["mtt__eb"].tolist() == [1, 2, 3]


def test_missing_labels_are_nan(save):
    header = 'Lattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3:energy_barrier:R:1'
    glass = read_glass(save("a.xyz", xyz(header, ends=("1", "nan", "3"))))
    np.testing.assert_array_equal(glass.barrier, [1, np.nan, 3])
    assert glass.n_labeled == 2
    assert label_scaling([glass]).mean == 2.0
    with pytest.raises(InputError, match="energy_barrier: found inf"):
        read_glass(save("a.xyz", xyz(header, ends=("1", "inf", "3"))))


def test_labels_of_simulations_come_with_their_number_of_events(save):
    header = 'Lattice="9 0 0 0 9 0 0 0 9" '
    header += "Properties=species:S:1:pos:R:3:energy_barrier:R:1:energy_barrier_events:I:1"
    glass = read_glass(save("a.xyz", xyz(header, ends=("1 4", "nan 0", "3 2"))))
    assert glass.events.tolist() == [4, 0, 2]


@pytest.mark.parametrize("name", ["a.xyz", "a.dump", "a.npz"])
def test_labels_of_simulations_come_with_the_spread_of_their_events(tmp_path, name):
    """No other column is read; without the labels their spread is not read, either. It is written beside the labels."""
    columns = {"Q": np.array([1.0, 2, 3]), "Q_std": np.array([0.5, 0.25, 0]), "other": np.arange(3.0)}
    glass = Glass(np.eye(3), 9 * np.eye(3), (True,) * 3, ["Cu"] * 3, None, name, columns=columns)
    write_glasses(tmp_path / name, [glass])
    found = read_glass(tmp_path / name, label="Q")
    assert found.spread.tolist() == [0.5, 0.25, 0] and not found.columns
    assert read_glass(tmp_path / name, label=None).spread is None
    write_glasses(tmp_path / f"again-{name}", [found])
    again = read_glass(tmp_path / f"again-{name}")
    assert again.spread.tolist() == found.spread.tolist() and again.barrier.tolist() == [1, 2, 3]
    assert Glass.from_ase(again.to_ase()).spread.tolist() == found.spread.tolist()


@pytest.mark.parametrize("prefix", ["v_", "c_", "f_", "d_"])
def test_a_label_may_have_a_prefix_of_lammps(save, prefix):
    glass = read_glass(save("a.dump", dump(f"id type x y z {prefix}energy_barrier", end=" 1.5")), species=CU_ZR)
    assert glass.barrier.tolist() == [1.5] * 3


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (1.5 + 1e-5 * np.arange(20), "all labels within 0.00019 eV"),
        (np.where(np.arange(20) < 4, 0.0, 1.5 + 0.01 * np.arange(20)), "20% of the labels exactly 0;.*nan instead"),
        (np.where(np.arange(20) < 4, -1.0, 1.5 + 0.01 * np.arange(20)), "20% of the labels exactly -1;.*nan instead"),
        (1500.0 + np.arange(20), "a median of 1510;.*meV, K or J/mol"),
    ],
)
def test_odd_labels_get_a_notice_when_training_starts(make_glass, labels, message):
    glass = make_glass(positions=np.arange(60.0).reshape(20, 3), species=["Cu"] * 20, barrier=labels)
    with pytest.warns(InputNotice, match=message):
        label_scaling([glass])
    usual = make_glass(positions=np.arange(60.0).reshape(20, 3), species=["Cu"] * 20, barrier=1.5 + 0.1 * np.arange(20))
    assert not notices(lambda: label_scaling([usual]))


# Names, formats and compression


@pytest.mark.parametrize(
    ("name", "stem", "text"),
    [
        ("data.glass", "glass", data()),
        ("dump.glass.12", "glass.12", dump()),
        ("a.lammps", "a", data()),
        ("b.lammps", "b", dump()),
        ("c.lmp.gz", "c", data()),
        ("dump.100.gz", "100", dump()),
        ("trajectory", "trajectory", dump()),
    ],
)
def test_names_of_lammps_files(save, name, stem, text):
    content = gzip.compress(text.encode()) if name.endswith(".gz") else text
    glass = read_glass(save(name, content), species=CU_ZR)
    assert glass.name == stem
    np.testing.assert_array_equal(glass.positions, CORNERS)


@pytest.mark.parametrize(
    ("name", "stem"),
    [("POSCAR", "POSCAR"), ("POSCAR.1", "POSCAR.1"), ("a.poscar.gz", "a"), ("a.b.xyz.zst", "a.b"), ("data.a.b", "a.b")],
)
def test_stems(name, stem):
    assert stem_of(name) == stem


def test_the_format_can_be_stated(save):
    assert read_glass(save("glass.txt", data()), species=CU_ZR, format="lammps-data").n_atoms == 3
    assert read_glass(save("b.txt", xyz()), format="xyz").n_atoms == 3
    with pytest.raises(InputError, match="--format: found nonsense, expected one of extxyz, lammps-data, lammps-dump"):
        read_glass(save("a.xyz", xyz()), format="nonsense")
    for refused in ("mysql", "py", "bundletrajectory"):
        with pytest.raises(InputError, match=f"--format: found {refused}"):
            read_glass(save("a.xyz", xyz()), format=refused)


@pytest.mark.parametrize(
    ("name", "format", "glass_names"),
    [
        ("a.cif", None, ["a"]),
        ("POSCAR", None, ["POSCAR"]),
        ("a.vasp", "vasp", ["a"]),
        ("CONTCAR.bz2", "vasp", ["CONTCAR"]),
        ("XDATCAR", None, ["XDATCAR-0", "XDATCAR-1"]),
        ("a.traj", None, ["a-0", "a-1"]),
        ("a.traj.gz", "traj", ["a"]),
        ("a.cfg", None, ["a"]),
        ("a.xsf", None, ["a"]),
    ],
)
def test_formats_that_ase_reads(tmp_path, name, format, glass_names):
    atoms = ase.Atoms("Cu2Zr", positions=CORNERS, cell=np.diag([9, 8, 7.0]), pbc=True)
    written = [atoms] * len(glass_names) if len(glass_names) > 1 else atoms
    ase.io.write(tmp_path / name.removesuffix(".gz"), written, format=format)
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress((tmp_path / name.removesuffix(".gz")).read_bytes()))
    glasses = list(iter_glasses(tmp_path / name))
    assert [glass.name for glass in glasses] == glass_names
    order = np.argsort(glasses[0].species.astype(str), kind="stable")
    assert glasses[0].species[order].tolist() == ["Cu", "Cu", "Zr"]
    np.testing.assert_allclose(glasses[0].positions[order] % [9, 8, 7], CORNERS, atol=1e-5)
    np.testing.assert_allclose(np.abs(glasses[0].cell), np.diag([9, 8, 7]), atol=1e-5)


# Folders and splits


@pytest.fixture
def folder(tmp_path, make_glass):
    for stem in ("train0", "train1", "train2", "val0"):
        write_glasses(tmp_path / f"{stem}.xyz", [make_glass()])
    return tmp_path


def test_compressed_files_of_a_folder_are_read(folder):
    before = {split: [glass.name for glass in glasses] for split, glasses in read_glasses(folder).items()}
    packed = (folder / "val0.xyz.gz", gzip.compress((folder / "val0.xyz").read_bytes()))
    (folder / "val0.xyz").unlink()
    packed[0].write_bytes(packed[1])
    after = {split: [glass.name for glass in glasses] for split, glasses in read_glasses(folder).items()}
    assert after == before == {"train": ["train0", "train1", "train2"], "validation": ["val0"], "test": []}


def test_files_of_a_folder_that_are_not_read_are_named(folder):
    for name in ("notes.txt", "log.lammps.old", "val0.png", "README.md", ".hidden", "val0.searches.jsonl"):
        (folder / name).write_text("no structure")
    (found,) = notices(lambda: read_glasses(folder))
    assert "files: found log.lammps.old, notes.txt, val0.png; not read" in str(found)


def test_a_file_whose_name_would_change_the_split_is_refused(folder):
    (folder / "test0.xyz.Z").write_text("compressed by a program of old")
    with pytest.raises(InputError, match="files: found test0.xyz.Z, in the test split by its name, expected structure"):
        read_glasses(folder)
    (folder / "splits.json").write_text('{"train": ["train0"], "validation": ["val0"]}')
    assert len(read_glasses(folder)["train"]) == 1


def test_files_of_splits_that_are_not_wanted_are_not_read(folder):
    (folder / "train1.xyz").write_text("damaged")
    splits = read_splits(folder, ReadOptions(), [names.VALIDATION])
    assert list(splits) == [names.VALIDATION]
    assert [glass.name for glass in splits[names.VALIDATION]] == ["val0"]
    with pytest.raises(InputError, match="train1.xyz"):
        read_glasses(folder)
