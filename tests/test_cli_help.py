"""Help and messages of the command line: in a user's words, and before TensorFlow is imported."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import random_glass
from tf_symgnn.cli import COMMANDS, main
from tf_symgnn.cli.messages import reword
from tf_symgnn.config import RunConfig
from tf_symgnn.config_files import read_config, read_fields
from tf_symgnn.data import write_glasses

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def message(capsys, monkeypatch):
    """A function that returns the line a command ends with, which must not import TensorFlow."""
    monkeypatch.setattr("tf_symgnn.cli._import_tensorflow_quietly", lambda: pytest.fail("TensorFlow is imported"))

    def last(*argv: object) -> str:
        assert main([str(argument) for argument in argv]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("tf-symgnn: ")

    return last


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["train", "--epochs", "-3"], "configuration: epochs: found -3, expected a whole number of at least 1"),
        (["train", "--lr", "0.1"], "unknown option --lr; did you mean --optimizer.learning-rate?"),
        (["train", "--cutof", "4"], "unknown option --cutof; did you mean --graph.cutoff?"),
        (["train", "--wombat"], "unknown option --wombat"),
        (["train", "extra"], "unexpected argument: extra"),
        (["train", "--network.width", "wide"], "--network.width: found wide, expected a whole number"),
        (
            ["train", "--network.heads", "many"],
            "--network.heads: found many, expected null or whole numbers, as in 2,2,1",
        ),
        (["train", "--network.heads", "2,0"], "configuration: network.heads: found 0, expected a whole number from"),
        (["train", "--network.heads=[]"], "configuration: network.heads: found none, expected at least one layer"),
        (
            ["train", "--precision", "half"],
            "--precision: found half, expected one of float32, mixed_bfloat16, mixed_float16",
        ),
        (["convert", "x", "--output", "y", "--shards", "0"], "--shards: found 0, expected a number above 0"),
        (["serve", "x", "--port", "99999"], "--port: found 99999, expected a number at least 0 and at most 65535"),
        (["predict", "glass.xyz"], "missing: --output"),
        (["predict", "cuzr"], "missing: files, --output"),
        (["predict"], "missing: files, --output"),
        (["simulate", "glass", "--composition", "CuZr"], "missing: --atoms, --output"),
    ],
)
def test_arguments_are_refused_in_words_and_without_tensorflow(message, argv, line):
    found = message(*argv)
    assert found.startswith(line) and "class" not in found and "Parser" not in found


def test_paths_are_checked_without_tensorflow(message, finished_run, tmp_path):
    run, glass, absent = finished_run.path, tmp_path / "a.xyz", tmp_path / "absent"
    write_glasses(glass, [random_glass(0, 10)])
    for argv, word in (
        (["train", "--data", absent], "absent: file: found no such file or folder"),
        (["train", "--data", glass, "--init", absent], "absent: model: found no folder"),
        (["train", "--resume", "--run-dir", absent], "absent: run folder: found no config.yaml"),
        (["evaluate", run, "--data", absent], "absent: file"),
        (["evaluate", tmp_path, "--data", glass], "run folder: found no config.yaml"),
        (["predict", run, absent, "--output", tmp_path / "out.xyz"], "absent: file"),
        (["predict", run, glass, "--output", tmp_path / "out.cif"], "out.cif: suffix: found .cif"),
        (["predict", run, glass, "--output", glass], "a.xyz: output: found an existing file"),
        (["export", absent, tmp_path / "out"], "absent: model: found no folder"),
        (["explain", run, absent, "--atoms", "0", "--output", tmp_path / "out"], "absent: file"),
        (["serve", absent], "absent: model: found no folder"),
        (["convert", absent, "--output", tmp_path / "out"], "absent: file"),
        (["compare", "--data", absent, "--output", tmp_path / "out", "--models", "gcn"], "absent: file"),
    ):
        assert word in message(*argv)


def test_a_file_that_is_not_yaml_names_the_line(message, tmp_path):
    (tmp_path / "mine.yaml").write_text("epochs: 3\ngraph: [1\n")
    found = message("train", "--config", tmp_path / "mine.yaml")
    assert found.startswith(f"{tmp_path}/mine.yaml: configuration: found ") and "in line 3" in found
    assert found.endswith("expected valid YAML, as in `epochs: 3`")


def test_help_and_refusals_import_no_tensorflow():
    code = """
import contextlib, sys
from tf_symgnn.cli import COMMANDS, main
for argv in (["--help"], ["train", "--help"], ["predict", "--help"], ["simulate", "glass", "--help"]):
    with contextlib.suppress(SystemExit):
        main(argv)
assert main(["train", "--data", "absent"]) == 2
assert not {"tensorflow", "tensorflow_gnn", "tf_keras"} & set(sys.modules)
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def help_of(capsys, *command: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


EVERY_COMMAND = [[], *([name] for name in COMMANDS), ["simulate", "glass"], ["simulate", "barriers"]]


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=" ".join)
def test_help_has_a_purpose_needed_options_first_and_an_example_that_parses(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = help_of(capsys, *command)
    purpose = text[text.index("\n\n") :].split("\n\n")[1]
    assert "\n" not in purpose and len(purpose) <= 90 and purpose.endswith(".")
    for word in ("null", "<function", "PositiveInt", "default: False", "default: [", "_rate", "_columns"):
        assert word not in text
    options = re.findall(r"^  (--\S+).*?(?=^  -|^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    needed = ["(required)" in part for part in re.split(r"^  (?=--)", text, flags=re.MULTILINE)[1:]]
    assert len(options) == len(needed) and needed == sorted(needed, reverse=True)
    example = text.split("Example:\n  ")[1].strip()
    assert "\n" not in example and example.startswith(" ".join(["tf-symgnn", *command]))
    parsed = []
    for name, entry in COMMANDS.items():
        monkeypatch.setitem(COMMANDS, name, entry._replace(run=parsed.append, check=None, needs_tensorflow=False))
    assert main(shlex.split(example)[1:]) == 0 and len(parsed) == 1


def test_help_has_defaults_and_choices_as_they_are_typed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    for command, words in {
        ("compare",): ["(default: 0 1 2)", "(default: 30)"],
        ("simulate", "glass"): [
            "--quench-rate",
            "(default: 1e+12)",
            "(default: CuZr_mm.eam.fs)",
            "(default: 0)",
        ],
        ("evaluate",): ["{train,validation,test,all}", "(default: test)", "--atom-style"],
        ("train",): ["(default: runs/first)", "(default: 0)"],
    }.items():
        text = help_of(capsys, *command)
        assert all(word in text for word in words), command
    with pytest.raises(SystemExit):
        main(["train", "--help-all"])
    text = capsys.readouterr().out
    assert "(euler_von_mises, angular_gaussian, uniform, haar)" in text and "--optimizer.learning-rate" in text


def test_the_example_configuration_has_all_fields_with_their_defaults():
    path = ROOT / "docs" / "train.yaml"
    fields = read_fields(path)
    assert read_config(path) == RunConfig(data="glasses", run_dir="runs/second")
    assert fields.keys() == RunConfig().as_plain().keys()
    for name, values in RunConfig().as_plain().items():
        assert not isinstance(values, dict) or fields[name].keys() == values.keys()


def test_the_help_of_train_fits_a_screen_and_names_the_rest(capsys):
    texts = []
    for option in ("--help", "--help-all"):
        with pytest.raises(SystemExit) as ended:
            main(["train", option])
        assert ended.value.code == 0
        texts.append(capsys.readouterr().out)
    short, full = texts
    assert len(short.splitlines()) <= 24 and max(map(len, short.splitlines())) <= 80
    for option in ("--data", "--run-dir", "--model", "--potential", "--init", "--epochs", "--resume", "--help-all"):
        assert option in short
    assert "--optimizer.learning-rate" in full and "--optimizer" not in short


def test_a_run_that_starts_from_another_has_its_model(finished_run, data, monkeypatch, tmp_path):
    given = []

    def stop(config, **_):
        given.append(config)
        raise InterruptedError

    monkeypatch.setattr("tf_symgnn.training.train", stop)
    (tmp_path / "mine.yaml").write_text(f"init: {finished_run.path}\n")
    for options in (["--init", str(finished_run.path)], ["--config", str(tmp_path / "mine.yaml")]):
        assert main(["train", "--data", str(data), "--run-dir", str(tmp_path / "new"), *options]) == 2
    started = finished_run.config()
    for config in given:
        assert (config.model, config.graph, config.network) == (started.model, started.graph, started.network)
        assert config.init == str(finished_run.path) and config.run_dir == str(tmp_path / "new")
    assert len(given) == 2


def test_heads_are_given_as_a_list_without_brackets(monkeypatch):
    given = []
    monkeypatch.setattr("tf_symgnn.cli.training._config", lambda args: given.append(args.network.heads) or 1 / 0)
    for option in (["--network.heads", "2,2,1"], ["--network.heads=2,2,1"], ["--network.heads", "[2,2,1]"]):
        with pytest.raises(ZeroDivisionError):
            main(["train", *option])
    assert given == [(2, 2, 1)] * 3


def test_other_messages_are_unchanged():
    assert reword("a.yaml: epochs: found 0", ()) == "a.yaml: epochs: found 0"


def test_loading_an_export_prints_no_warnings_about_gradients(exported):
    code = f"import tf_symgnn; tf_symgnn.load_model({str(exported)!r})"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.returncode == 0 and "gradient" not in finished.stderr


def test_nothing_but_own_lines_on_standard_error(finished_run, data, tmp_path):
    """TensorFlow prints notes on CUDA, oneDNN and logging by default."""
    argv = ["predict", str(finished_run.path), str(data / "test0.xyz"), "--output", str(tmp_path / "out.xyz")]
    hidden = ("TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    finished = subprocess.run(
        [sys.executable, "-m", "tf_symgnn.cli", *argv], env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 0
    assert all(line.startswith("tf-symgnn: ") for line in finished.stderr.splitlines())


@pytest.mark.parametrize("option", ["--help", "--help-all"])
def test_a_reader_that_ends_early_causes_no_message(option):
    """As with `tf-symgnn train --help | head -1`."""
    command = [sys.executable, "-m", "tf_symgnn.cli", "train", option]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdout.close()
    assert running.communicate()[1] == b""
