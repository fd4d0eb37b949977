"""Run all tests in groups, one after another, each by two processes: `python -m tests [options of pytest]`.

TensorFlow keeps the graphs of every model that a process trains. Two processes for all tests would need 9 GB, so each
group has processes of its own.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parent
# The first group has all folders and files that no other one names.
GROUPS = (
    ("api", "beam", "compare", "explain", "integrations"),
    ("domain", "graph", "potentials", "server", "simulate"),
    ("models", "nn", "runs"),
    ("export", "inference"),
    ("training",),
)
COMMAND = (sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile")
NO_TESTS = 5  # exit status of pytest if options select no test of a group


def groups() -> list[list[Path]]:
    """Return the folders and files of each group."""
    named = [[TESTS / name for name in group] for group in GROUPS]
    others = [path for path in sorted(TESTS.iterdir()) if path not in {path for group in named for path in group}]
    is_test = [path for path in others if path.name.startswith("test_") or any(path.glob("test_*.py"))]
    return [is_test, *named]


def main(options: list[str]) -> int:
    """Run the groups, and return 0 if no test has failed, else the exit status of pytest."""
    with tempfile.TemporaryDirectory() as shared:
        environment = os.environ | {"SHARED_BY_TESTS": shared}
        commands = ([*COMMAND, *options, *map(str, group)] for group in groups())
        found = [subprocess.run(command, env=environment).returncode for command in commands]
    return max((status for status in found if status != NO_TESTS), default=0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
