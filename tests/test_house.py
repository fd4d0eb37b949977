"""The layout and the style of the code: imports between packages, lengths, docstrings, names and prose."""

import ast
import configparser
import io
import pkgutil
import re
import subprocess
import tokenize
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.__main__ import groups
from tf_symgnn.graph.tensors import schema_folder
from tf_symgnn.models.catalog import CATALOG

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tf_symgnn"

# In the order of dependency: a package imports only from those before it. Some have no code yet.
PACKAGES = (
    *("names", "errors", "locations", "config", "config_files", "runtime", "progress"),
    *("data", "graph", "domain", "potentials", "nn", "models", "runs", "inference", "training"),
    *("drawing", "export", "explain", "compare", "simulate"),
    "api",
    *("server", "beam"),
    "cli",
)
# Those of one set never import each other.
SIBLINGS = (
    {"config", "runtime"},
    {"export", "explain", "compare", "simulate"},
    {"server", "beam"},
)

FILES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 300, 60

# Words that are not used in comments, docstrings and documents, and words to use instead.
WORDS = {
    r"says?|said|tells?|told|hears?|heard|knows?|knew|sees|saw|seen": "returns, prints, receives, stores, contains",
    r"who loads": "loading it requires",
    r"\d+%? counts?": "the blend weight is",
    r"otherwise than": "different from",
    r"goes on|go on": "continues",
    r"lest|heeds?|nobody": "so that not, reads, none",
    r"(neighbour|behaviour|colour|centre)\w*": "American spelling",
}
# Names that were changed in version 0.2.0. No definition has one of them again.
OLD_NAMES = {
    *("weigh", "settle", "unanimous", "heard", "_heard", "told", "sent_by", "from_source", "linear_part"),
    *("FAINT", "SLIGHT", "ALONE", "CONSTANT", "BOND", "DECAY", "Surroundings", "TurnedEncoding", "even_directions"),
    *("RunFacts", "Parts", "blockwise", "blocked", "blocked_symmetrization", "share_cores", "read_labelled"),
    *("parse_targets", "rolled_out", "far_enough", "neighbourhoods"),
}
NOT_IMPERATIVE = ("server", "simulate", "training")  # packages with other docstrings of functions
# Python files and documents whose words are checked.
CODE = sorted(
    path for folder in ("tf_symgnn", "tests", "benchmarks", "integrations") for path in (ROOT / folder).rglob("*.py")
)
DOCUMENTS = [
    path
    for pattern in (
        "*.md",
        "benchmarks/**/*.md",
        "docs/**/*.md",
        "integrations/*.md",
        "tf_symgnn/**/*.md",
        "schemas/*.pbtxt",
    )
    for path in sorted(ROOT.glob(pattern))
]

# Files with names that the package had in another version, or never had.
OF_OTHER_VERSIONS = (ROOT / "benchmarks/search_cost.py", ROOT / "tests/test_init.py")


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """Return the dotted names of everything that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages_imported(path: Path) -> set[str]:
    packages = {name.split(".")[1] for name in imports_of(path) if name.startswith("tf_symgnn.")}
    return packages & set(PACKAGES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_package_imports_only_from_packages_before_it(path):
    package = package_of(path)
    if package == "__init__":
        return
    assert package in PACKAGES, "a package that the layout does not have"
    for other in packages_imported(path) - {package}:
        assert PACKAGES.index(other) < PACKAGES.index(package), f"{package} imports {other}"
        assert not any({package, other} <= siblings for siblings in SIBLINGS), f"{package} imports its sibling {other}"


def modules_imported(path: Path, modules: set[str]) -> set[str]:
    """Return the modules that a file imports or imports names from; `from package import module` imports `module`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= members if members <= modules else members | {node.module}
    return found & modules


def test_no_module_imports_itself_through_others():
    modules = {module_of(path): path for path in FILES}
    graph = {module: modules_imported(path, set(modules)) - {"tf_symgnn"} for module, path in modules.items()}
    # Raises CycleError with the modules of a cycle.
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_beam_is_imported_in_one_package_only(path):
    assert package_of(path) == "beam" or not {name for name in imports_of(path) if name.startswith("apache_beam")}


def model_classes() -> set[str]:
    """Return the names of the base class of models and of all its subclasses."""
    bases = {
        node.name: {ast.unparse(base).split(".")[-1] for base in node.bases}
        for path in FILES
        if package_of(path) == "models"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    found = {"BarrierModel"}
    while more := {name for name, own in bases.items() if own & found} - found:
        found |= more
    return found


def names_in(node: ast.AST) -> set[str]:
    """Return the names, last parts of dotted names and strings in a part of the syntax tree."""
    inside = list(ast.walk(node))
    return (
        {x.id for x in inside if isinstance(x, ast.Name)}
        | {x.attr for x in inside if isinstance(x, ast.Attribute)}
        | {x.value for x in inside if isinstance(x, ast.Constant) and isinstance(x.value, str)}
    )


def dispatches(tree: ast.AST, classes: set[str], catalog: set[str]) -> list[str]:
    """Return the expressions that test the class of a model or its name in the catalog."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            asked = names_in(node.args[1]) & classes
        elif isinstance(node, ast.Compare):
            asked = names_in(node) & (classes | catalog)
        elif isinstance(node, ast.match_case):
            asked = names_in(node.pattern) & (classes | catalog)
        else:
            continue
        found += [ast.unparse(node)] if asked else []
    return found


def test_dispatch_on_models_is_found():
    asked = """
isinstance(model, (SymGNN, Other))
issubclass(kind, models.SymGNN)
type(model) is SymGNN
type(model).call == SymGNN.call
config.model == "gcn"
config.model in ("gcn", "mlp")
match model:
    case SymGNN(): pass
"""
    assert len(dispatches(ast.parse(asked), {"SymGNN"}, {"gcn"})) == 7
    assert not dispatches(ast.parse("isinstance(x, Layer); x == 'other'; CATALOG['gcn']"), {"SymGNN"}, {"gcn"})
    assert {"SymGNN", "HybridModel", "RidgeModel", "GCN"} <= model_classes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_catalog_asks_which_model_it_is(path):
    if module_of(path) == "tf_symgnn.models.catalog":
        return
    classes = model_classes()
    assert not dispatches(ast.parse(path.read_text()), classes, set(CATALOG))
    if package_of(path) != "models":
        imported = {name.rpartition(".")[2] for name in imports_of(path) if name.startswith("tf_symgnn.models.")}
        assert not imported & (classes - {"BarrierModel"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_importing_chooses_no_matplotlib_backend(path):
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert "matplotlib.use" not in calls
    assert "matplotlib.pyplot" not in imports_of(path)


def test_names_imports_nothing():
    assert imports_of(PACKAGE / "names.py") == set()


def test_runtime_imports_nothing_of_the_package():
    assert not packages_imported(PACKAGE / "runtime.py")


@pytest.mark.parametrize(
    "path", [p for p in FILES if package_of(p) in ("data", "names", "config")], ids=lambda p: p.name
)
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_docstrings_of_functions_start_with_an_imperative(path):
    if package_of(path) in NOT_IMPERATIVE:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and (docstring := ast.get_docstring(node)):
            first = docstring.split()[0].strip(".,:")
            assert not re.fullmatch(r"\W.*|.*[^s]s|The|A|An|Where|Whether|What|Every|This|It", first), node.name


def is_public(node: ast.AST) -> bool:
    """Return whether a node defines a public class or function; an overload only states types."""
    defines = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    return defines and not any(ast.unparse(decorator) == "overload" for decorator in node.decorator_list)


def comments_and_docstrings(text: str) -> str:
    """Return the comments and docstrings of Python code, one per line."""
    nodes = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
    ]
    docstrings = [" ".join(docstring.split()) for node in nodes if (docstring := ast.get_docstring(node))]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join([*docstrings, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


def words_to_avoid(text: str) -> list[str]:
    """Return the words of `WORDS` in a text, each with words to use instead."""
    prose = re.sub(r"`[^`]*`|\([^() ]*\)|https?://\S+", "", text)  # code, links
    found = []
    for words, instead in WORDS.items():
        found += [f"{match[0]!r}: {instead}" for match in re.finditer(rf"\b({words})\b", prose, re.IGNORECASE)]
    return found


def definitions(tree: ast.AST) -> set[str]:
    """Return the names that a file assigns, defines or takes as arguments."""
    nodes = list(ast.walk(tree))
    return (
        {x.name for x in nodes if isinstance(x, (ast.FunctionDef, ast.ClassDef))}
        | {x.arg for x in nodes if isinstance(x, ast.arg)}
        | {x.id for x in nodes if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)}
        | {x.attr for x in nodes if isinstance(x, ast.Attribute) and isinstance(x.ctx, ast.Store)}
    )


def test_words_to_avoid_are_found():
    assert len(words_to_avoid("The model tells of a glass. Who loads it?\nOf it 51% count, and the run goes on.")) == 4
    assert not words_to_avoid("It returns `told` ([what](benchmarks/told.md)).")
    text = '"""It says so."""\n\ndef f():\n    """It knows."""\n    return "said"  # and heard it\n'
    assert len(words_to_avoid(comments_and_docstrings(text))) == 3
    assert definitions(ast.parse("def f(heard): x.told = y = z")) == {"f", "heard", "told", "y"}


def test_the_call_paths_in_the_contributing_guide_exist():
    (block,) = re.findall(r"```text\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    steps = re.findall(r"(?<!-)\b\w+(?:\.\w+)?(?=[,\n])", block)
    defined = set()
    for tree in (ast.parse(path.read_text()) for path in FILES):
        for node in (node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))):
            members = (part.name for part in node.body if isinstance(part, ast.FunctionDef))
            defined |= {node.name, *(f"{node.name}.{member}" for member in members)}
    assert len(steps) > 20 and set(steps) <= defined


def test_dotted_names_of_the_package_exist():
    # Also those in strings, of which an import checks none: filters of warnings, replaced attributes, pages.
    named = {
        name
        for path in {*CODE, *DOCUMENTS} - {ROOT / "CHANGELOG.md", *OF_OTHER_VERSIONS}
        for name in re.findall(r"(?<![\w/.-])tf_symgnn(?:\.[A-Za-z_]\w*)+", path.read_text())
    }
    assert len(named) > 100
    for name in named:
        try:
            pkgutil.resolve_name(name)
        except (ImportError, AttributeError):
            pytest.fail(f"{name} does not exist")


@pytest.mark.parametrize("path", [*CODE, *DOCUMENTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_and_names_follow_the_style_guide(path):
    text = path.read_text()
    if path.suffix != ".py":
        assert not words_to_avoid(text)
        return
    assert not words_to_avoid(comments_and_docstrings(text))
    if PACKAGE in path.parents:
        assert not definitions(ast.parse(text)) & OLD_NAMES
        assert not re.search("neighbour|centre|colour", path.stem)


def test_nothing_of_one_machine_is_committed():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        assert path.stat().st_size < 2 * 2**20, f"{name} is large"
        if path.suffix in (".py", ".md", ".cfg", ".toml", ".yaml", ".pbtxt", ""):
            assert not re.search(r"/(home|work|root|Users)/\w", path.read_text()), f"{name} names a machine's path"


def test_an_uninstalled_checkout_reads_its_own_schemas():
    # `python train.py` in a checkout imports the package beside it, even if another one is installed.
    assert not (PACKAGE / "schemas").is_symlink()
    if not (PACKAGE / "schemas").is_dir():
        assert schema_folder() == ROOT / "schemas"
    assert (schema_folder() / "glass.pbtxt").is_file()


def test_every_test_file_is_in_one_group():
    members = [
        file for group in groups() for path in group for file in (path.rglob("test_*.py") if path.is_dir() else [path])
    ]
    assert sorted(members) == sorted((ROOT / "tests").rglob("test_*.py"))


def test_an_installation_has_every_package_and_every_file_of_it():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    folders = {path.parent for path in FILES}
    assert sorted(setup["options"]["packages"].split()) == sorted({*map(module_of, folders), "tf_symgnn.schemas"})
    patterns = {name: globs.split(", ") for name, globs in setup["options.package_data"].items()}
    not_installed = {PACKAGE / "server" / "README.md", *PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyc")}
    for path in (path for path in PACKAGE.rglob("*") if path.is_file() and path not in not_installed):
        owner = next(folder for folder in path.parents if folder in folders)
        installed = {file for glob in patterns[module_of(owner)] for file in owner.glob(glob)}
        assert path in installed, f"{path} is not installed"
