"""Checkpoints of a run that is killed at any moment, or whose files are damaged afterwards."""

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from tests.conftest import room_for
from tf_symgnn.config import RunConfig
from tf_symgnn.data import InputError
from tf_symgnn.runs import DatasetStatistics, RunFolder, State, read_history
from tf_symgnn.runs.records import read_record, write_record
from tf_symgnn.training.checkpointing import Checkpointing

# The second epoch is the best, so that the last state names weights of an earlier epoch.
PEARSON = (0.1, 0.3, 0.2)


class Killed(BaseException):
    """Takes the place of SIGKILL."""


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.momentum = tf.Variable(0.0), tf.Variable(0.0)


def start(path: Path) -> None:
    """Make the folder of a run, as `train` does."""
    statistics = DatasetStatistics((29, 40), 1.6, 0.3, {})
    RunFolder.create(RunConfig(run_dir=str(path)), {}, statistics, overwrite=True)


def go_on(path: Path) -> None:
    """Train a model of one weight from where its folder stands, as `train` with `resume` does."""
    if not (path / "config.yaml").exists():
        start(path)
    folder = RunFolder.open(path)
    with folder.locked():
        folder.remove_unfinished()
        model, optimizer = Model(), Model()
        regressor = SimpleNamespace(barrier_model=model, optimizer=optimizer)
        checkpointing = Checkpointing(folder, regressor, patience=None)
        checkpointing.restore()
        for epoch in range(checkpointing.state.epochs, len(PEARSON)):
            optimizer.momentum.assign(0.5 * optimizer.momentum + epoch + 1)
            model.weight.assign_add(optimizer.momentum)
            checkpointing.on_epoch_end(epoch, {"val_loss": 1.0, "val_pearson": PEARSON[epoch]})
        if not folder.checkpoints.has_final(checkpointing.state):
            folder.checkpoints.load_best(checkpointing.state, model)
            model.weight.assign(10 * model.weight)
            folder.checkpoints.save_final(checkpointing.state, model)
        write_record(folder.metrics_file, {"best_epoch": checkpointing.state.best_epoch})


def result(path: Path) -> tuple:
    """Return everything that a run leaves, without times."""
    folder, model = RunFolder.open(path), Model()
    folder.load_weights(model)
    with folder.history_file.open() as file:
        rows = [(row["epoch"], row["val_pearson"]) for row in csv.DictReader(file)]
    state = folder.state()
    files = {file.relative_to(path).as_posix() for file in path.rglob("*")}
    return float(model.weight), rows, (state.epochs, state.best_epoch, state.best_pearson), folder.metrics(), files


@contextmanager
def killed_at(step: int, monkeypatch) -> Iterator[list[str]]:
    """Kill the block before its system call of a number, of those that change a name or wait for the disk.

    After it none of them is made, so that clean-up does not happen either. A checkpoint of TensorFlow counts twice: its
    index is missing, or both files are there.
    """
    calls: list[str] = []

    def count(name: str) -> None:
        calls.append(name)
        if len(calls) > step:
            raise Killed

    def counted(name: str, call):
        def wrapper(*args, **kwargs):
            count(name)
            return call(*args, **kwargs)

        return wrapper

    def write(self, prefix: str) -> None:
        count("data")
        path = written(self, prefix)
        index = Path(f"{prefix}.index")
        content = index.read_bytes()
        index.unlink()
        count("index")
        index.write_bytes(content)
        return path

    written = tf.train.Checkpoint.write
    with monkeypatch.context() as patch:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # the slowest part of the test
        for name in ("replace", "fsync", "unlink", "rmdir"):
            patch.setattr(os, name, counted(name, getattr(os, name)))
        patch.setattr(tf.train.Checkpoint, "write", write)
        try:
            yield calls
        except Killed:
            assert len(calls) > step


def test_killed_at_any_rename_or_fsync_it_ends_as_an_uninterrupted_run(tmp_path, monkeypatch):
    with killed_at(10_000, monkeypatch) as calls:
        go_on(tmp_path / "whole")
    assert {"replace", "fsync", "data", "index"} <= set(calls) and len(calls) > 60
    expected = result(tmp_path / "whole")
    assert expected[0] == 10 * (1 + 3.5 - 1)  # ten times the sum of the momenta 1 and 2.5 of two epochs
    for step in range(len(calls)):
        path = tmp_path / f"killed-{step}"
        with killed_at(step, monkeypatch):
            go_on(path)
        if RunFolder(path).config_file.exists() and list(path.glob("checkpoints/state-*")):
            RunFolder.open(path).load_weights(Model())  # usable before it is resumed
        go_on(path)
        assert result(path) == expected, calls[step]
        shutil.rmtree(path)


def test_killed_while_it_is_prolonged_a_run_keeps_one_configuration_or_the_other(run, monkeypatch):
    before = RunFolder.open(run).config()
    after = replace(before, epochs=200)
    with killed_at(10_000, monkeypatch) as calls:
        RunFolder.open(Path(shutil.copytree(run, run.with_name("whole")))).extend(after)
    assert calls.count("replace") == 2
    for step in range(len(calls)):
        folder = RunFolder.open(Path(shutil.copytree(run, run.with_name(f"killed-{step}"))))
        with killed_at(step, monkeypatch):
            folder.extend(after)
        assert folder.config() in (before, after)
        folder.extend(after)
        assert folder.config() == after


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 99}, "epochs: found 99, expected at least 100"),
        ({"minutes": 5.0}, "minutes: found 5.0, expected none"),
        ({"seed": 1, "epochs": 200}, "seed: found 1, expected 0, as"),
    ],
)
def test_a_resumed_run_changes_in_length_only_and_never_shrinks(run, changes, words):
    folder = RunFolder.open(run)
    with pytest.raises(InputError, match=words):
        folder.require_extension(replace(folder.config(), **changes))


def test_a_run_that_patience_has_ended_is_not_prolonged(run, tmp_path):
    stored = RunConfig(run_dir=str(tmp_path / "short"), patience=1)
    folder = RunFolder.create(stored, {}, DatasetStatistics((29, 40), 1.6, 0.3, {}), overwrite=False)
    shutil.copytree(run / "checkpoints", folder.path / "checkpoints")
    folder.require_extension(stored)
    with pytest.raises(InputError, match="patience: found a run that ended after 1 epochs without a better .* --init"):
        folder.require_extension(replace(stored, epochs=200))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "run"
    go_on(path)
    return path


@pytest.fixture
def run(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", ["state-3.json", "epoch-3.index", "epoch-3.data-00000-of-00001"])
def test_a_damaged_last_state_is_replaced_from_the_one_before(part, damage, run, finished, capsys):
    DAMAGES[damage](run / "checkpoints" / part)
    go_on(run)
    assert result(run) == result(finished)
    lost = "history.csv: 3 epochs, of which the last stored one is 2"
    expected = lost if (part, damage) == ("state-3.json", "gone") else "using the state after epoch 2"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", ["weights.json", "final-1.index", "final-1.data-00000-of-00001"])
def test_damaged_final_weights_are_refused_and_made_again(part, damage, run, finished):
    DAMAGES[damage](run / "checkpoints" / part)
    if (part, damage) != ("weights.json", "gone"):  # without it the run is one that is not finished
        with pytest.raises(InputError, match="checkpoints/"):
            RunFolder.open(run).load_weights(Model())
    go_on(run)
    assert result(run)[:-1] == result(finished)[:-1]


@pytest.mark.parametrize("damage", DAMAGES)
def test_best_weights_that_are_lost_end_a_run(damage, run):
    DAMAGES[damage](run / "checkpoints" / "best-2.data-00000-of-00001")
    RunFolder.open(run).load_weights(Model())  # those of the finished run are whole
    (run / "checkpoints" / "weights.json").unlink()
    with pytest.raises(InputError, match="best-2.data-00000-of-00001: weights: found"):
        go_on(run)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", ["history.csv", "metrics.json"])
def test_a_copy_for_people_is_written_again(part, damage, run, finished):
    DAMAGES[damage](run / part)
    assert [row["val_pearson"] for row in read_history(RunFolder.open(run))] == list(PEARSON)
    go_on(run)
    assert result(run) == result(finished)


def test_a_run_whose_checkpoints_are_gone_does_not_start_again(run):
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(InputError, match="checkpoints: found none, expected the state of the epochs in history.csv"):
        go_on(run)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", ["run.json", "config.yaml"])
def test_a_damaged_description_of_a_run_is_refused(part, damage, run):
    DAMAGES[damage](run / part)
    with pytest.raises(InputError, match=f"({part}: |no {part})"):
        RunFolder.open(run).config()


def test_a_cut_configuration_that_can_still_be_read_is_refused(run):
    lines = (run / "config.yaml").read_text().splitlines(keepends=True)
    (run / "config.yaml").write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match="config.yaml: configuration: found other values"):
        RunFolder.open(run).config()


def test_data_that_have_moved_may_be_named_in_the_configuration(run):
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("data: null", "data: elsewhere"))
    assert RunFolder.open(run).config().data == "elsewhere"


@pytest.mark.parametrize("part", ["logs", "plots", "history.csv", "checkpoints"])
def test_a_part_of_the_wrong_kind_is_refused(part, run):
    kinds = ("a folder", "a file") if part == "history.csv" else ("a file", "a folder")
    shutil.rmtree(run / part) if (run / part).is_dir() else (run / part).unlink(missing_ok=True)
    (run / part).mkdir() if kinds[0] == "a folder" else (run / part).touch()
    with pytest.raises(InputError, match=f"{part}: run folder: found {kinds[0]}, expected {kinds[1]}"):
        RunFolder.open(run)


WRONG = {
    "species": ["Cu", [0], [29.5], 29, None],
    "label_mean": ["1", None, [1]],
    "label_std": [0, "x", True],
    "versions": [None, []],
}


@pytest.mark.parametrize("name", WRONG)
def test_statistics_of_a_wrong_type_are_refused(name, run):
    record = read_record(run / "run.json")
    for value in WRONG[name]:
        write_record(run / "run.json", record | {name: value})
        with pytest.raises(InputError, match="run.json: "):
            RunFolder.open(run)


def test_records_nested_deep_are_refused(run):
    for text in ("[" * 100_000, '{"a":' * 100_000, "[]", "1", '{"format": 3}'):
        (run / "run.json").write_text(text)
        with pytest.raises(InputError, match="run.json: record: found"):
            RunFolder.open(run)


def test_a_state_of_wrong_types_is_refused(run):
    record = read_record(run / "checkpoints" / "state-3.json")
    (run / "checkpoints" / "state-2.json").unlink()
    for change in ({"files": None}, {"files": {"..": "x"}}, {"surplus": 1}):
        write_record(run / "checkpoints" / "state-3.json", record | change)
        with pytest.raises(InputError, match="checkpoints"):
            RunFolder.open(run).state()


def test_a_folder_is_locked_while_it_is_trained_in(run):
    folder = RunFolder.open(run)
    with folder.locked(), pytest.raises(InputError, match="run folder: found another training"):
        go_on(run)
    go_on(run)


@pytest.mark.parametrize(
    ("epochs", "best_epoch", "stops"),
    [
        (35, 5, False),
        (36, 5, True),
        (49, 21, False),
    ],  # of the sample, and of the published glasses before the last epoch
)
def test_the_default_patience_stops_a_run_that_overfits(epochs, best_epoch, stops, run):
    regressor = SimpleNamespace(barrier_model=Model(), optimizer=Model())
    checkpointing = Checkpointing(RunFolder(run), regressor, patience=RunConfig().patience)
    checkpointing.state = State(epochs=epochs, best_epoch=best_epoch)
    assert checkpointing.exhausted == stops


def test_a_full_disk_is_an_error_with_the_path_and_the_reason(run):
    folder, model = RunFolder.open(run), Model()
    with room_for(100), pytest.raises(OSError, match=r"checkpoints/final-2: File too large$"):
        folder.checkpoints.save_final(folder.state(), model)
    folder.load_weights(model)


def test_only_two_states_are_kept(finished):
    names = {path.name for path in (finished / "checkpoints").iterdir()}
    assert {name for name in names if name.endswith("json")} == {"state-2.json", "state-3.json", "weights.json"}
    assert not {name for name in names if name.startswith(("epoch-1", "best-1"))}
