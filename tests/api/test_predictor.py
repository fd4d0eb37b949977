"""Predictions by runs and exports that `load_model` loads."""

import json
import shutil
from dataclasses import replace

import ase
import ase.io
import numpy as np
import pytest

import tf_symgnn
from tests.conftest import random_glass
from tf_symgnn.data import InputError
from tf_symgnn.domain.extrapolation import ExtrapolationWarning
from tf_symgnn.export.exported import ExportedModel
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import glass_graphs, read_labeled


@pytest.fixture(scope="module")
def of_run(finished_run):
    return tf_symgnn.load_model(finished_run.path)


@pytest.fixture(scope="module")
def of_export(exported):
    return tf_symgnn.load_model(exported)


@pytest.fixture(params=["run", "export"])
def predictor(request, of_run, of_export):
    """Return the predictor of the run and that of its export in turn."""
    return {"run": of_run, "export": of_export}[request.param]


@pytest.fixture(scope="module")
def live(finished_run):
    predict = CompiledModel(finished_run.load_model())
    return lambda glass: predict(*glass_graphs(finished_run.config(), [glass]))


def test_it_predicts_as_the_model_does(predictor, live, zoo_glass):
    barrier = predictor.predict(zoo_glass.to_ase())
    assert barrier.dtype == np.float64
    np.testing.assert_allclose(barrier, live(zoo_glass), atol=1e-5)


def test_atoms_a_glass_and_a_file_have_the_same_barriers(predictor, data):
    path = data / "test0.xyz"
    expected = predictor.predict(ase.io.read(path))
    for structure in (tf_symgnn.read_glass(path), path, str(path)):
        np.testing.assert_allclose(predictor.predict(structure), expected, atol=1e-6)


def test_a_list_gives_a_list_and_one_warning(predictor, data, recwarn):
    paths = sorted(data.glob("train*.xyz"))
    barriers = predictor.predict([paths[0], ase.io.read(paths[1]), tf_symgnn.read_glass(paths[1]), paths[0]])
    assert isinstance(barriers, list) and [len(barrier) for barrier in barriers] == [60, 50, 50, 60]
    np.testing.assert_array_equal(barriers[0], barriers[3])
    np.testing.assert_allclose(barriers[1], barriers[2], atol=1e-6)
    (warning,) = [str(w.message) for w in recwarn if issubclass(w.category, ExtrapolationWarning)]
    assert "of 4 glasses are outside the training data" in warning
    assert predictor.predict([]) == [] and len(predictor.predict(iter(paths[:1]))) == 1


def test_metadata_of_a_run_and_of_its_export(of_run, of_export):
    assert of_run.species == of_export.species == ["Cu", "Zr"]
    assert of_run.cutoff == of_export.cutoff == 4.0
    as_written = json.loads(json.dumps(of_run.metadata))
    assert as_written == {name: x for name, x in of_export.metadata.items() if name != "signatures"}
    assert of_run.model.receptive_field == 8.0 and of_export.model is None


@pytest.mark.parametrize("pbc", [True, False, (True, True, False)])
def test_atoms_far_outside_their_cell_have_accurate_predictions(predictor, pbc):
    atoms = random_glass(40, 30).to_ase()
    atoms.pbc = pbc
    expected = predictor.predict(atoms)
    # Single precision would round these positions by up to 60 A, and by 5e-4 A along open directions.
    atoms.positions += np.where(atoms.pbc, [1e8, -1e8, 1e8], 900) @ atoms.cell.array
    np.testing.assert_allclose(predictor.predict(atoms), expected, atol=1e-4)


def test_an_export_or_one_of_its_versions_can_be_loaded(exported, of_export, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "3").symlink_to(exported / "1")
    (tmp_path / "model" / "2").mkdir()
    atoms = random_glass(40, 30).to_ase()
    for path in (tmp_path / "model", tmp_path / "model" / "3", str(exported / "1")):
        other = tf_symgnn.load_model(path)
        np.testing.assert_array_equal(other.predict(atoms), of_export.predict(atoms))
        assert other.metadata == of_export.metadata


def test_a_structure_outside_the_training_data_is_warned_about(predictor, finished_run, data):
    """The small model's barriers are outside the range of labels in any case."""
    (glass, *_) = read_labeled(finished_run.config())["train"]
    stretched = replace(glass, positions=1.05 * glass.positions, cell=1.05 * glass.cell)
    with pytest.warns(
        ExtrapolationWarning, match=r"outside the training data \(extrap.* order is more reliable"
    ) as found:
        for member in (glass, stretched):
            predictor.predict(member.to_ase())
    unchanged, changed = (str(warning.message) for warning in found)
    assert "number density" in changed and "density" not in unchanged and "bond" not in unchanged


def test_predictors_of_one_version_share_it_until_it_is_replaced(exported, tmp_path):
    first = ExportedModel(exported)
    assert ExportedModel(exported / "1")._loaded is first._loaded
    shutil.copytree(exported / "1", tmp_path / "model" / "1")
    copy = ExportedModel(tmp_path / "model")
    (tmp_path / "model" / "1" / "saved_model.pb").touch()
    assert ExportedModel(tmp_path / "model")._loaded is not copy._loaded


def test_folders_that_are_neither_a_run_nor_an_export_are_refused(tmp_path, finished_run):
    (tmp_path / "1").mkdir()
    (tmp_path / "run").mkdir()
    shutil.copy(finished_run.config_file, tmp_path / "run")
    for path, word in (
        (tmp_path, "export"),
        (tmp_path / "1", "no version"),
        (tmp_path / "run", "no run.json"),
        (
            tmp_path / "2",
            r"2: model: found no folder, expected the folder of a trained model, or a shipped one \(cuzr\)",
        ),
        (3, "model: path or name: found 3"),
    ):
        with pytest.raises(InputError, match=word):
            tf_symgnn.load_model(path)


def test_invalid_atoms_are_refused_in_one_line(predictor):
    glass = random_glass(41, 12).to_ase()
    gold, flat, dense, same = (glass.copy() for _ in range(4))
    gold.symbols[3] = "Au"
    flat.cell[2] = 0
    dense.set_cell(dense.cell / 10, scale_atoms=True)
    same.positions[4] = same.positions[7]
    for atoms, words in (
        (gold, "atoms: species: found Au, expected only species of the training glasses: Cu, Zr"),
        (flat, "atoms: cell: found no vector along which it is periodic"),
        (dense, r"atoms: cell: found 6\d.*at most 0.25"),
        (same, r"atoms: positions: found (0|atoms 4 and 7 at one point), expected atoms over 0.001 A apart"),
        (ase.Atoms(cell=[9, 9, 9], pbc=True), r"atoms: positions: found shape \(0, 3\)"),
    ):
        with pytest.raises(InputError, match=words) as refused:
            predictor.predict(atoms)
        assert "\n" not in str(refused.value)


def test_an_invalid_member_of_a_list_is_named(predictor):
    atoms = random_glass(41, 12).to_ase()
    gold = atoms.copy()
    gold.symbols[3] = "Au"
    with pytest.raises(InputError, match=r"atoms\[1\]: species: found Au"):
        predictor.predict([atoms, gold])
    with pytest.raises(InputError, match=r"atoms\[1\]: structure: found 5, expected ase.Atoms, a Glass or the path"):
        predictor.predict([atoms, 5])
    with pytest.raises(InputError, match="structures: found 5, expected a structure or a list of them"):
        predictor.predict(5)
