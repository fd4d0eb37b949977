"""Apache Beam pipelines: the same shards as without Beam, a list of bad files, and no incomplete shard."""

import errno
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import random_glass
from tests.small_runs import write_data
from tf_symgnn import names
from tf_symgnn.beam.pipelines import DEAD_LETTERS
from tf_symgnn.cli import main
from tf_symgnn.data import InputError, iter_glasses, read_glass, write_glasses
from tf_symgnn.data import writers as glass_writers
from tf_symgnn.graph import read_records
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import glass_graphs

ROOT = Path(__file__).resolve().parents[2]

# Beam's runner in the test's own process, which tests can patch.
IN_PROCESS = "--beam=--runner=FnApiRunner"


@pytest.fixture
def folder(tmp_path):
    """Two good files, a trajectory of three frames cut within the last one, and a file without a structure."""
    folder = write_data(tmp_path / "data", {"train0": 30, "test0": 25})
    write_glasses(folder / "train1.xyz", [random_glass(k, 20) for k in range(3)])
    text = (folder / "train1.xyz").read_text()
    (folder / "train1.xyz").write_text(text[:-300])
    (folder / "train2.xyz").write_text("3\nno structure\n")
    return folder


def ends_with(status: int, *argv: object) -> None:
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main([str(argument) for argument in argv]))
    assert stopped.value.code == status


def letters(output) -> dict[str, dict]:
    rows = [json.loads(line) for line in (output / DEAD_LETTERS).read_text().splitlines()]
    return {row["file"].rpartition("/")[2]: row for row in rows}


def contents(output) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.iterdir() if not path.name.startswith(".")}


def test_a_trajectory_cut_within_a_frame_gives_the_frames_before_it(tmp_path):
    for n_frames in (2, 3):
        write_glasses(tmp_path / "cut.xyz", [random_glass(k, 20) for k in range(n_frames)], overwrite=True)
        (tmp_path / "cut.xyz").write_text((tmp_path / "cut.xyz").read_text()[:-300])
        glasses = []
        with pytest.raises(InputError, match="columns: found 4 values in row [0-9]+, expected 5 as declared"):
            for glass in iter_glasses(tmp_path / "cut.xyz"):
                glasses.append(glass)
        assert [glass.name for glass in glasses] == [f"cut-{k}" for k in range(n_frames - 1)]


def test_convert_continues_after_bad_files_and_lists_them(folder, tmp_path, capsys):
    output = tmp_path / "shards"
    ends_with(3, "convert", folder, "--output", output, IN_PROCESS, "--graph.cutoff", "4")
    printed = capsys.readouterr()
    assert "4 glasses of 4 files" in printed.out and "2 files not read completely" in printed.err
    assert letters(output).keys() == {"train1.xyz", "train2.xyz"}
    cut = letters(output)["train1.xyz"]
    assert cut["frames_used"] == 2 and "expected 5 as declared" in cut["reason"]
    listing = json.loads((output / "shards.json").read_text())
    assert listing == {"train": ["train0", "train1-0", "train1-1"], "test": ["test0"]}
    shards = {"train.tfrecord-train0", "train.tfrecord-train1", "test.tfrecord-test0"}
    assert contents(output).keys() == shards | {"shards.json", DEAD_LETTERS}
    (graph,) = read_records([output / "train.tfrecord-train0"], labeled=True)
    glass = read_glass(folder / "train0.xyz")
    np.testing.assert_allclose(graph.node_sets[names.ATOMS][names.ENERGY_BARRIER], glass.barrier, atol=1e-6)
    assert len(list(read_records([output / "train.tfrecord-train1"], labeled=True))) == 2


def test_notices_of_workers_are_printed(tmp_path, capsys):
    folder = write_data(tmp_path / "data", {"train0": 20})
    (folder / "train0.xyz").write_text((folder / "train0.xyz").read_text().rstrip())
    assert main(["convert", str(folder), "--output", str(tmp_path / "shards"), IN_PROCESS]) == 0
    assert "note: " in (printed := capsys.readouterr().err) and "the file may be cut short" in printed


def test_a_repeated_bundle_writes_the_same_shards(folder, tmp_path):
    output, argv = tmp_path / "shards", ["convert", folder, "--output", tmp_path / "shards", IN_PROCESS]
    ends_with(3, *argv)
    before = contents(output)
    (output / ".train.tfrecord-train0-of-a-worker-that-was-killed").write_bytes(b"half")
    ends_with(2, *argv)  # the conversion is complete
    (output / "shards.json").rename(output / ".unfinished")  # as after a kill
    (output / "images.tfrecord-0").write_bytes(b"somebody's")
    ends_with(3, *argv)
    after = contents(output)
    assert {name: after[name] for name in before} == before
    assert after["images.tfrecord-0"] == b"somebody's"


def test_shards_of_unknown_origin_are_not_removed(folder, tmp_path, capsys):
    output = tmp_path / "shards"
    output.mkdir()
    (output / "train.tfrecord-00000-of-00001").write_bytes(b"months of work")
    ends_with(2, "convert", folder, "--output", output, IN_PROCESS)
    assert "train.tfrecord-00000-of-00001: output: found an existing file" in capsys.readouterr().err
    assert contents(output) == {"train.tfrecord-00000-of-00001": b"months of work"}


def test_a_full_disk_ends_the_pipeline_and_leaves_complete_shards_only(folder, tmp_path, monkeypatch, capsys):
    write, written = tf.io.TFRecordWriter.write, []

    def until_full(self, record):
        if len(written) == 2:
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
        written.append(record)
        write(self, record)

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", until_full)
    output = tmp_path / "shards"
    ends_with(2, "convert", folder, "--output", output, IN_PROCESS)
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "No space left on device" in error
    complete = {"train.tfrecord-train0", "train.tfrecord-train1", "test.tfrecord-test0"}
    for name, content in contents(output).items():
        assert name in complete  # neither a listing nor a temporary file
        graphs = list(read_records([output / name], labeled=True))
        assert len(graphs) == (2 if "train1" in name else 1) and content
    assert len(contents(output)) < 3


def test_a_full_disk_ends_the_command_without_beam(folder, tmp_path, monkeypatch, capsys):
    def full(self, record):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.io.TFRecordWriter, "write", full)
    ends_with(2, "convert", folder / "train0.xyz", "--output", tmp_path / "shards")
    assert "No space left on device" in capsys.readouterr().err
    assert not list((tmp_path / "shards").glob("*"))


def test_predictions_are_the_same_without_beam(finished_run, folder, tmp_path, capsys, monkeypatch):
    output = tmp_path / "predicted"
    gold = folder / "gold.xyz"
    gold.write_text((folder / "test0.xyz").read_text().replace("Cu ", "Au "))
    ends_with(3, "predict", finished_run.path, folder, "--output", output, IN_PROCESS)
    assert "4 glasses of 5 files" in capsys.readouterr().out
    assert letters(output).keys() == {"train1.xyz", "train2.xyz", "gold.xyz"}
    assert "Au" in letters(output)["gold.xyz"]["reason"]
    assert contents(output).keys() == {"train0.xyz", "train1.xyz", "test0.xyz", "shards.json", DEAD_LETTERS}
    predict = CompiledModel(finished_run.load_model())
    for name, number in (("test0", 1), ("train1", 2)):
        frames = list(iter_glasses(output / f"{name}.xyz"))
        assert len(frames) == number
        (graph,) = glass_graphs(finished_run.config(), frames[:1])
        np.testing.assert_allclose(frames[0].barrier, predict(graph), atol=1e-6)
        assert " extrapolation=" in (output / f"{name}.xyz").read_text().splitlines()[1]

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(glass_writers, "key_val_dict_to_str", full)
    ends_with(2, "predict", finished_run.path, folder, "--output", tmp_path / "full", IN_PROCESS)
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "No space left on device" in error
    assert not contents(tmp_path / "full")


def test_invalid_input(folder, tmp_path, finished_run):
    output = ["--output", tmp_path / "out"]
    ends_with(2, "convert", tmp_path / "nowhere", *output, IN_PROCESS)
    ends_with(2, "convert", folder, *output, IN_PROCESS, "--shards", "2")
    ends_with(2, "convert", folder, *output, "--beam=--runner=Nonesuch")
    ends_with(2, "convert", folder, *output, '--beam="a')
    ends_with(2, "predict", finished_run.path, folder, folder, *output, IN_PROCESS)
    ends_with(2, "predict", finished_run.path, folder, *output, IN_PROCESS, "--memory", "6GB")
    ends_with(2, "predict", tmp_path, folder, *output, IN_PROCESS)


def test_files_of_others_are_not_changed(folder, tmp_path, finished_run):
    before = contents(folder)
    ends_with(2, "predict", finished_run.path, folder, "--output", folder, IN_PROCESS, "--overwrite")
    assert contents(folder) == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "test0.xyz").write_text("somebody's")
    ends_with(2, "predict", finished_run.path, folder, "--output", mine, IN_PROCESS)
    assert contents(mine) == {"test0.xyz": b"somebody's"}


def test_a_frame_without_labels_among_labeled_ones_is_a_dead_letter(folder, tmp_path):
    text = (folder / "train0.xyz").read_text()
    (folder / "train0.xyz").write_text(text + text.replace("energy_barrier", "another"))
    ends_with(3, "convert", folder, "--output", tmp_path / "out", IN_PROCESS)
    letter = letters(tmp_path / "out")["train0.xyz"]
    assert letter["frames_used"] == 1 and "labels" in letter["reason"]
    assert (tmp_path / "out" / "test.tfrecord-test0").exists()


def test_shards_of_deleted_files_are_removed(folder, tmp_path):
    ends_with(3, "convert", folder, "--output", tmp_path / "out", IN_PROCESS)
    (folder / "test0.xyz").unlink()
    ends_with(3, "convert", folder, "--output", tmp_path / "out", IN_PROCESS, "--overwrite")
    assert not (tmp_path / "out" / "test.tfrecord-test0").exists()


@pytest.mark.slow
def test_the_default_runner_uses_all_cores(folder, tmp_path):
    ends_with(3, "convert", folder, "--output", tmp_path / "cores", "--beam")
    ends_with(3, "convert", folder, "--output", tmp_path / "here", IN_PROCESS)
    assert contents(tmp_path / "cores") == contents(tmp_path / "here")


@pytest.mark.slow
def test_a_full_disk_under_the_default_runner_prints_one_line_and_the_next_run_goes_on(folder, tmp_path):
    output = tmp_path / "shards"
    (output).mkdir()
    (output / f".train-{'0' * 32}.tfrecord-train0").touch()  # as after a kill
    (output / ".unfinished").touch()
    command = [sys.executable, "-m", "tf_symgnn.cli", "convert", folder, "--output", output, "--beam"]
    # No file can grow beyond 8 kB, half of a shard.
    limited = ["bash", "-c", 'ulimit -f 8; exec "$0" "$@"', *command]
    ended = subprocess.run(limited, cwd=ROOT, capture_output=True, text=True)
    errors = [line for line in ended.stderr.splitlines() if "Error" in line or "Traceback" in line]
    assert ended.returncode == 2 and len(errors) == 1
    assert errors[0].startswith(f"tf-symgnn: {output}: pipeline: found OSError: ") and "File too large" in errors[0]
    assert [path.name for path in output.glob(".*")] == [".unfinished"]
    ends_with(3, *map(str, command[3:]))
    assert len(list(output.glob("*.tfrecord-*"))) == 3 and not list(output.glob(".*"))


@pytest.fixture
def job_service(tmp_path):
    """Address and log of a job service in its own process, which receives pipelines like the one of Flink."""
    port, log = tmp_path / "port", tmp_path / "job_service.log"
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port_file", port, "--staging_dir", tmp_path / "staging"], stdout=output, stderr=output
        )
    try:
        while not (port.exists() and port.read_text()):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield f"localhost:{port.read_text()}", log
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("command", ["convert", pytest.param("predict", marks=pytest.mark.slow)])
def test_other_runners_write_the_same_shards(command, folder, finished_run, tmp_path, job_service, capsys):
    address, log = job_service
    portable = f"--runner=PortableRunner --job_endpoint={address} --environment_type=LOOPBACK"
    argv = [command, *([finished_run.path] if command == "predict" else []), folder, "--output"]
    ends_with(3, *argv, tmp_path / "here", IN_PROCESS)
    for name, flags in (("bundles", "--runner=BundleBasedDirectRunner"), ("portable", portable)):
        ends_with(3, *argv, tmp_path / name, f"--beam={flags}")
        assert contents(tmp_path / name) == contents(tmp_path / "here")
    assert log.read_text().count("with state DONE") == 1
    (tmp_path / "full" / ".outcomes.json").mkdir(parents=True)  # blocks the last file of the pipeline
    ends_with(2, *argv, tmp_path / "full", f"--beam={portable}")
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("tf-symgnn: ") and "pipeline: found IsADirectoryError: [Errno 21]" in last
