"""Glasses that are written and read back, in every format."""

from dataclasses import replace

import ase.io
import numpy as np
import pytest

from tf_symgnn.data import InputError, InputNotice, iter_glasses, read_glass, write_glasses
from tf_symgnn.data.glass import Glass

CELLS = {
    "cuboid": np.diag([8.0, 9.0, 10.0]),
    "slightly tilted": [[8.0, 0.0, 0.0], [1e-4, 9.0, 0.0], [0.0, 0.0, 10.0]],
    "restricted": [[8.0, 0.0, 0.0], [1.0, 9.0, 0.0], [-2.0, 0.5, 10.0]],
    "general": [[7.0, 1.0, 2.0], [-1.0, 8.0, 0.5], [0.3, -2.0, 9.0]],
    "left-handed": [[-1.0, 8.0, 0.5], [7.0, 1.0, 2.0], [0.3, -2.0, 9.0]],
}


def _distances(glass: Glass) -> np.ndarray:
    """Return the shortest distance of every atom to every other through periodic images, [N, N]."""
    shifts = np.array(np.meshgrid(*[np.arange(-2, 3) * int(p) for p in glass.pbc])).reshape(3, -1).T @ glass.cell
    vectors = glass.positions[:, None, None] - glass.positions[None, :, None] + shifts
    return np.linalg.norm(vectors, axis=-1).min(axis=-1)


def _assert_same_except_orientation(written: Glass, read: Glass) -> None:
    assert read.species.tolist() == written.species.tolist()
    if written.barrier is None:
        assert read.barrier is None
    else:
        np.testing.assert_allclose(read.barrier, written.barrier, rtol=0, atol=1e-8)
    assert read.volume == pytest.approx(written.volume, rel=1e-12)


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("suffix", [".xyz", ".extxyz", ".npz", ".NPZ"])
@pytest.mark.parametrize("labeled", [True, False])
def test_round_trip(tmp_path, make_glass, suffix, cell, labeled):
    glass = make_glass(cell=cell, pbc=[True, False, True])
    glass = glass if labeled else replace(glass, barrier=None)
    write_glasses(tmp_path / f"out{suffix}", [glass])
    read = read_glass(tmp_path / f"out{suffix}")
    _assert_same_except_orientation(glass, read)
    np.testing.assert_allclose(read.positions, glass.positions, rtol=0, atol=1e-8)
    np.testing.assert_array_equal(read.cell, glass.cell)
    assert read.pbc.tolist() == [True, False, True]


def test_numbers_of_a_glass_are_written(tmp_path, make_glass):
    glass = replace(make_glass(), info={"extrapolation": 0.25})
    for suffix in (".xyz", ".npz"):
        write_glasses(tmp_path / f"out{suffix}", [glass])
        assert read_glass(tmp_path / f"out{suffix}").n_atoms == glass.n_atoms
    assert ase.io.read(tmp_path / "out.xyz").info["extrapolation"] == 0.25
    assert np.load(tmp_path / "out.npz")["extrapolation"] == 0.25


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("suffix", [".dump", ".lammpstrj"])
@pytest.mark.parametrize("pbc", [[True, True, True], [True, False, False]])
def test_dump_round_trip_keeps_every_distance(tmp_path, make_glass, suffix, cell, pbc):
    glass = make_glass(cell=cell, pbc=pbc)
    write_glasses(tmp_path / f"out{suffix}", [glass])
    read = read_glass(tmp_path / f"out{suffix}")
    _assert_same_except_orientation(glass, read)
    np.testing.assert_allclose(_distances(read), _distances(glass), rtol=0, atol=1e-8)
    assert sorted(read.pbc) == sorted(pbc)
    # LAMMPS's restricted form: lower triangular with a positive diagonal.
    np.testing.assert_allclose(read.cell[np.triu_indices(3, 1)], 0.0, atol=1e-12)
    assert (np.diag(read.cell) > 0).all()


def test_dump_of_a_restricted_box_keeps_positions_and_cell(tmp_path, make_glass):
    write_glasses(tmp_path / "out.dump", [make_glass()])
    read = read_glass(tmp_path / "out.dump")
    np.testing.assert_allclose(read.positions, make_glass().positions, atol=1e-9)
    np.testing.assert_allclose(read.cell, make_glass().cell, atol=1e-12)


def test_left_handed_dump_is_rotated_not_reflected(tmp_path):
    corner = [[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]]
    glass = Glass(corner, [[0, 8, 0], [8, 0, 0], [0, 0, 8]], [True] * 3, ["Cu"] * 4, None, "left.xyz")
    write_glasses(tmp_path / "out.dump", [glass])
    edges = np.diff(read_glass(tmp_path / "out.dump").positions[[0, 1, 0, 2, 0, 3]], axis=0)[::2]
    assert np.linalg.det(edges) == pytest.approx(6.0)


def test_vectors_of_a_dump_turn_with_the_cell(tmp_path, make_glass):
    """Their components along the cell vectors do not change; what may be a vector is left out."""
    velocity, force, other = (np.random.default_rng(k).normal(size=(5, 3)) for k in range(3))
    columns = dict(zip(("vx", "vy", "vz"), velocity.T, strict=True)) | {"forces": force, "tensor": other}
    columns["charge"] = np.arange(5.0)
    glass = make_glass(cell=CELLS["general"], columns=columns)
    with pytest.warns(InputNotice, match="tensor: found a column that may be a vector; left out"):
        write_glasses(tmp_path / "out.dump", [glass])
    read = read_glass(tmp_path / "out.dump", keep_columns=True)
    assert not np.allclose(read.cell, glass.cell)
    for vectors, names in ((velocity, ["vx", "vy", "vz"]), (force, [f"v_forces[{k}]" for k in (1, 2, 3)])):
        found = np.stack([read.columns[name] for name in names], axis=1)
        np.testing.assert_allclose(found @ read.cell.T, vectors @ glass.cell.T, atol=1e-7)
    np.testing.assert_array_equal(read.columns["v_charge"], columns["charge"])
    assert not any("tensor" in name for name in read.columns)


def test_columns_of_a_dump_in_the_orientation_of_lammps_are_kept(tmp_path, make_glass):
    tensor = np.arange(15.0).reshape(5, 3)
    write_glasses(tmp_path / "out.dump", [make_glass(columns={"tensor": tensor})])
    read = read_glass(tmp_path / "out.dump", keep_columns=True)
    np.testing.assert_array_equal(read.columns["v_tensor[2]"], tensor[:, 1])


@pytest.mark.parametrize(
    ("suffix", "columns", "expected"),
    [
        (".xyz", ["a:b", "a_b", "c d"], ["a_b", "a_b_2", "c_d"]),
        (".dump", ["foo", "v_foo", "\u03c3", "a b"], ["v_foo", "v_foo_2", "v__", "v_a_b"]),
        (".npz", ["file", "allow_pickle", "ids", "a/b"], ["input_file", "input_allow_pickle", "input_ids", "a_b"]),
    ],
)
def test_every_column_has_a_name_of_its_own(tmp_path, make_glass, suffix, columns, expected):
    values = {name: np.arange(5.0) + 10 * k for k, name in enumerate(columns)}
    write_glasses(tmp_path / f"out{suffix}", [make_glass(columns=values)])
    read = read_glass(tmp_path / f"out{suffix}", keep_columns=True)
    for name, array in zip(expected, values.values(), strict=True):
        np.testing.assert_array_equal(read.columns[name], array)


@pytest.mark.parametrize("text", ["", "two words"])
def test_text_that_a_row_cannot_hold_is_left_out_with_a_notice(tmp_path, make_glass, text):
    columns = {"residue": np.array(["a", "b", text, "d", "e"]), "chain": np.array(list("ABCDE"))}
    with pytest.warns(InputNotice, match="residue: found text with spaces or none; left out"):
        write_glasses(tmp_path / "out.xyz", [make_glass(columns=columns)])
    read = read_glass(tmp_path / "out.xyz", keep_columns=True)
    assert "residue" not in read.columns and read.columns["chain"].astype(str).tolist() == list("ABCDE")


def test_glasses_are_a_list(tmp_path, make_glass):
    for wrong in (make_glass(), iter([make_glass()])):
        with pytest.raises(InputError, match="glasses: found .*, expected a list of glasses"):
            write_glasses(tmp_path / "out.xyz", wrong)


def test_text_of_a_dump(tmp_path):
    glass = Glass([[1, 2, 3], [0, 0, 0.5]], [[8, 0, 0], [1, 9, 0], [-2, 0, 10]], [1, 1, 0], ["Zr", "Cu"], [1.5, 2], "a")
    write_glasses(tmp_path / "out.dump", [glass])
    lines = (tmp_path / "out.dump").read_text().splitlines()
    assert lines[:5] == ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", "2", "ITEM: BOX BOUNDS xy xz yz pp pp ff"]
    bounds = [[float(word) for word in line.split()] for line in lines[5:8]]
    np.testing.assert_allclose(bounds, [[-2, 9, 1], [0, 9, -2], [0, 10, 0]], atol=1e-12)
    assert lines[8:] == [
        "ITEM: ATOMS id type element x y z v_energy_barrier",
        "1 2 Zr 1.0000000000 2.0000000000 3.0000000000 1.5000000000",
        "2 1 Cu 0.0000000000 0.0000000000 0.5000000000 2.0000000000",
    ]


def test_ase_reads_the_barrier(tmp_path, make_glass):
    write_glasses(tmp_path / "out.xyz", [make_glass()])
    atoms = ase.io.read(tmp_path / "out.xyz")
    np.testing.assert_allclose(atoms.arrays["energy_barrier"], make_glass().barrier, atol=1e-8)


@pytest.mark.parametrize("suffix", [".xyz", ".dump"])
def test_frames_are_read_back_in_order(tmp_path, make_glass, suffix):
    frames = [make_glass(barrier=np.full(5, float(i))) for i in range(3)]
    write_glasses(tmp_path / f"run{suffix}", frames)
    read = list(iter_glasses(tmp_path / f"run{suffix}"))
    assert [glass.name for glass in read] == ["run-0", "run-1", "run-2"]
    assert [glass.barrier[0] for glass in read] == [0.0, 1.0, 2.0]
    assert read_glass(tmp_path / f"run{suffix}").name == "run-2"


def test_invalid_outputs_are_refused(tmp_path, make_glass):
    with pytest.raises(InputError, match="glasses: found 2, expected one"):
        write_glasses(tmp_path / "out.npz", [make_glass()] * 2)
    with pytest.raises(InputError, match="glasses: found 0, expected at least one"):
        write_glasses(tmp_path / "out.xyz", [])
    with pytest.raises(InputError, match="suffix: found .cif, expected one of .xyz"):
        write_glasses(tmp_path / "out.cif", [make_glass()])
    assert not list(tmp_path.iterdir())


def test_existing_output_is_kept_without_overwrite(tmp_path, make_glass):
    path = tmp_path / "out.xyz"
    path.write_text("mine")
    with pytest.raises(InputError, match="output: found an existing file"):
        write_glasses(path, [make_glass()])
    assert path.read_text() == "mine"
    write_glasses(path, [make_glass()], overwrite=True)
    assert read_glass(path).n_atoms == 5
    (tmp_path / "folder.xyz").mkdir()
    with pytest.raises(InputError, match="existing file or folder"):
        write_glasses(tmp_path / "folder.xyz", [make_glass()], overwrite=True)
