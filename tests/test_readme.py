"""Every command of the README and of the pages of docs/ works as printed."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path

import ase
import ase.io
import pytest
import tensorflow as tf

import tf_symgnn
from tests.small_runs import write_data
from tf_symgnn.domain.extrapolation import ExtrapolationWarning
from tf_symgnn.locations import SHIPPED

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# In the order of a reader, who finds in `runs/` and `model` what commands before have made.
PAGES = ["README.md"] + [
    f"docs/{page}.md" for page in ("train", "serve", "predict", "large", "data", "simulate", "compare", "explain")
]
SET_UP = "python3 -m venv .venv && .venv/bin/pip install "


def blocks(page: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page that are commands or programs, each with its language."""
    return re.findall(r"^```(bash|python)\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """Return what the pages print, in order: commands of a line and Python programs. A repeated one is run once.

    The script for SLURM is tested in `tests/training/test_distribution.py`.
    """
    found = []
    for page in PAGES:
        for language, text in blocks(page):
            if language == "python":
                found.append((language, text))
            elif not text.startswith("#!"):
                found += [(language, line) for line in text.replace("\\\n", "").splitlines()]
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A checkout with an environment and folders of glasses, as the pages assume."""
    place = tmp_path_factory.mktemp("reader")
    for name in ("train.py", "tf_symgnn", "schemas", "README.md"):
        (place / name).symlink_to(ROOT / name)
    (place / ".venv").symlink_to(sys.prefix)
    write_data(place / "glasses", {"train0": 40, "train1": 40, "train6": 40, "test0": 40})
    return place


def run(command: str, place: Path) -> str:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=place, env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 0, f"{command}\n{finished.stderr}"
    return finished.stdout


def watch(command: str, place: Path) -> None:
    """Run a command that serves a page, and wait until the page lists the validation of a run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen([*command.split(), "--port", str(port)], cwd=place, env=environment)
    try:
        for _ in range(120):
            assert process.poll() is None, "the command ended"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs", timeout=5) as answer:
                    runs = json.load(answer)
            except OSError:
                runs = []
            if any(name.endswith("validation") for name in runs):
                return
            time.sleep(0.5)
        pytest.fail("the page lists no run")
    finally:
        process.terminate()
        process.wait()


def request_served(command: str, place: Path) -> None:
    """Run the server on a free port, send it the body in the page on serving, and stop it."""
    (body,) = re.findall(r"```json\n(.*?)```", (DOCS / "serve.md").read_text(), re.DOTALL)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [*command.split(), "--port", "0"], cwd=place, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        address = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(f"{address}v1/models/symgnn:predict", body.encode(), timeout=60) as answer:
            barriers = json.load(answer)["outputs"]
        with urllib.request.urlopen(address, timeout=60) as page:
            assert "Drop a structure file" in page.read().decode()
    finally:
        process.terminate()
    assert process.wait(timeout=60) == 0
    assert len(barriers) == len(json.loads(body)["inputs"]["atomic_numbers"])
    columns, model = json.loads(body)["inputs"], command.split()[-1]
    if model in SHIPPED:
        atoms = ase.Atoms(
            columns["atomic_numbers"], positions=columns["positions"], cell=columns["cell"], pbc=columns["pbc"]
        )
        with warnings.catch_warnings(action="ignore", category=ExtrapolationWarning):
            expected = tf_symgnn.load_model(model).predict(atoms)
    else:
        export = tf.saved_model.load(str(place / model / "1")).signatures["serving_default"]
        specs = export.structured_input_signature[1]
        inputs = {name: tf.constant(value, specs[name].dtype) for name, value in columns.items()}
        expected = export(**inputs)["energy_barrier"].numpy()
    assert barriers == pytest.approx(expected, abs=1e-5)


def test_the_results_are_short():
    assert len((ROOT / "benchmarks" / "RESULTS.md").read_text().split()) <= 2000


@pytest.mark.slow
def test_every_command_in_order(place):
    """Commands that start with the set-up, which CI runs first, are run without it."""
    for language, command in commands():
        if language == "python":
            (place / "client.py").write_text(command)
            assert 0.0 < float(run("python client.py", place).splitlines()[-1]) < 4.0
        elif command.startswith("tensorboard"):
            watch(command, place)
        elif command.startswith("tf-symgnn serve"):
            request_served(command, place)
        elif "-m tests" in command:
            assert command.startswith(SET_UP)  # this command runs this test
        else:
            run(re.sub(rf"^{re.escape(SET_UP)}\S+ && ", "", command), place)
    assert ase.io.read(place / "barriers.xyz").arrays["energy_barrier"].shape == (500,)
    assert ase.io.read(place / "large.xyz").arrays["energy_barrier"].shape == (40,)
    assert ase.io.read(place / "calculated.xyz").arrays["energy_barrier"].shape == (40,)
    assert tf.saved_model.contains_saved_model(str(place / "model" / "1"))
    labelled = ase.io.read(place / "labelled" / "tiny.xyz")
    assert (labelled.arrays["energy_barrier"] > 0).all() and len(labelled) == 32
    assert (place / "report" / "barriers.png").exists()
    assert (place / "explained" / "report.html").exists()
    assert (place / "shards" / "train.tfrecord-00001-of-00002").exists()


def test_every_page_with_commands_is_run():
    pages = {f"docs/{path.name}" for path in DOCS.glob("*.md")}
    assert {page for page in pages if blocks(page)} == set(PAGES) - {"README.md"}


def slugs(path: Path) -> set[str]:
    """Return the anchors of the headings of a document."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_links_of_the_readme_have_targets():
    for link in re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text()):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        assert not path or (ROOT / path).exists(), link
        assert not anchor or anchor in slugs(ROOT / (path or "README.md")), link


def test_the_readme_is_short_and_has_no_figures_of_its_own():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 700
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text()
    rows = re.findall(r"^\| (?!model|---)(.*) \|$", text, re.MULTILINE)
    figures = [figure for row in rows for figure in re.findall(r"\d\.\d+(?: ± \d\.\d+)?", row)]
    assert len(figures) > 10 and not [figure for figure in figures if figure not in results]


def test_every_sub_command_is_on_a_page():
    from tf_symgnn.cli import COMMANDS as sub_commands

    text = "".join(path.read_text() for path in DOCS.glob("*.md"))
    for name in sub_commands:
        assert f"tf-symgnn {name}" in text
