"""The ASE calculator: results, caching, files and errors."""

import ase.io
import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from ase.io.trajectory import Trajectory

import tf_symgnn
from tests.conftest import random_glass
from tf_symgnn.data import InputError

PROPERTY, ARRAY = "energy_barriers", "energy_barrier"

pytestmark = pytest.mark.filterwarnings("ignore::tf_symgnn.ExtrapolationWarning")


@pytest.fixture(scope="module")
def predictor(finished_run):
    return tf_symgnn.load_model(finished_run.path)


@pytest.fixture
def atoms(predictor):
    """Return Atoms without barriers, with a calculator."""
    atoms = random_glass(50, 30).to_ase()
    del atoms.arrays[ARRAY]
    atoms.calc = tf_symgnn.BarrierCalculator(predictor)
    return atoms


def test_the_property_holds_the_barriers_of_the_model(atoms, predictor):
    barriers = atoms.calc.get_property(PROPERTY, atoms)
    np.testing.assert_array_equal(barriers, predictor.predict(atoms))
    np.testing.assert_array_equal(atoms.arrays[ARRAY], barriers)
    np.testing.assert_array_equal(atoms.calc.results[PROPERTY], barriers)


def test_a_path_loads_the_model(atoms, finished_run):
    barriers = atoms.calc.get_property(PROPERTY, atoms)
    other = tf_symgnn.BarrierCalculator(finished_run.path)
    np.testing.assert_allclose(other.get_property(PROPERTY, atoms), barriers, atol=1e-6)


def test_barriers_are_computed_again_after_a_change_only(atoms, predictor, monkeypatch):
    calls = []
    predict = predictor.predict
    monkeypatch.setattr(predictor, "predict", lambda structure: calls.append(1) or predict(structure))
    first = atoms.calc.get_property(PROPERTY, atoms)
    atoms.info["note"] = "no change"
    copy = atoms.copy()
    del copy.arrays[ARRAY]
    np.testing.assert_array_equal(atoms.calc.get_property(PROPERTY, copy), first)
    np.testing.assert_array_equal(copy.arrays[ARRAY], first)
    assert len(calls) == 1
    atoms.positions[0] += 0.1
    assert atoms.calc.get_property(PROPERTY, atoms, allow_calculation=False) is None
    moved = atoms.calc.get_property(PROPERTY, atoms)
    assert len(calls) == 2 and not np.array_equal(moved, first)
    np.testing.assert_array_equal(atoms.arrays[ARRAY], moved)


def test_files_written_by_ase_hold_the_barriers_of_each_frame(atoms, tmp_path):
    barriers = [atoms.calc.get_property(PROPERTY, atoms)]
    frames = [atoms.copy(), atoms]
    atoms.positions[3] += 0.2
    barriers.append(atoms.calc.get_property(PROPERTY, atoms))
    ase.io.write(tmp_path / "out.xyz", frames)
    for frame, expected in zip(ase.io.read(tmp_path / "out.xyz", ":"), barriers, strict=True):
        np.testing.assert_allclose(frame.arrays[ARRAY], expected, atol=1e-8)
        np.testing.assert_array_equal(tf_symgnn.Glass.from_ase(frame).barrier, frame.arrays[ARRAY])


def test_a_trajectory_is_written_and_its_frames_have_the_same_barriers_when_read(atoms, tmp_path):
    """ASE's Trajectory stores no arrays and no properties but those that ASE defines."""
    barriers = atoms.calc.get_property(PROPERTY, atoms)
    with Trajectory(tmp_path / "out.traj", "w") as trajectory:
        trajectory.write(atoms)
    (read,) = ase.io.read(tmp_path / "out.traj", ":")
    read.calc = atoms.calc
    np.testing.assert_array_equal(read.calc.get_property(PROPERTY, read), barriers)


def test_energies_and_forces_are_refused(atoms):
    for call in (atoms.get_forces, atoms.get_potential_energy, atoms.get_stress):
        with pytest.raises(PropertyNotImplementedError, match="has the property energy_barriers only"):
            call()


def test_atoms_that_the_model_refuses_keep_no_barriers(atoms):
    atoms.calc.get_property(PROPERTY, atoms)
    atoms.symbols[3] = "Au"
    for _ in range(2):
        with pytest.raises(InputError, match="atoms: species: found Au"):
            atoms.calc.get_property(PROPERTY, atoms)
    assert not atoms.calc.results
