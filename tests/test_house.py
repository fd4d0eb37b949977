"""The layout: which room may import from which, how long a file and a function may be, what stays out."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tf_symgnn"

# In the order data flows: a room imports only from those before it, and siblings not from each other.
ROOMS = (
    "names",
    "config",
    "data",
    "graph",
    "model",
    "training",
    "serving",
    "explaining",
    "comparing",
    "simulation",
    "cli",
)
SIBLINGS = {"serving", "explaining", "comparing"}

# `names` is what every room speaks, and configuration errors are input errors, told as the data room tells them.
FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 300, 60


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Dotted names of everything a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    rooms = {name.split(".")[1] for name in imports_of(path) if name.startswith("tf_symgnn.")}
    return rooms & set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_before_it(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in ROOMS, "a room that the layout does not have"
    for other in rooms_imported(path) - {room}:
        assert ROOMS.index(other) < ROOMS.index(room), f"{room} imports {other}"
        assert not {room, other} <= SIBLINGS, f"{room} imports its sibling {other}"


def test_names_imports_nothing():
    assert imports_of(PACKAGE / "names.py") == set()


@pytest.mark.parametrize("path", [p for p in FILES if room_of(p) in ("data", "names", "config")], ids=lambda p: p.name)
def test_data_is_free_of_tensorflow(path):
    assert not {name for name in imports_of(path) if name.split(".")[0].startswith(("tensorflow", "tf_keras"))}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_short(path):
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name


def test_train_py_stays_under_a_hundred_lines():
    assert (ROOT / "train.py").read_text().count("\n") < 100


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_public_class_and_function_has_a_docstring(path):
    public = [node for node in ast.parse(path.read_text()).body if is_public(node)]
    methods = [node for part in public if isinstance(part, ast.ClassDef) for node in part.body if is_public(node)]
    for node in public + methods:
        assert ast.get_docstring(node), node.name


def is_public(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")


def test_nothing_of_one_machine_is_committed():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if path.is_dir():  # a link to a folder, whose files are listed by themselves
            continue
        assert path.stat().st_size < 2 * 2**20, f"{name} is large"
        if path.suffix in (".py", ".md", ".cfg", ".toml", ".yaml", ".pbtxt", ""):
            assert not re.search(r"/(home|work|root|Users)/\w", path.read_text()), f"{name} names a machine's path"


def test_a_checkout_finds_its_schemas_without_being_installed():
    # `python train.py` in a checkout imports the package that lies beside it, whatever else is installed.
    assert (PACKAGE / "schemas").resolve() == ROOT / "schemas"
