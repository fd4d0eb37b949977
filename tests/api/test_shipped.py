"""Models that ship with the package: listed, predicting by default, and the start of fine-tuning."""

from dataclasses import replace

import ase.io
import numpy as np
import pytest

import tf_symgnn
from tf_symgnn import names
from tf_symgnn.cli import main
from tf_symgnn.data import InputError
from tf_symgnn.locations import DEFAULT_MODEL


@pytest.fixture
def shipped(finished_run, monkeypatch):
    """A run as the default model, the only one that ships."""
    monkeypatch.setattr("tf_symgnn.locations.SHIPPED", {DEFAULT_MODEL: finished_run.path})
    return finished_run


def barriers(path) -> np.ndarray:
    return ase.io.read(path).arrays[names.ENERGY_BARRIER]


@pytest.mark.parametrize("first", [[], [DEFAULT_MODEL]])
def test_a_glass_is_predicted_without_training(shipped, data, tmp_path, first):
    files = [str(data / name) for name in ("test0.xyz", "val0.xyz")]
    for k, model in enumerate((first, [str(shipped.path)])):
        assert main(["predict", *model, *files[:1], "--output", str(tmp_path / f"{k}.xyz")]) == 0
        assert main(["predict", *model, *files, "--output", str(tmp_path / f"both{k}.xyz")]) == 0
    np.testing.assert_array_equal(barriers(tmp_path / "0.xyz"), barriers(tmp_path / "1.xyz"))
    both = [ase.io.read(tmp_path / f"both{k}.xyz", ":") for k in range(2)]
    assert len(both[0]) == len(both[1]) == 2


def test_options_may_stand_anywhere(shipped, data, tmp_path):
    glass, output = str(data / "test0.xyz"), tmp_path / "out.xyz"
    expected = tf_symgnn.load_model(shipped).predict(glass)
    for arguments in (
        ["--output", str(output), glass],
        [f"--output={output}", glass],
        ["--overwrite", glass, "--output", str(output)],
        [DEFAULT_MODEL, "--species", "Cu,Zr", glass, "--output", str(output)],
        [str(shipped.path), "--output", str(output), glass],
    ):
        assert main(["predict", *arguments]) == 0
        np.testing.assert_allclose(barriers(output), expected, atol=1e-6)
        output.unlink()


def test_a_folder_of_structures_is_no_model(shipped, data, tmp_path):
    assert main(["predict", str(data), "--output", str(tmp_path / "all.xyz")]) == 0
    assert len(ase.io.read(tmp_path / "all.xyz", ":")) == len(list(data.glob("*.xyz")))


def test_what_is_neither_model_nor_structure_is_refused(shipped, refuses, data, tmp_path):
    end = [data / "test0.xyz", "--output", tmp_path / "out.xyz"]
    refuses(["predict", tmp_path / "absent", *end], "absent", "no such file or folder", "structure files")
    (tmp_path / "empty").mkdir()
    refuses(["predict", tmp_path / "empty", *end], "empty", "no config.yaml")
    for model in (shipped.path, DEFAULT_MODEL):
        refuses(["predict", model, *end[1:]], "missing: files")


def test_models_that_ship_are_listed(shipped, capsys):
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    config, scored = shipped.config(), shipped.metrics()["validation"]
    assert f"{DEFAULT_MODEL}: {config.model} for Cu, Zr\n" in listed
    assert f"  validation: pearson {scored['pearson']:.4f}, mae {scored['mae']:.4f} eV, " in listed


@pytest.mark.slow
def test_fine_tuning_starts_from_a_shipped_model(shipped, data, tmp_path):
    start = tf_symgnn.fine_tuning_config(DEFAULT_MODEL)
    config = replace(start, data=str(data), run_dir=str(tmp_path / "tuned"), epochs=1, seed=7)
    before = shipped.config()
    assert (config.model, config.graph, config.network) == (before.model, before.graph, before.network)
    assert (config.init, config.seed, config.optimizer) == (str(shipped.path), 7, tf_symgnn.OptimizerConfig())
    tuned = tf_symgnn.train(config)
    assert tuned.statistics().scaling == shipped.statistics().scaling
    by_name = tmp_path / "by-name"
    command = ["train", "--data", str(data), "--run-dir", str(by_name), "--epochs", "1", "--seed", "7"]
    assert main([*command, "--init", DEFAULT_MODEL]) == 0
    again = tf_symgnn.RunFolder.open(by_name)
    assert again.metrics()["validation"]["pearson"] == tuned.metrics()["validation"]["pearson"]
    with pytest.raises(InputError, match="model: found no folder"):
        tf_symgnn.fine_tuning_config(tmp_path / "absent")
