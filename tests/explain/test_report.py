"""`tf-symgnn explain`: the files that it writes and the input that it refuses."""

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser

import ase.io
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import ZOO
from tf_symgnn import names
from tf_symgnn.cli import main
from tf_symgnn.data import InputError, read_glass, write_glasses
from tf_symgnn.explain import parse_centers
from tf_symgnn.explain import report as report_file

FILES = {"report.html", "report.json", "edges.csv", "atoms.xyz", "logs"}
PLOTS = {
    "barriers",
    "displacements",
    "fidelity",
    "distances",
    "cycles",
    "surroundings",
    "convergence",
}


def argv(*cache) -> list[str]:
    return [str(part) for part in cache]


@pytest.fixture(scope="module")
def glass_file(finished_run, data, tmp_path_factory):
    """A glass of the data set with an origin and ids."""
    glass = read_glass(data / "test0.xyz")
    path = tmp_path_factory.mktemp("glass") / "test0.xyz"
    ids = 100 - np.arange(glass.n_atoms)
    write_glasses(path, [replace(glass, origin=[-1.0, 2.0, 3.0], ids=ids)])
    return path


@pytest.fixture(scope="module")
def report(finished_run, glass_file, tmp_path_factory):
    """An explanation of three atoms by a small model."""
    folder = tmp_path_factory.mktemp("explained") / "report"
    assert main(argv("explain", finished_run.path, glass_file, "--atoms", "0,5-6", "--output", folder)) == 0
    return folder


class Sources(HTMLParser):
    """Collects all sources that a page loads."""

    def __init__(self):
        super().__init__()
        self.sources = []

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]


def test_the_folder_has_all_files_and_no_others(report):
    assert {path.name for path in report.iterdir()} == FILES | {f"{name}.png" for name in PLOTS}
    assert [path.name for path in report.parent.iterdir()] == ["report"]


def test_the_page_loads_nothing(report):
    text = (report / "report.html").read_text()
    sources = Sources()
    sources.feed(text)
    assert sources.sources == [] and "@import" not in text.split("<script>")[0]
    assert "import " not in text.split('<script type="module">')[1] and "<option>atom 5</option>" in text
    assert text.count("<figcaption>") == len(PLOTS) and "So the masks" in text


def test_the_json_file_has_settings_and_results(report):
    figures = json.loads((report / "report.json").read_text())
    assert figures["targets"] == [0, 5, 6] and figures["isolated"] == []
    assert figures["masks"]["steps"] + 1 == len(figures["masks"]["loss"])
    assert set(figures["fidelity"]) > {"edge masks", "integrated gradients", "attention", "nearest", "random"}
    assert figures["trust"]["seeds"] == 3 and 0 <= figures["trust"]["other_seeds"]["overlap"] <= 1
    assert figures["change_by_reach"] < 0.01


def test_edges_are_pairs_of_the_glass(report, glass_file):
    glass = read_glass(glass_file)
    rows = list(csv.DictReader((report / "edges.csv").open()))
    assert {int(row["target"]) for row in rows} == {0, 5, 6}
    for row in rows[::50]:
        unshifted = glass.positions[int(row["sender"])] - glass.positions[int(row["receiver"])]
        image = (np.array([float(row[f"d{x}"]) for x in "xyz"]) - unshifted) @ np.linalg.inv(glass.cell)
        np.testing.assert_allclose(image, np.round(image), atol=1e-4)
        assert 0 < float(row["length"]) <= 4.0 and 0 <= float(row["edge_masks"]) <= 1


def test_the_xyz_file_has_the_importance_of_each_atom(report, glass_file):
    atoms, glass = ase.io.read(report / "atoms.xyz"), read_glass(glass_file)
    np.testing.assert_allclose(atoms.positions, glass.positions, atol=1e-8)
    np.testing.assert_allclose(atoms.info["Origin"], [-1.0, 2.0, 3.0])
    assert atoms.arrays["id"].tolist() == glass.ids.tolist()
    assert atoms.arrays["importance"].max() > 0 and np.flatnonzero(atoms.arrays["target"]).tolist() == [0, 5, 6]
    assert names.ENERGY_BARRIER in atoms.arrays


def test_tensorboard_shows_the_plots(report):
    events = EventAccumulator(str(report / "logs"), size_guidance={"tensors": 0}).Reload()
    assert set(events.Tags()["tensors"]) == {f"explanation/{name}" for name in PLOTS}


@pytest.mark.slow
def test_an_isolated_atom_without_labels_has_an_explanation(finished_run, tmp_path):
    lonely = ZOO["isolated atom"]()
    write_glasses(
        tmp_path / "lonely.xyz",
        [type(lonely)(*(lonely.positions, lonely.cell, lonely.pbc), lonely.species, None, "lonely")],
    )
    command = argv("explain", finished_run.path, tmp_path / "lonely.xyz", "--atoms", "0", "--output", tmp_path / "out")
    assert main(command) == 0
    figures = json.loads((tmp_path / "out" / "report.json").read_text())
    assert figures["isolated"] == [0] and figures["cycles"]["important"] is None
    assert list(csv.DictReader((tmp_path / "out" / "edges.csv").open())) == []


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        ("45", ["atoms", "45", "0 to 44"]),
        ("3-60", ["atoms", "60", "0 to 44"]),
        ("5-3", ["atoms", "5-3"]),
        ("all", ["atoms", "all", "nearest:50"]),
        ("1,,2", ["atoms"]),
        ("nearest:0", ["atoms", "nearest:0"]),
        ("nearest:46", ["atoms", "45"]),
    ],
)
def test_invalid_atoms(refuses, finished_run, glass_file, tmp_path, atoms, words):
    refuses(["explain", finished_run.path, glass_file, f"--atoms={atoms}", "--output", tmp_path / "out"], *words)


def test_other_bad_input(refuses, finished_run, glass_file, tmp_path):
    end = ["--atoms", "0", "--output", tmp_path / "out"]
    refuses(["explain", tmp_path, glass_file, *end], "no config.yaml")
    refuses(["explain", finished_run.path, tmp_path / "absent.xyz", *end], "absent.xyz", "no such file")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    refuses(["explain", finished_run.path, glass_file, *end], "output", "--overwrite")
    refuses(["explain", finished_run.path, glass_file, *end, "--overwrite"], "output", "an explanation to overwrite")
    refuses(["explain", finished_run.path, glass_file, *end[:3], glass_file / "out"], "on the way to it")


def test_an_interruption_leaves_no_incomplete_report(report, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(report_file, "_write_files", interrupt)
    with pytest.raises(KeyboardInterrupt):
        report_file.write_report(None, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_overwrite_replaces_an_explanation(report, tmp_path, monkeypatch):
    monkeypatch.setattr(
        report_file, "_write_files", lambda _, folder, glass: (folder / report_file.REPORT).write_text("new")
    )
    report_file.write_report(None, tmp_path / "out")
    with pytest.raises(InputError, match="existing"):
        report_file.write_report(None, tmp_path / "out")
    report_file.write_report(None, tmp_path / "out", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_atoms_by_index_by_range_and_by_distance(glass_file):
    glass = read_glass(glass_file)
    assert parse_centers("3, 0,5-7,6", glass) == [0, 3, 5, 6, 7]
    near = parse_centers("nearest:4", glass)
    inside = glass.positions - np.round(glass.positions / np.diag(glass.cell)) * np.diag(glass.cell)
    assert set(near) == set(np.argsort(np.linalg.norm(inside, axis=1))[:4].tolist())
