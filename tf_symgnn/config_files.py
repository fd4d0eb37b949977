"""Configuration files, which may come from other people: YAML of a bounded size, without tags and aliases."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import yaml

from tf_symgnn.config import SECTIONS, RunConfig
from tf_symgnn.errors import InputError, as_input_error

# A configuration file is 1 kB long and three levels deep. Aliases are refused, since few of them make a large document.
MAX_FILE_BYTES = 2**16
MAX_NESTING = 8


def read_config(path: Path) -> RunConfig:
    """Return the configuration in a YAML file, with defaults for the fields that it lacks.

    Raises:
        InputError: the file cannot be read, a field is unknown, or a value is invalid.
    """
    values = read_fields(path)
    try:
        return RunConfig(**values | {name: kind(**values.get(name, {})) for name, kind in SECTIONS.items()})
    except InputError as error:
        raise InputError(path, error.field, error.found, error.expected) from error


def read_fields(path: Path) -> dict:
    """Return the fields in a YAML file, any of those of `RunConfig`. No tag or name in it is looked up or imported.

    Raises:
        InputError: the file cannot be read, is too long or nested too deep, has aliases, or a field is unknown.
    """
    with as_input_error(path, "configuration", "a YAML file with fields of a run's configuration"):
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(path, "configuration", f"{path.stat().st_size} bytes", f"at most {MAX_FILE_BYTES}")
        text = path.read_text()
        try:
            _require_shallow(path, text)
        except yaml.MarkedYAMLError as error:
            at = f"{error.problem} in line {error.problem_mark.line + 1}" if error.problem_mark else error.problem
            raise InputError(path, "configuration", at, "valid YAML, as in `epochs: 3`") from error
        values = yaml.safe_load(text)
    _require_fields(path, "configuration", values, RunConfig)
    for name, kind in SECTIONS.items():
        if name in values:
            _require_fields(path, name, values[name], kind)
    return values


def _require_shallow(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_NESTING:
            raise InputError(path, "configuration", f"over {MAX_NESTING} levels of nesting", "three at most")
        if isinstance(event, yaml.AliasEvent):
            raise InputError(path, "configuration", f"the alias *{event.anchor}", "no aliases")


def _require_fields(path: Path, name: str, values: object, kind: type) -> None:
    known = [field.name for field in fields(kind)]
    if not isinstance(values, dict):
        raise InputError(path, name, repr(values), f"fields such as {known[0]}")
    for key in values:
        if key not in known:
            raise InputError(path, name, f"the unknown field {key!r}", f"one of {', '.join(known)}")
