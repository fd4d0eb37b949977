"""The worked examples with LAMMPS: along a dump, and during a run."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tf_symgnn
from tests.conftest import random_glass
from tf_symgnn.data import InputError, iter_glasses
from tf_symgnn.simulate.engine import Potential, load_lammps

FOLDER = Path(__file__).resolve().parents[2] / "integrations"

pytestmark = pytest.mark.filterwarnings("ignore::tf_symgnn.ExtrapolationWarning")

SETUP = """units metal
atom_style atomic
atom_modify map array
lattice fcc 3.9 origin 0.1 0.2 0.3
region box prism 0 2 0 2 0 2 0.3 -0.2 0.1
create_box 2 box
create_atoms 1 box
set group all type/ratio 2 0.4 7
mass 1 63.546
mass 2 91.224
pair_style eam/fs
pair_coeff * * "{potential}" Cu Zr
velocity all create 600 3
timestep 0.002
fix move all nve
thermo_style custom step pe
"""


def load(name: str) -> ModuleType:
    """Return the module of an example."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    """Return an input script of a Cu-Zr crystal of 32 atoms at 600 K."""
    path = tmp_path_factory.mktemp("script") / "in.lammps"
    path.write_text(SETUP.format(potential=Potential().path()))
    return path


@pytest.fixture
def lammps():
    """Return a function that opens LAMMPS with an input script."""
    opened = []

    def start(script):
        opened.append(load_lammps().lammps(cmdargs=["-log", "none", "-screen", "none"]))
        opened[-1].file(str(script))
        return opened[-1]

    yield start
    for lmp in opened:
        lmp.close()


@pytest.fixture(scope="module")
def predictor(finished_run):
    return tf_symgnn.load_model(finished_run.path)


def read_into_lammps(lmp, path, step, column, region="block 0 1 0 1 0 1"):
    """Return positions and barriers by id, after LAMMPS has read a dump's barriers as charges."""
    lmp.commands_string(
        f"""units metal
atom_style charge
region box {region}
create_box 2 box
mass * 1
read_dump "{path}" {step} x y z q label q {column} add keep box yes replace no
"""
    )
    order = np.argsort(lmp.numpy.extract_atom("id")[: lmp.get_natoms()])
    return (lmp.numpy.extract_atom(name)[: lmp.get_natoms()][order] for name in ("x", "q"))


def dump_frame(step, glass):
    """Return a frame of a dump of a glass in a cube, as LAMMPS writes it without symbols."""
    edge = f"0 {glass.cell[0, 0]:.8f}\n"
    rows = (
        f"{number} {1 if symbol == 'Cu' else 2} {x:.8f} {y:.8f} {z:.8f}\n"
        for number, (symbol, (x, y, z)) in enumerate(zip(glass.species, glass.positions, strict=True), start=1)
    )
    head = f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{glass.n_atoms}\nITEM: BOX BOUNDS pp pp pp\n{3 * edge}"
    return f"{head}ITEM: ATOMS id type x y z\n{''.join(rows)}"


def test_along_a_dump(monkeypatch, capsys, lammps, finished_run, predictor, tmp_path):
    glasses = [random_glass(seed, 30) for seed in (80, 81)]
    (tmp_path / "in.dump").write_text(
        "".join(dump_frame(step, glass) for step, glass in zip((0, 500), glasses, strict=True))
    )
    argv = ["", str(finished_run.path), str(tmp_path / "in.dump"), "--species", "Cu,Zr"]
    monkeypatch.setattr(sys, "argv", [*argv, "--output", str(tmp_path / "out.dump")])
    load("lammps_trajectory").main()
    first, second = expected = predictor.predict(glasses)
    for glass, barrier in zip(iter_glasses(tmp_path / "out.dump"), expected, strict=True):
        np.testing.assert_allclose(glass.barrier, barrier, atol=1e-5)
    assert capsys.readouterr().out.splitlines() == [
        "step,mean_eV,lowest_eV",
        f"0,{first.mean():.4f},{first.min():.4f}",
        f"500,{second.mean():.4f},{second.min():.4f}",
    ]
    (tmp_path / "empty").write_text("")
    _, charges = read_into_lammps(lammps(tmp_path / "empty"), tmp_path / "out.dump", 500, "v_energy_barrier")
    np.testing.assert_allclose(charges, second, atol=1e-5)


def test_during_a_run(lammps, predictor, setup, tmp_path):
    module, output = load("lammps_run"), tmp_path / "out.dump"
    lmp = lammps(setup)
    module.run(lmp, predictor, ["Cu", "Zr"], 20, 10, str(output))
    frames = list(iter_glasses(output))
    assert [frame.step for frame in frames] == [10, 20]
    for frame in frames:
        np.testing.assert_allclose(frame.barrier, predictor.predict(frame), atol=1e-3)
        np.testing.assert_array_equal(frame.pbc, True)
    # The simulation is that without predictions, since atoms and velocities are those of before the minimization.
    plain = lammps(setup)
    plain.command("run 20")
    for name in ("x", "v"):
        expected, found = (np.array(x.gather_atoms(name, 1, 3)) for x in (plain, lmp))
        np.testing.assert_allclose(found, expected, atol=1e-9)
    moved = np.reshape(plain.gather_atoms("x", 1, 3), (-1, 3)) - frames[-1].positions
    assert 0.1 < np.median(np.abs(moved)) < 1.0  # A few atoms moved through a face of the box.
    (tmp_path / "empty").write_text("")
    positions, charges = read_into_lammps(
        lammps(tmp_path / "empty"), output, 20, module.PROPERTY, "prism 0 1 0 1 0 1 .1 .1 .1"
    )
    np.testing.assert_allclose(charges, frames[-1].barrier, atol=1e-5)
    fractional = (positions - frames[-1].positions) @ np.linalg.inv(frames[-1].cell)
    np.testing.assert_allclose(fractional, np.rint(fractional), atol=1e-5)
    with pytest.raises(InputError, match="output: found an existing file"):
        module.run(lmp, predictor, ["Cu", "Zr"], 20, 10, str(output))


def test_all_steps_are_run_and_none_is_no_number(lammps, predictor, setup, tmp_path):
    lmp = lammps(setup)
    load("lammps_run").run(lmp, predictor, ["Cu", "Zr"], 15, 10, str(tmp_path / "out.dump"))
    assert lmp.extract_global("ntimestep") == 15
    assert [frame.step for frame in iter_glasses(tmp_path / "out.dump")] == [10]
    for steps, every, name in ((0, 10, "steps"), (10, 0, "every")):
        with pytest.raises(InputError, match=f"{name}: found 0"):
            load("lammps_run").run(lmp, predictor, ["Cu", "Zr"], steps, every, str(tmp_path / "other.dump"))


def test_atoms_are_back_in_their_places_after_an_error(lammps, setup):
    lmp = lammps(setup)
    lmp.command("run 10")
    before = np.array(lmp.gather_atoms("x", 1, 3))
    with pytest.raises(RuntimeError), load("lammps_run").at_minimum(lmp):
        assert np.abs(np.array(lmp.gather_atoms("x", 1, 3)) - before).max() > 0.01
        raise RuntimeError
    np.testing.assert_array_equal(np.array(lmp.gather_atoms("x", 1, 3)), before)


def test_an_input_script_is_run_from_the_command_line(monkeypatch, finished_run, setup, tmp_path):
    argv = ["", str(finished_run.path), str(setup), "--species", "Cu,Zr", "--steps", "1", "--every", "1"]
    monkeypatch.setattr(sys, "argv", [*argv, "--output", str(tmp_path / "out.dump")])
    load("lammps_run").main()
    assert len(list(iter_glasses(tmp_path / "out.dump"))) == 1
