"""Predictions of structure files: what is written, and input that is refused."""

import ase.io
import numpy as np
import pytest

import tf_symgnn
from tests.conftest import fcc_copper, random_glass
from tf_symgnn import names
from tf_symgnn.data import InputError, iter_glasses, read_glass, write_glasses
from tf_symgnn.inference import CompiledModel
from tf_symgnn.inference.files import write_predictions
from tf_symgnn.runs import glass_graphs


@pytest.fixture(scope="module")
def glasses():
    return [random_glass(30, 25), random_glass(31, 35)]


@pytest.fixture
def files(glasses, tmp_path):
    paths = [tmp_path / "a.xyz", tmp_path / "b.npz"]
    for path, glass in zip(paths, glasses, strict=True):
        write_glasses(path, [glass])
    return paths


@pytest.fixture(scope="module")
def expected(finished_run, glasses):
    predict = CompiledModel(finished_run.load_model())
    return [predict(graph) for graph in glass_graphs(finished_run.config(), glasses)]


def test_ase_reads_the_barriers(finished_run, files, glasses, expected, tmp_path):
    assert len(write_predictions(finished_run, files, tmp_path / "out.xyz")) == 2
    frames = ase.io.read(tmp_path / "out.xyz", index=":")
    for frame, glass, barrier in zip(frames, glasses, expected, strict=True):
        np.testing.assert_allclose(frame.arrays[names.ENERGY_BARRIER], barrier, atol=1e-6)
        np.testing.assert_allclose(frame.positions, glass.positions, atol=1e-6)
        assert frame.get_chemical_symbols() == list(glass.species)


def test_the_function_takes_one_path_and_warns(finished_run, tmp_path):
    write_glasses(tmp_path / "crystal.xyz", [fcc_copper(3)])
    with pytest.warns(tf_symgnn.ExtrapolationWarning, match="crystal.xyz: outside the training data"):
        assert tf_symgnn.predict_files(str(finished_run.path), tmp_path / "crystal.xyz", tmp_path / "out.xyz") == 1
    assert read_glass(tmp_path / "out.xyz").barrier is not None


def test_a_dump_has_the_same_barriers(finished_run, files, expected, tmp_path):
    write_predictions(finished_run, files[:1], tmp_path / "out.dump")
    glass = read_glass(tmp_path / "out.dump")
    np.testing.assert_allclose(glass.barrier, expected[0], atol=1e-6)


def test_labels_of_the_input_do_not_reach_the_output(finished_run, files, glasses, tmp_path):
    write_predictions(finished_run, files[:1], tmp_path / "out.xyz")
    assert np.abs(read_glass(tmp_path / "out.xyz").barrier - glasses[0].barrier).min() > 1e-6


def test_an_unknown_species_is_refused_before_anything_is_written(finished_run, files, tmp_path):
    gold = fcc_copper(1)
    gold = type(gold)(gold.positions, gold.cell, gold.pbc, np.array(["Au"] * gold.n_atoms), None, "gold.xyz")
    write_glasses(tmp_path / "gold.xyz", [gold])
    with pytest.raises(InputError, match="gold.xyz.*Au"):
        write_predictions(finished_run, [*files, tmp_path / "gold.xyz"], tmp_path / "out.xyz")
    assert not (tmp_path / "out.xyz").exists()


def test_an_existing_file_is_replaced_with_overwrite_only(finished_run, files, tmp_path):
    (tmp_path / "out.xyz").write_text("mine")
    with pytest.raises(InputError, match="existing"):
        write_predictions(finished_run, files, tmp_path / "out.xyz")
    assert (tmp_path / "out.xyz").read_text() == "mine"
    write_predictions(finished_run, files, tmp_path / "out.xyz", overwrite=True)
    assert len(list(iter_glasses(tmp_path / "out.xyz"))) == 2
