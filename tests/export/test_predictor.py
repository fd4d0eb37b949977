"""Predictions for ASE Atoms by an export."""

import shutil
from dataclasses import replace

import ase
import numpy as np
import pytest

import tf_symgnn
from tests.conftest import random_glass
from tf_symgnn.data import InputError
from tf_symgnn.inference import Predictor
from tf_symgnn.inference.extrapolation import ExtrapolationWarning
from tf_symgnn.runs import glass_graphs, read_labeled


def to_atoms(glass) -> ase.Atoms:
    return ase.Atoms(list(glass.species), positions=glass.positions, cell=glass.cell, pbc=glass.pbc)


@pytest.fixture(scope="module")
def predictor(exported):
    return tf_symgnn.EnergyBarrierPredictor(exported)


@pytest.fixture(scope="module")
def live(finished_run):
    predict = Predictor(finished_run.load_model())
    return lambda glass: predict(*glass_graphs(finished_run.config(), [glass]))


def test_it_predicts_as_the_model_does(predictor, live, zoo_glass):
    barrier = predictor.predict(to_atoms(zoo_glass))
    assert barrier.dtype == np.float64
    np.testing.assert_allclose(barrier, live(zoo_glass), atol=1e-5)


def test_atoms_far_outside_their_cell_have_accurate_predictions(predictor):
    atoms = to_atoms(random_glass(40, 30))
    expected = predictor.predict(atoms)
    # Single precision would round these positions by up to 60 A.
    atoms.positions += np.array([1e8, -1e8, 1e8]) @ atoms.cell.array
    np.testing.assert_allclose(predictor.predict(atoms), expected, atol=1e-4)


def test_an_export_or_one_of_its_versions_can_be_loaded(exported, predictor, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "3").symlink_to(exported / "1")
    (tmp_path / "model" / "2").mkdir()
    atoms = to_atoms(random_glass(40, 30))
    for path in (tmp_path / "model", tmp_path / "model" / "3", str(exported / "1")):
        other = tf_symgnn.EnergyBarrierPredictor(path)
        np.testing.assert_array_equal(other.predict(atoms), predictor.predict(atoms))
        assert other.metadata == predictor.metadata


def test_a_structure_outside_the_training_data_is_warned_about(predictor, finished_run, data):
    """The small model's barriers are outside the range of labels in any case."""
    (glass, *_) = read_labeled(finished_run.config())["train"]
    stretched = replace(glass, positions=1.05 * glass.positions, cell=1.05 * glass.cell)
    with pytest.warns(
        ExtrapolationWarning, match=r"outside the training data \(extrap.* order is more reliable"
    ) as found:
        for member in (glass, stretched):
            predictor.predict(to_atoms(member))
    unchanged, changed = (str(warning.message) for warning in found)
    assert "number density" in changed and "density" not in unchanged and "bond" not in unchanged


def test_predictors_of_one_version_share_it_until_it_is_replaced(exported, tmp_path):
    first = tf_symgnn.EnergyBarrierPredictor(exported)
    assert tf_symgnn.EnergyBarrierPredictor(exported / "1")._loaded is first._loaded
    shutil.copytree(exported / "1", tmp_path / "model" / "1")
    copy = tf_symgnn.EnergyBarrierPredictor(tmp_path / "model")
    (tmp_path / "model" / "1" / "saved_model.pb").touch()
    assert tf_symgnn.EnergyBarrierPredictor(tmp_path / "model")._loaded is not copy._loaded


def test_folders_that_are_not_an_export_are_refused(tmp_path):
    (tmp_path / "1").mkdir()
    for path, word in ((tmp_path, "export"), (tmp_path / "1", "no version"), (tmp_path / "2", "no version")):
        with pytest.raises(InputError, match=word):
            tf_symgnn.EnergyBarrierPredictor(path)


def test_invalid_atoms_are_refused_in_one_line(predictor):
    glass = to_atoms(random_glass(41, 12))
    gold, flat, dense, same = (glass.copy() for _ in range(4))
    gold.symbols[3] = "Au"
    flat.cell[2] = 0
    dense.set_cell(dense.cell / 10, scale_atoms=True)
    same.positions[4] = same.positions[7]
    for atoms, words in (
        (gold, "atoms: species: found Au, expected only species of the training glasses: Cu, Zr"),
        (flat, "atoms: cell: found volume 0"),
        (dense, r"atoms: cell: found 6\d\.\d+, expected A, and at most 0.25 atoms per A\^3"),
        (same, "atoms: positions: found 0, expected atoms over 0.001 A apart"),
        (ase.Atoms(cell=[9, 9, 9], pbc=True), r"atoms: positions: found shape \(0, 3\)"),
    ):
        with pytest.raises(InputError, match=words) as refused:
            predictor.predict(atoms)
        assert "\n" not in str(refused.value)
