"""Errors of the parser of the command line, in a user's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from jsonargparse import ArgumentParser

_TYPES = {
    "<class 'int'>": "a whole number",
    "<class 'float'>": "a number",
    "<class 'bool'>": "true or false",
    "<class 'str'>": "text",
    "<class 'NoneType'>": "null",
    "tuple[int, ...]": "whole numbers, as in 2,2,1",
}


def options_of(parser: ArgumentParser) -> set[str]:
    """Return the options of a parser and of its sub-commands, with dashes, as `--run-dir`."""
    options = set()
    for action in parser._actions:
        options |= {with_dashes(option) for option in action.option_strings}
        if isinstance(action.choices, Mapping):
            options |= {option for part in action.choices.values() for option in options_of(part)}
    return options


def with_dashes(name: str) -> str:
    """Return the name of a field as it is typed: `run-dir` for `run_dir`."""
    return name.replace("_", "-")


def reword(message: str, options: Iterable[str]) -> str:
    """Return the message of a parser's error in a user's words.

    Args:
        message: of argparse or jsonargparse; one of another kind is returned unchanged.
        options: of the command.
    """
    message, options = " ".join(message.split()), set(options)
    if match := re.search(r"arguments are required: (.*)", message):
        missing = [with_dashes(key.split(".")[-1]) for key in match[1].split(", ")]
        return "missing: " + ", ".join(f"--{name}" if f"--{name}" in options else name for name in missing)
    if match := re.search(r"unrecognized arguments: (\S+)", message):
        name = with_dashes(match[1].split("=")[0])
        if not name.startswith("-"):
            return f"unexpected argument: {match[1]}"
        similar = _similar(name.lstrip("-"), options)
        return f"unknown option {name}" + (f"; did you mean {similar}?" if similar else "")
    if match := re.search(r'Parser key "([^"]+)": Not of type \w+: (.*) does not conform to restriction (.*)', message):
        bounds = match[3].replace("v", "").replace(">=", "at least ").replace("<=", "at most ").replace(">", "above ")
        return f"--{with_dashes(match[1])}: found {match[2]}, expected a number {bounds}"
    if match := re.search(r'Parser key "([^"]+)": (.*?)(?:Given value|Got value): (.*?)(?: Given value.*)?$', message):
        return f"--{with_dashes(match[1])}: found {match[3]}, expected {_expected(match[2])}"
    return message


def _expected(text: str) -> str:
    """Return what types a message of jsonargparse lists, in words."""
    subtypes = re.search(r"Subtypes: \[(.*?)\] Errors", text)
    listed = subtypes[1] if subtypes else text
    if choices := re.search(r"Literal\[(.*?)\]", listed):
        return "one of " + choices[1].replace("'", "")
    return " or ".join(words for name, words in _TYPES.items() if name in listed) or "another value"


def _similar(name: str, options: set[str]) -> str | None:
    """Return the option that a name is probably meant to be: a part, the initials or another spelling of it."""
    last = {option: option.lstrip("-").split(".")[-1] for option in sorted(options)}
    for option, part in last.items():
        if name in (part, "".join(word[0] for word in part.split("-") if word)):
            return option
    (close,) = get_close_matches(name, [*last.values(), *(option.lstrip("-") for option in last)], 1) or [None]
    return next((option for option, part in last.items() if close in (part, option.lstrip("-"))), None)
