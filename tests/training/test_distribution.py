"""Replicas that train together: the losses of one, a chief that alone writes, and a worker that is killed."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import random_glass
from tests.small_runs import small_config, write_data
from tf_symgnn import names
from tf_symgnn.cli import _arguments
from tf_symgnn.cli.training import train_parser
from tf_symgnn.data import InputError
from tf_symgnn.graph import ReplicaSlice, SubsetStream, build_graph
from tf_symgnn.inference import CompiledModel
from tf_symgnn.runs import DatasetStatistics, RunFolder, glass_graphs, read_labeled
from tf_symgnn.training import Workers, distribution, evaluate, train

ROOT = Path(__file__).resolve().parents[2]

# Trains as train.py does, prints the loss of every step, and kills itself at one.
WORKER = """
import os, signal, sys
from tf_symgnn.cli import main
from tf_symgnn.training.checkpointing import StopOnNonFinite

if os.environ.get("TWO_DEVICES"):
    import tensorflow as tf

    one = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(one, [tf.config.LogicalDeviceConfiguration()] * 2)

fatal, check = int(os.environ.get("FATAL_STEP", "0")), StopOnNonFinite.on_train_batch_end

def tell(self, batch, logs):
    print("step", logs["loss"], flush=True)
    check(self, batch, logs)
    if self.model.optimizer.iterations == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

StopOnNonFinite.on_train_batch_end = tell
sys.exit(main(["train", *sys.argv[1:]]))
"""


def stream(batch_size: int) -> SubsetStream:
    graphs = [build_graph(random_glass(k, 20 + k), cutoff=4.0, self_loops=True) for k in range(5)]
    return SubsetStream(graphs, batch_size=batch_size)


def test_shares_of_a_batch_make_the_batch():
    whole = list(stream(4).shuffled(seed=1, first_epoch=0, epochs=2))
    shares = [list(stream(4).shuffled(seed=1, first_epoch=0, epochs=2, share=ReplicaSlice(k, 1, 2))) for k in range(2)]
    assert len(whole) == len(shares[0]) == len(shares[1]) == 4
    for (_, labels, weight), *parts in zip(whole, *shares, strict=True):
        of_parts = [np.concatenate([part[k] for part in parts]) for k in (1, 2)]
        carries = of_parts[1] > 0
        np.testing.assert_array_equal(of_parts[0][carries], labels[weight > 0])
    # The last of five glasses has three blanks beside it, which are padding.
    blank = shares[1][1]
    assert blank[0].node_sets["atoms"]["species"].numpy().tolist() == [0, 0] and not blank[2].numpy().any()


def test_replicas_of_one_process_follow_one_another():
    first, second = (list(stream(4).in_order(share)) for share in (ReplicaSlice(0, 1, 2), ReplicaSlice(1, 1, 2)))
    both = list(stream(4).in_order(ReplicaSlice(0, 2, 2)))
    assert len(both) == 4
    for found, expected in zip(both, [first[0], second[0], first[1], second[1]], strict=True):
        np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        '{"cluster": {"worker": ["localhost:1"]}}',
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": [1]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": 0.5}}',
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": "worker", "index": true}}',
        '{"cluster": {"worker": ["localhost:1"]}, "task": {"type": ["worker"], "index": 0}}',
        '{"cluster": {"worker": "localhost:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["localhost"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": ["localhost:1"], "task": {"type": "worker", "index": 0}}',
        '{"cluster": 1, "task": 2}',
        "[" * 100_000,
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_cluster_that_is_not_described(monkeypatch, text, tmp_path):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="environment: TF_CONFIG( task index)?: found"):
        Workers(small_config(tmp_path, tmp_path / "run", strategy="multiworker"))


@pytest.mark.parametrize(
    ("tasks", "chief"),
    [({"worker": 2}, ("worker", 0)), ({"chief": 1, "worker": 1}, ("chief", 0))],
)
def test_one_is_chief(monkeypatch, tmp_path, tasks, chief):
    cluster = {job: [f"localhost:{k}" for k in range(n)] for job, n in tasks.items()}
    config = small_config(tmp_path, tmp_path / "run", strategy="multiworker")
    for job, n in tasks.items():
        for index in range(n):
            task = {"type": job, "index": index}
            monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
            assert Workers(config).is_chief == ((job, index) == chief)
    with pytest.raises(InputError, match="minutes"):
        Workers(replace(config, minutes=1.0))


SLURM = {
    "scontrol": "printf 'node1\\nnode2\\n'",
    "srun": 'shift; for SLURM_PROCID in 0 1; do export SLURM_PROCID; "$@"; done',
    "tf-symgnn": 'echo "$TF_CONFIG"; echo "$@"',
}


@pytest.mark.parametrize("restarts", ["", "1"])
def test_the_slurm_example_tells_each_worker_its_place(monkeypatch, tmp_path, restarts):
    """Run by bash, with stand-ins for SLURM's commands and for `tf-symgnn`."""
    (script,) = re.findall(r"```bash\n(#!.*?)```", (ROOT / "docs" / "train.md").read_text(), re.DOTALL)
    for name, text in SLURM.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_ID": "1234567", "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_RESTART_COUNT": restarts}
    environment = os.environ | job | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    told = subprocess.run(["bash"], input=script, text=True, env=environment, check=True, capture_output=True).stdout
    lines = told.splitlines()
    assert len(lines) == 4
    for index, (place, argv) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
        task = {"type": "worker", "index": index}
        assert json.loads(place) == {"cluster": {"worker": ["node1:24567", "node2:24567"]}, "task": task}
        command, *options = _arguments(argv.split())
        args = train_parser().parse_args(options)
        assert command == "train" and args.resume == bool(restarts)
        if not restarts:
            monkeypatch.setenv("TF_CONFIG", place)
            config = small_config(tmp_path, Path(args.run_dir), strategy=args.strategy)
            assert Workers(config).is_chief == (index == 0)


def rows(run: Path) -> list[dict]:
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


def losses(output: str) -> list[float]:
    return [float(line.split()[1]) for line in output.splitlines() if line.startswith("step ")]


class Trainer:
    """Runs `train` in processes of its own, on three glasses in batches of two: two steps an epoch, one half empty."""

    def __init__(self, folder: Path, model: str):
        data = write_data(folder / "data", {"train0": 40, "train1": 60, "train2": 50, "val0": 30, "val1": 20})
        self.options = ["--data", str(data), "--epochs", "5", "--stream.batch-size", "2", "--graph.cutoff", "4"]
        self.options += ["--network.width", "8", "--network.heads", "[2,1]", "--network.decoder-layers", "1"]
        self.options += ["--network.transforms", "2", "--model", model]

    def start(self, *options: str, **environment: str) -> subprocess.Popen:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [sys.executable, "-c", WORKER, *options]
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, **pipes)

    def alone(self, run: Path, strategy: str = "none", **environment: str) -> list[float]:
        process = self.start(*self.options, "--run-dir", str(run), "--strategy", strategy, **environment)
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        return losses(output)

    def together(self, *options: str, of_second: Sequence[str] = (), fatal_step: int = 0) -> list[tuple[int, str, str]]:
        """Status, output and errors of two workers; the second has options of its own, and is to die at a step."""
        with socket.socket() as one, socket.socket() as two:
            for free in (one, two):
                free.bind(("127.0.0.1", 0))
            addresses = [f"127.0.0.1:{free.getsockname()[1]}" for free in (one, two)]
        workers = []
        for index in range(2):
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            fatal = str(fatal_step if index else 0)
            own = of_second if index else ()
            workers.append(self.start(*options, *own, TF_CONFIG=json.dumps(task), FATAL_STEP=fatal))
        try:
            ended = [worker.communicate(timeout=500) for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
        return [(worker.returncode, *texts) for worker, texts in zip(workers, ended, strict=True)]


def assert_same_course(found: Path, expected: Path) -> None:
    """Training's losses and scores of every epoch.

    Not validation's: biases before batch normalisation have no gradient but rounding, of which Adam makes steps, and
    moving statistics see these a little later.
    """
    assert len(rows(found)) == len(rows(expected)) == 5
    for one, other in zip(rows(found), rows(expected), strict=True):
        for name in ("loss", "pearson", "mae", "rmse", "gradient_norm", "atoms"):
            np.testing.assert_allclose(float(one[name]), float(other[name]), atol=1e-4, rtol=1e-3, err_msg=name)


def validation_scores(run: Path) -> dict:
    """Of a run's best weights, by this process alone."""
    folder = RunFolder.open(run)
    validation = glass_graphs(folder.config(), read_labeled(folder.config())[names.VALIDATION])
    return evaluate(CompiledModel(folder.load_model()), validation)[0]


def assert_chosen_is_reported(run: Path) -> None:
    """The score that chose the best epoch is that of the kept weights, calibrated, in one process."""
    metrics = RunFolder.open(run).metrics()
    assert metrics["best_epoch_pearson"] == max(float(row["val_pearson"]) for row in rows(run))
    assert metrics["best_epoch_pearson"] == pytest.approx(validation_scores(run)["pearson"], abs=2e-4)
    assert metrics["best_epoch_pearson"] == pytest.approx(metrics["validation"]["pearson"], abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["symgnn", "symgnn_spectral"])
def test_two_devices_and_two_workers_train_as_one(model, tmp_path):
    """Blocks of pairs, batch statistics and own gradients must all add up, and transforms agree."""
    trainer = Trainer(tmp_path, model)
    # Small steps: Adam makes whole ones of gradients that are nothing but rounding.
    trainer.options += ["--optimizer.learning-rate", "5e-4"]
    expected = trainer.alone(tmp_path / "alone")
    assert len(expected) == 10

    found = trainer.alone(tmp_path / "devices", "mirrored", TWO_DEVICES="1")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert_same_course(tmp_path / "devices", tmp_path / "alone")
    assert_chosen_is_reported(tmp_path / "devices")

    options = [*trainer.options, "--run-dir", str(tmp_path / "workers"), "--strategy", "multiworker"]
    for status, output, errors in trainer.together(*options):
        assert status == 0, errors
        np.testing.assert_allclose(losses(output), expected, atol=1e-5)
    assert_same_course(tmp_path / "workers", tmp_path / "alone")
    assert_chosen_is_reported(tmp_path / "workers")


@pytest.mark.slow
def test_two_workers_train_as_one_and_one_that_is_killed_stops_the_other(tmp_path):
    trainer = Trainer(tmp_path, "gcn")  # whose functions are made in seconds
    trainer.options += ["--optimizer.learning-rate", "2e-3"]  # rounding grows with the steps
    expected = trainer.alone(tmp_path / "alone")
    assert len(expected) == 10

    run = tmp_path / "together"
    options = [*trainer.options, "--run-dir", str(run), "--strategy", "multiworker"]
    (status, output, errors), (killed, *_) = trainer.together(*options, fatal_step=7)
    assert killed == -signal.SIGKILL
    assert status == 1
    assert errors.splitlines()[-1].startswith("tf-symgnn: another worker is gone") and "Traceback" not in errors
    np.testing.assert_allclose(losses(output)[:6], expected[:6], atol=1e-5)
    assert len(rows(run)) == 3
    # Metrics of both workers together are those of all glasses, scored by one process with the same weights.
    scored = validation_scores(run)
    best = max(rows(run), key=lambda row: float(row["val_pearson"]))
    for name in ("pearson", "mae", "rmse"):
        np.testing.assert_allclose(float(best[f"val_{name}"]), scored[name], atol=1e-5)

    (status, output, errors), (other, silent, _) = trainer.together("--run-dir", str(run), "--resume")
    assert status == other == 0, errors
    np.testing.assert_allclose(losses(output), expected[6:], atol=1e-5)
    np.testing.assert_allclose(losses(silent), expected[6:], atol=1e-5)
    assert "validation: pearson" in output and "validation: pearson" not in silent
    assert_same_course(run, tmp_path / "alone")
    # The scores of the chief, with the statistics that it recomputed.
    reported, scored = json.loads((run / "metrics.json").read_text())["validation"], validation_scores(run)
    for name in ("pearson", "mae", "rmse"):
        np.testing.assert_allclose(reported[name], scored[name], atol=1e-5)


@pytest.mark.slow
def test_what_one_worker_refuses_ends_all(tmp_path):
    """Be it the chief, its folder holding a run already, or the other, which does not find the data."""
    trainer = Trainer(tmp_path, "gcn")
    occupied, new = tmp_path / "occupied", tmp_path / "new"
    RunFolder.create(small_config(tmp_path, occupied), {}, DatasetStatistics((29, 40), 1.6, 0.3, {}), overwrite=False)
    options = [*trainer.options, "--strategy", "multiworker", "--run-dir"]
    elsewhere = ["--data", str(tmp_path / "nowhere")]
    for run, of_second, culprit, reason in (
        (occupied, (), 0, "run folder: found a run"),
        (new, elsewhere, 1, "nowhere: file: found No such file"),
    ):
        ended = trainer.together(*options, str(run), of_second=of_second)
        status, _, errors = ended[culprit]
        assert status == 2 and reason in errors.splitlines()[-1]
        status, _, errors = ended[1 - culprit]
        assert status == 1 and "Traceback" not in errors
        assert errors.splitlines()[-1] == "tf-symgnn: another worker was refused: its own message says why"
    assert not new.exists() and {path.name for path in occupied.iterdir()} == {"config.yaml", "run.json", "splits.json"}


def test_a_batch_that_replicas_cannot_share_is_refused(data, tmp_path, monkeypatch):
    two = partial(tf.distribute.MirroredStrategy, ["CPU:0", "CPU:1"])
    monkeypatch.setitem(distribution._STRATEGIES, "mirrored", two)
    with pytest.raises(InputError, match="stream.batch_size: found 1, expected a multiple of 2 replicas"):
        train(small_config(data, tmp_path / "run", strategy="mirrored"))
    assert not (tmp_path / "run").exists()
