"""Configurations check their fields, with one error for Python and the command line."""

import re
import sys

import numpy as np
import pytest
import yaml

from tf_symgnn.cli import main
from tf_symgnn.config import GraphConfig, NetworkConfig, OptimizerConfig, RunConfig, StreamConfig
from tf_symgnn.config_files import read_config
from tf_symgnn.errors import InputError

INVALID = {
    "graph.cutoff": (GraphConfig, {"cutoff": -5.0}, "found -5.0, expected a number from 0.1 to 1000"),
    "stream.patch_size": (StreamConfig, {"patch_size": 0.0}, "found 0.0, expected a number above 0"),
    "stream.halo": (StreamConfig, {"halo": -1.0}, "found -1.0, expected a number of at least 0"),
    "stream.batch_size": (StreamConfig, {"batch_size": 0}, "found 0, expected a whole number from 1 to 1048576"),
    "network.width": (NetworkConfig, {"width": -3}, "found -3, expected a whole number from 1 to 4096"),
    "network.heads": (NetworkConfig, {"heads": []}, "found none, expected at least one layer"),
    "network.decoder_layers": (
        NetworkConfig,
        {"decoder_layers": -1},
        "found -1, expected a whole number from 0 to 100",
    ),
    "network.transforms": (NetworkConfig, {"transforms": 3}, "found 3, expected an even number"),
    "optimizer.learning_rate": (OptimizerConfig, {"learning_rate": -1.0}, "found -1.0, expected a number above 0"),
    "optimizer.warmup": (OptimizerConfig, {"warmup": 2.0}, "found 2.0, expected a number from 0 to 1"),
    "optimizer.clip_norm": (OptimizerConfig, {"clip_norm": 0.0}, "found 0.0, expected a number above 0"),
    "epochs": (RunConfig, {"epochs": 0}, "found 0, expected a whole number of at least 1"),
    "seed": (RunConfig, {"seed": 2**32}, "found 4294967296, expected a whole number from 0 to 4294967295"),
    "patience": (RunConfig, {"patience": 0}, "found 0, expected a whole number of at least 1"),
    "minutes": (RunConfig, {"minutes": 0.0}, "found 0.0, expected a number above 0"),
}


@pytest.mark.parametrize("field", INVALID)
def test_an_invalid_number_raises_the_same_line_in_python_and_on_the_command_line(field, capsys):
    config_class, values, message = INVALID[field]
    with pytest.raises(InputError, match=f"^configuration: {field}: {re.escape(message)}") as caught:
        config_class(**values)
    (value,) = values.values()
    assert main(["train", "--data", "absent", f"--{field}={value}"]) == 2
    assert capsys.readouterr().err == f"tf-symgnn: {caught.value}\n"


@pytest.mark.parametrize("field", INVALID)
def test_an_invalid_number_in_a_stored_configuration_names_the_file(field, tmp_path):
    _, values, message = INVALID[field]
    plain = RunConfig().as_plain()
    *section, name = field.split(".")
    (plain[section[0]] if section else plain)[name] = next(iter(values.values()))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(plain))
    with pytest.raises(InputError, match=f"config.yaml: {field}: {re.escape(message)}"):
        read_config(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("config_class", "values", "field"),
    [
        (GraphConfig, {"cutoff": "5"}, "graph.cutoff"),
        (GraphConfig, {"cutoff": True}, "graph.cutoff"),
        (GraphConfig, {"cutoff": float("inf")}, "graph.cutoff"),
        (OptimizerConfig, {"learning_rate": float("nan")}, "optimizer.learning_rate"),
        (GraphConfig, {"self_loops": "no"}, "graph.self_loops"),
        (StreamConfig, {"batch_size": 1.0}, "stream.batch_size"),
        (NetworkConfig, {"width": None}, "network.width"),
        (NetworkConfig, {"heads": 4}, "network.heads"),
        (NetworkConfig, {"heads": (2, 0)}, "network.heads"),
        (NetworkConfig, {"distribution": "gaussian"}, "network.distribution"),
        (NetworkConfig, {"resample": 1}, "network.resample"),
        (RunConfig, {"data": 1}, "data"),
        (RunConfig, {"data": ""}, "data"),  # of a shell variable that is not set
        (RunConfig, {"run_dir": None}, "run_dir"),
        (RunConfig, {"model": 3}, "model"),
        (RunConfig, {"pair_style": "eam"}, "pair_style"),
        (RunConfig, {"potential": 1}, "potential"),
        (RunConfig, {"species": ("Cu", "Zr")}, "species"),
        (RunConfig, {"precision": "float64"}, "precision"),
        (RunConfig, {"strategy": "all"}, "strategy"),
        (RunConfig, {"network": {"width": 8}}, "network"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_input_error(config_class, values, field):
    with pytest.raises(InputError, match=f"^configuration: {field}: found .*, expected ") as caught:
        config_class(**values)
    assert "\n" not in str(caught.value)


def test_paths_lists_and_numpy_numbers_are_accepted(tmp_path):
    network = NetworkConfig(width=np.int64(8), heads=[4, 2])
    assert network.heads == (4, 2)
    config = RunConfig(data=tmp_path, run_dir=tmp_path / "run", network=network, epochs=np.int32(3))
    assert config.as_plain()["data"] == str(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.as_plain()))
    assert read_config(tmp_path / "config.yaml") == config


HOSTILE = {
    "a class of a module": ("graph: {{class_path: {module}.Class}}", "graph: found the unknown field 'class_path'"),
    "a name of a class": ("graph: {module}.Class", "graph: found .*, expected fields such as cutoff"),
    "aliases that multiply": (
        "a: &a [1]\nb: &b [*a,*a]\nc: &c [*b,*b,*b]",
        r"configuration: found the alias \*a, expected no aliases",
    ),
    "deep lists": ("network: " + "[" * 20_000, "configuration: found over 8 levels of nesting"),
    "deep mappings": ("{{a: " * 10_000, "configuration: found over 8 levels of nesting"),
    "a Python object": ("data: !!python/object/apply:{module}.run []", "configuration: found ConstructorError"),
    "long": ("# " + "x" * 70_000, "configuration: found 70002 bytes, expected at most 65536"),
    "no mapping": ("- 1", "configuration: found .*, expected fields such as data"),
    "nothing": ("", "configuration: found None"),
    "a section set to null": ("graph: null", "graph: found None, expected fields such as cutoff"),
    "bytes": ("\x00\x01", "configuration: found ReaderError"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_configuration_file_is_refused_before_anything_is_imported(name, tmp_path, monkeypatch, capsys):
    text, message = HOSTILE[name]
    module = "imported_by_a_configuration"
    (tmp_path / f"{module}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "config.yaml"
    file.write_text(text.format(module=module))
    with pytest.raises(InputError, match=f"config.yaml: {message}"):
        read_config(file)
    assert main(["train", "--data", "absent", "--config", str(file)]) == 2
    error = capsys.readouterr().err
    assert re.search(f"config.yaml: {message}", error) and error.count("\n") == 1
    assert module not in sys.modules


@pytest.mark.parametrize(
    ("config_class", "values"),
    [
        (NetworkConfig, {"width": 10**9}),
        (NetworkConfig, {"heads": (10**9,)}),
        (NetworkConfig, {"heads": (1,) * 1000}),
        (NetworkConfig, {"layers": 10**9}),
        (NetworkConfig, {"decoder_layers": 10**9}),
        (NetworkConfig, {"transforms": 10**9}),
        (StreamConfig, {"batch_size": 10**9}),
        (GraphConfig, {"cutoff": 1e-6}),
        (GraphConfig, {"cutoff": 1e9}),
    ],
)
def test_absurd_sizes_are_refused(config_class, values):
    (name,) = values
    with pytest.raises(InputError, match=f"{name}: found "):
        config_class(**values)
