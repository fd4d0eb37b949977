"""The models in the package: their scores, their card, damage, and warnings for glasses they do not suit."""

import json
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml

import tf_symgnn
from tests.conftest import SAMPLE
from tf_symgnn import names
from tf_symgnn.data import DATA_SET, SPLITS_FILE, InputError, read_glass, read_glasses
from tf_symgnn.domain.extrapolation import ExtrapolationWarning
from tf_symgnn.locations import DEFAULT_MODEL, SHIPPED

ROOT = Path(__file__).resolve().parents[2]
MODEL = SHIPPED[DEFAULT_MODEL]
TEST_GLASS = DATA_SET / "cu64zr36-1e12-1.xyz.xz"


@pytest.fixture(scope="module")
def run() -> tf_symgnn.RunFolder:
    return tf_symgnn.RunFolder.open(MODEL)


@pytest.fixture(scope="module")
def predictor() -> tf_symgnn.Predictor:
    return tf_symgnn.load_model(DEFAULT_MODEL)


def texts(record: object) -> list[str]:
    """Return all texts in a record."""
    if isinstance(record, dict | list):
        return sum(map(texts, record.values() if isinstance(record, dict) else record), [])
    return [record] if isinstance(record, str) else []


def test_predictions_have_the_scores_that_are_stored(run, predictor):
    """Each glass of the data set that was not for training, with the labels that ship."""
    splits = read_glasses(DATA_SET)
    for split in (names.VALIDATION, names.TEST):
        stored = run.metrics()[split]
        assert set(stored["per_glass"]) == {glass.name for glass in splits[split]}
        with warnings.catch_warnings():
            warnings.simplefilter("error", ExtrapolationWarning)  # none of them is outside the training data
            predicted = predictor.predict(splits[split])
        labels = [glass.barrier for glass in splits[split]]
        found = np.corrcoef(np.concatenate(predicted), np.concatenate(labels))[0, 1]
        assert found == pytest.approx(stored["pearson"], abs=5e-4)
        for glass, barriers in zip(splits[split], predicted, strict=True):
            mae = np.abs(barriers - glass.barrier).mean()
            assert mae == pytest.approx(stored["per_glass"][glass.name]["mae"], abs=1e-4)


def test_the_card_states_the_scores(run):
    """Its table has a row per glass, then one of the split: Pearson correlation and MAE of validation and test."""
    rows = re.findall(r"^\| (\S+) \| ([\d.]+) \| ([\d.]+) \|$", (MODEL / "README.md").read_text(), re.MULTILINE)
    expected = []
    for split in (names.VALIDATION, names.TEST):
        record = run.metrics()[split]
        for name, scores in [*record["per_glass"].items(), (split, record)]:
            expected.append((name, f"{scores['pearson']:.2f}", f"{scores['mae']:.3f}"))
    assert rows == expected


def test_it_was_trained_on_glasses_of_the_data_set(run):
    trained, shipped = json.loads(run.splits_file.read_text()), json.loads((DATA_SET / SPLITS_FILE).read_text())
    assert set(trained[names.TRAIN]) <= set(shipped[names.TRAIN])
    assert (trained[names.VALIDATION], trained[names.TEST]) == (shipped[names.VALIDATION], shipped[names.TEST])
    card = (MODEL / "README.md").read_text()
    assert f"the {len(trained[names.TRAIN])} training glasses" in card
    atoms = sum(read_glass(DATA_SET / f"{name}.xyz.xz").n_atoms for name in trained[names.TRAIN])
    assert f"| Training atoms | {atoms}, two events each" in card


def test_it_is_small_and_states_no_path_of_a_machine(run):
    files = [path for path in MODEL.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 4e6
    assert run.config().data is None and run.config().run_dir == f"runs/{DEFAULT_MODEL}"
    records = [yaml.safe_load(path.read_text()) for path in files if path.suffix in (".json", ".yaml")]
    assert not [text for record in records for text in texts(record) if Path(text).is_absolute()]


def test_its_use_writes_nothing_into_the_package(predictor):
    before = sorted(MODEL.rglob("*"))
    tf_symgnn.load_model(DEFAULT_MODEL).predict(TEST_GLASS)
    assert sorted(MODEL.rglob("*")) == before


def test_an_interface_of_ase_needs_no_training(predictor):
    atoms = ase.io.read(TEST_GLASS)
    atoms.calc = tf_symgnn.BarrierCalculator(DEFAULT_MODEL)
    found = atoms.calc.get_property("energy_barriers", atoms)
    np.testing.assert_allclose(found, predictor.predict(TEST_GLASS), atol=1e-5)


def test_a_warning_names_what_differs(predictor):
    atoms = ase.io.read(TEST_GLASS)
    atoms.set_cell(1.03 * atoms.cell, scale_atoms=True)
    with pytest.warns(ExtrapolationWarning, match="density|bond length"):
        predictor.predict(atoms)


def test_other_species_are_refused_and_the_supported_ones_listed(predictor):
    atoms = ase.io.read(TEST_GLASS)
    atoms.symbols[0] = "Al"
    with pytest.raises(InputError, match=r"found Al.*Cu.*Zr"):
        predictor.predict(atoms)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_weights_are_refused(tmp_path, damage):
    copy = tmp_path / "copy"
    shutil.copytree(MODEL, copy)
    (weights,) = copy.glob("checkpoints/*.data-*")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        weights.unlink()
    else:
        weights.write_bytes(content if damage == "flipped" else content[:-1])
    with pytest.raises(InputError, match="no file" if damage == "gone" else "a damaged file"):
        tf_symgnn.load_model(copy)


def test_the_name_wins_over_a_path(tmp_path, monkeypatch, predictor):
    (tmp_path / DEFAULT_MODEL).mkdir()
    monkeypatch.chdir(tmp_path)
    glass = read_glass(TEST_GLASS)
    np.testing.assert_array_equal(tf_symgnn.load_model(DEFAULT_MODEL).predict(glass), predictor.predict(glass))
    with pytest.raises(InputError):
        tf_symgnn.load_model(f"./{DEFAULT_MODEL}")


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(InputError, match=rf"shipped one \({DEFAULT_MODEL}\)"):
        tf_symgnn.load_model("cuzr2")


@pytest.mark.parametrize("strain, warned", [(-0.01, True), (-0.005, False), (0.005, False), (0.01, True)])
def test_one_percent_of_strain_is_warned_about(predictor, strain, warned):
    atoms = ase.io.read(DATA_SET / "cu64zr36-1e13-0.xyz.xz")
    atoms.set_cell((1 + strain) * atoms.cell, scale_atoms=True)
    with warnings.catch_warnings(record=True, action="always", category=ExtrapolationWarning) as found:
        predictor.predict(atoms)
    assert bool(found) == warned


def test_two_percent_of_strain_is_warned_about_for_each_test_glass(predictor):
    for glass in read_glasses(DATA_SET)[names.TEST]:
        expanded = replace(glass, positions=1.02 * glass.positions, cell=1.02 * glass.cell)
        with pytest.warns(ExtrapolationWarning, match="number density"):
            predictor.predict(expanded)


@pytest.mark.parametrize("name", ["train0", "train1", "train2", "val0"])
def test_glasses_of_another_potential_are_warned_about(predictor, name):
    """Their labels are 1.9 eV on average, and predictions 1.0 to 1.5 eV."""
    with pytest.warns(ExtrapolationWarning, match="bond length spread"):
        predictor.predict(SAMPLE / f"{name}.xyz")


def test_a_run_is_copied_without_the_folders_that_it_names(finished_run, data, tmp_path):
    command = [sys.executable, "benchmarks/pretrained.py", str(finished_run.path), str(tmp_path / "mine")]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("card")
    (tmp_path / "mine" / "old.json").write_text("{}")
    subprocess.run(command, cwd=ROOT, check=True)
    copy = tf_symgnn.RunFolder.open(tmp_path / "mine")
    assert (copy.config().data, copy.config().run_dir) == (None, "runs/mine")
    assert {path.name for path in copy.path.iterdir()} == {path.name for path in MODEL.iterdir()}
    glass = read_glass(data / "test0.xyz")
    with warnings.catch_warnings(action="ignore", category=ExtrapolationWarning):
        found, expected = (tf_symgnn.load_model(run).predict(glass) for run in (copy, finished_run))
    np.testing.assert_array_equal(found, expected)
