"""A run from files to metrics: what it learns, what it leaves, how it stops."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import pearsonr

from tests.small_runs import small_config, write_data
from tests.training.run_contents import events, weights
from tf_symgnn import names
from tf_symgnn.config import NetworkConfig, OptimizerConfig, StreamConfig
from tf_symgnn.data import InputError, read_glasses, write_glasses
from tf_symgnn.graph import SubsetStream, to_graph_tensor
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import RunFolder, glass_graphs, read_history, read_labeled
from tf_symgnn.training import TrainingStopped, evaluate, train
from tf_symgnn.training.batch_statistics import BatchStatistics
from tf_symgnn.training.regressor import BarrierRegressor

ROOT = Path(__file__).resolve().parents[2]


# Trains as train.py does, and dies as nothing can prepare for.
KILLED_AT_STEP_18 = """
import os, signal, sys
from tf_symgnn.cli import main
from tf_symgnn.training.monitoring import Progress

def die(self, batch, logs):
    if self.model.optimizer.iterations == 18:
        os.kill(os.getpid(), signal.SIGKILL)

Progress.on_train_batch_end = die
main(["train", *sys.argv[1:]])
"""


def test_metrics_are_scipys_on_the_best_weights(finished_run):
    metrics = json.loads(finished_run.metrics_file.read_text())
    predict = CompiledModel(finished_run.load_model())
    splits = read_labeled(finished_run.config())
    for split in (names.VALIDATION, names.TEST):
        (glass,) = splits[split]
        (graph,) = glass_graphs(finished_run.config(), [glass])
        predicted = predict(graph)
        record = metrics[split]
        np.testing.assert_allclose(record["pearson"], pearsonr(glass.barrier, predicted).statistic, atol=1e-5)
        np.testing.assert_allclose(record["mae"], np.abs(glass.barrier - predicted).mean(), rtol=1e-4)
        np.testing.assert_allclose(record["rmse"], np.sqrt(np.square(glass.barrier - predicted).mean()), rtol=1e-4)
        assert record["n_atoms"] == glass.n_atoms
        assert set(record["per_glass"]) == {glass.name}
    assert metrics["invariance_error"] > 0
    assert metrics["seed"] == 0
    assert metrics["seconds"] > 0


def test_the_best_epoch_is_chosen_by_the_score_that_is_reported(finished_run):
    with finished_run.history_file.open() as file:
        rows = list(csv.DictReader(file))
    metrics = finished_run.metrics()
    best = max(rows, key=lambda row: float(row["val_pearson"]))
    assert metrics["best_epoch"] == int(best["epoch"]) + 1
    for name in ("pearson", "mae", "rmse"):
        np.testing.assert_allclose(metrics["validation"][name], float(best[f"val_{name}"]), rtol=1e-4)


def test_the_stored_statistics_are_those_of_the_stored_weights(finished_run):
    config, model = finished_run.config(), finished_run.load_model()
    stream = SubsetStream(glass_graphs(config, read_labeled(config)[names.TRAIN]))
    model(next(iter(stream.in_order()))[0])
    finished_run.load_weights(model)
    kept = [variable.numpy() for variable in model.variables]
    BatchStatistics(model, stream.in_order(), 3, tf.distribute.get_strategy()).recompute()
    for variable, expected in zip(model.variables, kept, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_overfits_one_small_glass(tmp_path):
    """About 100 atoms with labels drawn at random: nothing but memory reaches 0.99."""
    data = write_data(tmp_path / "data", {"train0": 100, "val0": 30})
    glasses = read_glasses(data)
    rng = np.random.default_rng(0)
    for stem in ("train0", "val0"):
        glass = next(g for split in glasses.values() for g in split if g.name == stem)
        random = replace(glass, barrier=rng.normal(1.7, 0.3, glass.n_atoms))
        write_glasses(data / f"{stem}.xyz", [random], overwrite=True)
    network = NetworkConfig(width=32, heads=(4, 2, 1), decoder_layers=2, transforms=4)
    config = small_config(
        data, tmp_path / "run", epochs=150, network=network, optimizer=OptimizerConfig(learning_rate=5e-3)
    )
    folder = train(config)
    with folder.history_file.open() as file:
        assert float(list(csv.DictReader(file))[-1]["pearson"]) > 0.99


def test_a_folder_in_which_another_process_trains_is_refused(finished_run, tmp_path):
    run = RunFolder(shutil.copytree(finished_run.path, tmp_path / "run"))
    config = replace(finished_run.config(), run_dir=str(run.path))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with run.locked():
        for how in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match="run folder: found another training"):
                train(config, **how)
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert after == before | {run.path / ".lock": b""}


def test_a_run_is_finished_before_another_process_may_train_in_its_folder(finished_run, tmp_path):
    run = RunFolder(shutil.copytree(finished_run.path, tmp_path / "run"))
    left = [run.path / f".history-{'0' * 32}.csv", run.plots / f".parity_test-{'0' * 32}.png"]
    for path in left:
        path.touch()

    def finish(folder: RunFolder) -> None:
        assert folder.metrics()["best_epoch"] >= 1
        assert not any(path.exists() for path in left)
        with pytest.raises(InputError, match="another training"), folder.locked():
            pass

    train(replace(finished_run.config(), run_dir=str(run.path)), resume=True, finish=finish)


def test_a_second_training_gives_the_same_weights_and_callbacks_see_its_scores(finished_run, data, tmp_path):
    seen = []
    callback = tf.keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, dict(logs))))
    again = train(small_config(data, tmp_path / "again"), callbacks=[callback])
    assert [epoch for epoch, _ in seen] == [0, 1, 2]
    assert [logs["val_pearson"] for _, logs in seen] == pytest.approx(
        [row["val_pearson"] for row in read_history(finished_run)]
    )
    for key, value in weights(again).items():
        np.testing.assert_array_equal(value, weights(finished_run)[key], err_msg=key)


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_it_is_what_it_would_have_been(tmp_path):
    data = write_data(tmp_path / "data", {f"train{k}": 400 for k in range(12)} | {"val0": 60})
    config = small_config(data, tmp_path / "whole", model="symgnn_spectral", epochs=4)
    flags = ["--epochs", "4", "--graph.cutoff", "4", "--network.width", "8", "--network.heads", "[2,1]"]
    flags += ["--network.decoder-layers", "1", "--network.transforms", "2", "--network.distribution", "uniform"]
    flags += ["--optimizer.learning-rate", "0.01"]
    whole, killed = (RunFolder(tmp_path / name) for name in ("whole", "killed"))
    command = [sys.executable, "train.py", "--data", str(data), *flags, "--run-dir"]
    subprocess.run([*command, str(whole.path)], cwd=ROOT, check=True, capture_output=True)
    assert whole.config() == config

    # An epoch is twelve steps: this is in the middle of the second.
    assassin = [sys.executable, "-c", KILLED_AT_STEP_18, *command[2:], str(killed.path)]
    assert subprocess.run(assassin, cwd=ROOT, capture_output=True).returncode == -signal.SIGKILL
    assert not killed.metrics_file.exists()

    resume = [sys.executable, "train.py", "--run-dir", str(killed.path), "--resume"]
    subprocess.run(resume, cwd=ROOT, check=True, capture_output=True)
    expected, found = weights(whole), weights(killed)
    assert expected.keys() == found.keys()
    for key in expected:
        np.testing.assert_array_equal(found[key], expected[key], err_msg=key)
    one, other = (json.loads(folder.metrics_file.read_text())[names.VALIDATION] for folder in (whole, killed))
    assert one == other


def test_patience_ends_a_run_that_gets_no_better(data, tmp_path):
    still = OptimizerConfig(learning_rate=1e-12)
    folder = train(small_config(data, tmp_path / "run", model="gcn", epochs=20, patience=2, optimizer=still))
    assert json.loads(folder.metrics_file.read_text())["epochs"] < 20


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(data, tmp_path):
    wild = OptimizerConfig(learning_rate=1e30, clip_norm=1e30, warmup=0.0)
    with pytest.raises(TrainingStopped, match=r"(loss|gradient norm) is (nan|inf) at epoch \d+, step \d+ \(train\d\)"):
        train(small_config(data, tmp_path / "run", model="gcn", epochs=10, optimizer=wild))


def test_a_model_of_whole_glasses_is_not_trained_on_patches(finished_run, data, tmp_path):
    """The run before is not replaced."""
    shutil.copytree(finished_run.path, tmp_path / "run")
    config = small_config(data, tmp_path / "run", model="faenet", stream=StreamConfig(patch_size=6.0))
    with pytest.raises(InputError, match=r"stream.patch_size: found 6.0, expected none with model faenet"):
        train(config, overwrite=True)
    RunFolder.open(tmp_path / "run").load_model()


def test_patches_train_and_score_as_whole_glasses_do(data, tmp_path):
    stream = StreamConfig(patch_size=6.0, batch_size=2)
    folder = train(small_config(data, tmp_path / "run", model="gcn", stream=stream))
    record = json.loads(folder.metrics_file.read_text())["validation"]
    graphs = glass_graphs(folder.config(), read_labeled(folder.config())[names.VALIDATION])
    whole, _ = evaluate(CompiledModel(folder.load_model()), graphs)
    np.testing.assert_allclose(record["pearson"], whole["pearson"], atol=1e-5)
    np.testing.assert_allclose(record["invariance_error"], whole["invariance_error"], rtol=1e-2)


def test_resuming_a_finished_run_changes_nothing(finished_run, tmp_path):
    before = weights(finished_run)
    copy = RunFolder(shutil.copytree(finished_run.path, tmp_path / "run"))
    train(replace(finished_run.config(), run_dir=str(copy.path)), resume=True)
    for key, value in weights(copy).items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("patch_size", [None, 6.0], ids=["whole glasses", "patches"])
def test_only_whole_glasses_are_kept_for_validation_with_what_the_regression_says(
    patch_size, data, tmp_path, monkeypatch
):
    config = small_config(data, tmp_path / "run", model="symgnn_spectral", epochs=1)
    seen = []

    def spy(self, *given, validation_data, **named):
        seen.append(validation_data.element_spec[0].node_sets_spec[names.ATOMS].features_spec)
        raise TrainingStopped

    monkeypatch.setattr(BarrierRegressor, "fit", spy)
    with pytest.raises(TrainingStopped):
        train(replace(config, stream=replace(config.stream, patch_size=patch_size)))
    assert [names.BASELINE_BARRIER in spec for spec in seen] == [patch_size is None]


def test_the_regression_is_solved_on_the_training_glasses_and_kept_with_the_run(finished_hybrid_run, tmp_path):
    folder = RunFolder(shutil.copytree(finished_hybrid_run.path, tmp_path / "run"))
    config = replace(finished_hybrid_run.config(), run_dir=str(folder.path))
    fresh = folder.build_model()
    splits = {split: glass_graphs(config, glasses) for split, glasses in read_labeled(config).items()}
    graphs = {split: [to_graph_tensor(graph) for graph in of_split] for split, of_split in splits.items()}
    fresh.prepare(graphs[names.TRAIN], [graph.barrier for graph in splits[names.TRAIN]])
    kept = folder.load_model()
    baseline, expected = kept.baseline, fresh.baseline
    assert np.abs(baseline.ridge.kernel).max() > 0
    np.testing.assert_allclose(baseline.ridge.kernel, expected.ridge.kernel, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(baseline.components.components, expected.components.components, rtol=1e-3, atol=1e-5)
    # Validation scores the network, too, so that its curve and that of training are of one model.
    (row,) = read_history(folder)
    predictions = np.concatenate([kept.trained(graph).numpy() for graph in graphs[names.VALIDATION]])
    labels = np.concatenate([graph.barrier for graph in splits[names.VALIDATION]])
    assert row["val_network_pearson"] == pytest.approx(pearsonr(labels, predictions)[0], abs=1e-5)
    # Epochs are compared by what is reported, with the blend weight that is kept.
    assert row["val_pearson"] == pytest.approx(folder.metrics()["validation"]["pearson"], abs=1e-5)
    assert abs(row["val_network_pearson"] - row["val_pearson"]) > 1e-3
    shown = events(folder.logs)
    for name in ("loss", "pearson", "mae", "rmse"):
        assert {tag for tag in shown if tag.endswith(f"/{name}") and "best" not in tag} == {
            f"train/network/{name}",
            f"validation/network/{name}",
            f"validation/{name}",
        }
    calibrated = folder.load_model()
    calibrated.blend.assign(0.123)
    terms = [np.stack(calibrated.calibration_terms(graph), axis=1) for graph in graphs[names.VALIDATION]]
    calibrated.calibrate(np.concatenate(terms), labels)
    assert float(calibrated.blend) == pytest.approx(float(kept.blend), abs=1e-6)
    train(config, resume=True)
    np.testing.assert_array_equal(folder.load_model().baseline.ridge.kernel, kept.baseline.ridge.kernel)
    assert float(folder.load_model().blend) == float(kept.blend)
