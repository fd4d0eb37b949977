"""The stored configuration of a run: `config.yaml`, whose checksum is in `run.json`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml

from tf_symgnn.config import RunConfig
from tf_symgnn.config_files import read_config, read_fields
from tf_symgnn.data import InputError, replacing
from tf_symgnn.runs.records import digest, read_record, write_record

# The only fields of config.yaml that may be edited: data may be moved.
_MOVABLE = ("data", "run_dir")
# A resumed run may have more of these than it was started with.
_EXTENSIBLE = ("epochs", "minutes")
# Key in run.json of the checksums of all configurations that the run has had, separated by spaces.
_CONFIGURATION = "configuration"


def write_new(config_file: Path, statistics_file: Path, config: RunConfig, statistics: dict) -> None:
    """Write the configuration and the record of statistics of a new run; a folder with a configuration is a run."""
    write_record(statistics_file, statistics | {_CONFIGURATION: _checksum(config.as_plain())})
    _write(config_file, config)


def read_stored(config_file: Path, statistics_file: Path) -> RunConfig:
    """Return the configuration of a run.

    Raises:
        InputError: it is invalid, or is not that of the run.
    """
    config = read_config(config_file)
    if _checksum(read_fields(config_file)) not in str(read_record(statistics_file).get(_CONFIGURATION)).split():
        expected = f"those that the run was started with; only {' and '.join(_MOVABLE)} may be edited"
        raise InputError(config_file, "configuration", "other values", expected)
    return config


def require_extension(config_file: Path, stored: RunConfig, config: RunConfig) -> None:
    """Check that a configuration is that of a run, with as many epochs and minutes or more.

    Args:
        config_file: of the run.
        stored: the run's.
        config: to resume with.

    Raises:
        InputError: another field than `run_dir` differs, or there are fewer epochs or minutes.
    """
    before, after = stored.as_plain(), config.as_plain()
    for name, value in before.items():
        if after[name] == value or name == "run_dir":
            continue
        if name not in _EXTENSIBLE:
            raise InputError(config_file, name, after[name], f"{value}, as the run was started")
        if value is None or after[name] is None or after[name] < value:
            expected = "none" if value is None else f"at least {value}"
            raise InputError(config_file, name, after[name], f"{expected}, as the run was started")


def extend(config_file: Path, statistics_file: Path, config: RunConfig) -> None:
    """Store the epochs and minutes of a configuration that `require_extension` has checked.

    A process that is killed in between leaves a run with its former configuration.
    """
    stored = read_stored(config_file, statistics_file)
    extended = replace(stored, epochs=config.epochs, minutes=config.minutes)
    if extended == stored:
        return
    record = read_record(statistics_file)
    # Of a killed extension the checksum is there already.
    checksums = dict.fromkeys([*record[_CONFIGURATION].split(), _checksum(extended.as_plain())])
    write_record(statistics_file, record | {_CONFIGURATION: " ".join(checksums)})
    _write(config_file, extended)


def _write(config_file: Path, config: RunConfig) -> None:
    with replacing(config_file) as file:
        file.write_text(yaml.safe_dump(config.as_plain(), sort_keys=False))


def _checksum(fields: dict) -> str:
    """Return the checksum of a configuration, without the fields that may be edited."""
    return digest({name: value for name, value in fields.items() if name not in _MOVABLE})
