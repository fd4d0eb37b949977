"""The run folder: its records, and the folders, data and weights that it refuses."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import yaml

from tests.small_runs import small_config, write_data
from tf_symgnn import names
from tf_symgnn.config import NetworkConfig, RunConfig
from tf_symgnn.data import InputError, ReadOptions, read_frames, read_glasses, replacing
from tf_symgnn.runs import DatasetStatistics, RunFolder, read_labeled
from tf_symgnn.runs.configuration import _checksum
from tf_symgnn.runs.records import read_record, write_record
from tf_symgnn.training import train


def test_a_finished_run_has_its_files_splits_statistics_and_configuration(finished_run, data):
    files = {path.relative_to(finished_run.path).as_posix() for path in finished_run.path.rglob("*") if path.is_file()}
    assert {"config.yaml", "splits.json", "run.json", "history.csv", "metrics.json"} <= files
    assert {"plots/curves.png", "plots/parity_validation.png", "plots/parity_test.png"} <= files
    splits = json.loads(finished_run.splits_file.read_text())
    assert splits == {"train": ["train0", "train1", "train2"], "validation": ["val0"], "test": ["test0"]}
    labels = np.concatenate([glass.barrier for glass in read_glasses(data)[names.TRAIN]])
    statistics = finished_run.statistics()
    np.testing.assert_allclose([statistics.label_mean, statistics.label_std], [labels.mean(), labels.std()])
    assert statistics.species == (29, 40)
    assert set(statistics.versions) >= {"tensorflow", "tf_symgnn"}
    assert finished_run.config() == small_config(data, finished_run.path)


def test_default_settings_equal_their_explicit_values(data, tmp_path):
    """Configurations of runs before `heads` had a default name them."""
    statistics = DatasetStatistics(species=(29, 40), label_mean=1.5, label_std=0.3, versions={})
    explicit = small_config(
        data, tmp_path / "run", network=NetworkConfig(heads=(8, 4, 2, 1), distribution="euler_von_mises")
    )
    folder = RunFolder.create(explicit, {}, statistics, overwrite=False)
    folder.require_same_model(replace(explicit, network=NetworkConfig()))
    for other in (NetworkConfig(heads=(8, 4, 2)), NetworkConfig(distribution="haar")):
        with pytest.raises(InputError, match="network: found"):
            folder.require_same_model(replace(explicit, network=other))


def test_weights_of_a_model_with_more_layers_are_refused(finished_run, tmp_path):
    """Without its additional layer the model of another version would predict other numbers."""
    shutil.copytree(finished_run.path, tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    model = run.load_model()
    model.surplus = tf.keras.layers.Dense(1)
    model.surplus(tf.ones([1, 2]))
    run.checkpoints.save_final(run.state(), model)
    with pytest.raises(InputError, match="weights: found AssertionError, expected the weights that training wrote"):
        run.load_model()


def test_a_run_is_kept_without_overwrite(finished_run, data):
    config = small_config(data, finished_run.path)
    before = finished_run.metrics_file.read_bytes()
    with pytest.raises(InputError, match="found a run, expected a new folder, or --resume or --overwrite"):
        train(config)
    assert finished_run.metrics_file.read_bytes() == before


@pytest.mark.parametrize("beside", [[], ["config.yaml", "run.json"]])
def test_a_folder_with_other_files_is_refused(data, tmp_path, beside):
    for name in ["thesis.tex", *beside]:
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match="thesis.tex, which is no run's"):
        train(small_config(data, tmp_path), overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.tex", *beside}


@pytest.mark.parametrize("name", ["glasses", "logs", "checkpoints", "metrics.json"])
def test_what_a_run_would_name_alike_is_kept(data, tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.xyz").write_text("mine")
    with pytest.raises(InputError, match=f"run folder: found {name}"):
        train(small_config(data, tmp_path))
    assert (tmp_path / name / "mine.xyz").read_text() == "mine"


def test_glasses_that_no_run_has_stored_are_never_replaced(finished_run, data, tmp_path):
    shutil.copytree(finished_run.path, tmp_path / "run")
    (tmp_path / "run" / "glasses").mkdir()
    with pytest.raises(InputError, match="found glasses, which is no run's"):
        train(small_config(data, tmp_path / "run"), overwrite=True)


def test_a_run_is_replaced_by_one_on_the_glasses_that_it_stored(finished_run, data, tmp_path):
    """The path leads through the parent folder."""
    config = replace(small_config(data, tmp_path / "run"), data=str(tmp_path / "data" / ".." / "run" / "glasses"))
    (tmp_path / "data").mkdir()
    splits = read_labeled(small_config(data, tmp_path))
    statistics = finished_run.statistics()
    RunFolder.create(config, splits, statistics, store_glasses=True, overwrite=False)
    (tmp_path / "run" / "glasses" / "notes.txt").write_text("kept")
    stored = read_labeled(config)
    RunFolder.create(config, stored, statistics, overwrite=True)
    assert (tmp_path / "run" / "glasses" / "notes.txt").read_text() == "kept"
    again = read_labeled(config)
    for split, glasses in splits.items():
        for before, after in zip(glasses, again[split], strict=True):
            np.testing.assert_array_equal(after.barrier, before.barrier)


def test_hidden_files_are_kept_and_those_of_a_killed_run_removed(data, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main")
    with pytest.raises(RuntimeError), replacing(tmp_path / "run.json") as unfinished:
        unfinished.write_text("{")
        killed = unfinished.rename(tmp_path / unfinished.name.replace("run", "history"))
        raise RuntimeError
    RunFolder.create(small_config(data, tmp_path), {}, DatasetStatistics((29, 40), 1.6, 0.3, {}), overwrite=False)
    assert (tmp_path / ".git" / "HEAD").read_text() == "ref: refs/heads/main"
    assert (tmp_path / "config.yaml").exists() and not killed.exists()


def test_a_run_reads_what_its_files_do_not_state(tmp_path):
    """A LAMMPS data file without style and boundaries, under a name that states no format."""
    rows = "\n".join(f"{k + 1} {1 + k % 2} 0.0 {1 + 2.5 * k} 1 4" for k in range(10))
    text = f"comment\n\n10 atoms\n2 atom types\n0 26 xlo xhi\n0 9 ylo yhi\n0 9 zlo zhi\n\nAtoms\n\n{rows}\n"
    (tmp_path / "train0.xyz").write_text(text)
    options = {"format": "lammps-data", "atom_style": "charge", "species": "Cu,Zr", "pbc": "p,f,f"}
    (glass,) = read_frames(tmp_path / "train0.xyz", ReadOptions.of(RunConfig(**options)))
    assert glass.pbc.tolist() == [True, False, False]
    assert glass.species.tolist() == ["Cu", "Zr"] * 5 and glass.positions[3].tolist() == [8.5, 1.0, 4.0]
    for field, value in (("pbc", "p,p"), ("atom_style", "atom")):
        with pytest.raises(InputError, match=value):
            ReadOptions.of(RunConfig(**options | {field: value}))


def test_label_statistics_are_compared_up_to_rounding(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run.path, run)
    record = read_record(run / "run.json")
    write_record(run / "run.json", record | {"label_mean": float(np.nextafter(record["label_mean"], 9))})
    train(replace(finished_run.config(), run_dir=str(run)), resume=True)
    write_record(run / "run.json", record | {"label_mean": record["label_mean"] + 1e-8})
    with pytest.raises(InputError, match="labels: found .*, expected .* as the run was started"):
        train(replace(finished_run.config(), run_dir=str(run)), resume=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda glass: replace(glass, barrier=glass.barrier + 1e-4),
        lambda glass: replace(glass, positions=glass.positions + [1e-4, 0, 0]),
        lambda glass: replace(glass, species=glass.species[::-1]),
    ],
)
def test_resuming_on_changed_glasses_is_refused(finished_run, change):
    """Scores of epochs before and after would be of other validation glasses."""
    splits = read_labeled(finished_run.config())
    finished_run.require_data(splits, finished_run.statistics())
    changed = splits | {names.VALIDATION: [change(glass) for glass in splits[names.VALIDATION]]}
    with pytest.raises(InputError, match="glasses: found other structures or labels"):
        finished_run.require_data(changed, finished_run.statistics())


def test_resuming_on_other_data_is_refused(finished_run, tmp_path):
    one_more = write_data(tmp_path / "data", {"train0": 20, "train9": 20, "val0": 20})
    record = finished_run.metrics_file.read_bytes()
    run = tmp_path / "run"
    shutil.copytree(finished_run.path, run)
    config = replace(finished_run.config(), data=str(one_more), run_dir=str(run))
    with pytest.raises(InputError, match="data: found .*, expected .* as the run was started"):
        train(config, resume=True)
    (run / "config.yaml").write_text(yaml.safe_dump(config.as_plain()))
    with pytest.raises(InputError, match="glasses: found .*train9.*, expected .* as the run was started"):
        train(config, resume=True)
    assert (run / "metrics.json").read_bytes() == record


def test_a_run_of_an_earlier_version_is_refused_with_the_command_to_train_again(finished_run, tmp_path):
    run = shutil.copytree(finished_run.path, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    del record["format"]
    (run / "run.json").write_text(json.dumps(record))
    again = f"train again: tf-symgnn train --config {run}/config.yaml --run-dir NEW_FOLDER"
    with pytest.raises(InputError, match=f"run.json: format: found 1, expected 3; {re.escape(again)}$"):
        RunFolder.open(run)


def test_weights_of_another_model_are_refused(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run.path, run)
    fields = replace(finished_run.config(), network=NetworkConfig(width=8, decoder_layers=3)).as_plain()
    (run / "config.yaml").write_text(yaml.safe_dump(fields))
    with pytest.raises(InputError, match="config.yaml: configuration: found other values, expected those that the run"):
        RunFolder.open(run).load_model()
    write_record(run / "run.json", read_record(run / "run.json") | {"configuration": _checksum(fields)})
    with pytest.raises(InputError, match="weights: found .*, expected the weights that training wrote"):
        RunFolder.open(run).load_model()


def test_unknown_splits_are_refused(finished_run):
    with pytest.raises(InputError, match="split: found 'holdout', expected one of train, validation, test"):
        read_labeled(finished_run.config(), ["holdout"])
