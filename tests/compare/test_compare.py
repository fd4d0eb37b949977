"""A comparison from data to table: what it leaves, what it does not repeat, what it refuses."""

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.compare.rows_by_hand import row
from tf_symgnn.cli import main
from tf_symgnn.compare import compare
from tf_symgnn.compare.compare import configuration
from tf_symgnn.compare.published import CONTENDERS
from tf_symgnn.compare.rows import read_rows, write_row
from tf_symgnn.compare.table import write_table
from tf_symgnn.models.catalog import CATALOG
from tf_symgnn.runs import RunFolder

COMPARE = sys.modules["tf_symgnn.compare.compare"]
ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "benchmarks" / "comparison"
SETTINGS = {"models": ["mlp", "ridge"], "seeds": [0], "budget_minutes": 0.02}


@pytest.fixture(scope="module")
def interrupted(data, tmp_path_factory):
    """A results folder as an interruption leaves it: a network was trained, and its row is not written."""

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    output = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(COMPARE, "write_row", interrupt)
        with pytest.raises(KeyboardInterrupt):
            compare(str(data), output, **SETTINGS)
    return output


@pytest.fixture(scope="module")
def finished(data, interrupted):
    """The same folder once the comparison has gone on: one network, and ridge regression."""
    history = RunFolder(interrupted / "runs" / "mlp-0").history_file
    before = history.read_bytes()
    compare(str(data), interrupted, **SETTINGS)
    assert history.read_bytes() == before  # its time was spent: nothing was trained again
    return interrupted


def test_committed_rows_are_of_the_protocol_that_new_ones_will_be():
    """Whatever a single run takes by default by then."""
    own = {"data", "run_dir", "model", "seed", "minutes"}
    rows = read_rows(COMMITTED)
    assert rows
    for found in rows:
        expected = configuration("data", found.budget_minutes).as_plain()
        assert found.configuration == {name: value for name, value in expected.items() if name not in own}


def test_the_committed_table_and_the_readmes_are_of_the_committed_rows(tmp_path):
    table = write_table(tmp_path, read_rows(COMMITTED)).read_text()
    assert (COMMITTED / "table.md").read_text() == table
    readme = (ROOT / "README.md").read_text()
    shown = cells_by_model(readme.partition("\n## Compare\n")[2].partition("\n## ")[0])
    known = cells_by_model(table)
    assert list(shown) == list(known)
    for model, cells in shown.items():
        assert cells.items() <= known[model].items()


def cells_by_model(text: str) -> dict[str, dict[str, str]]:
    """Cells of a Markdown table by heading, of each line by what its first cell says."""
    heads, _, *lines = ([cell.strip() for cell in x[1:-1].split("|")] for x in text.splitlines() if x.startswith("|"))
    return {line[0]: dict(zip(heads, line, strict=True)) for line in lines}


@pytest.fixture
def results(finished, tmp_path):
    """A copy of it, without what only the machine that made it has."""
    shutil.copytree(finished / "rows", tmp_path / "results" / "rows")
    return tmp_path / "results"


@pytest.fixture
def no_training(monkeypatch):
    """From here on nothing may be trained."""
    for name in ("network_row", "ridge_row"):
        monkeypatch.setattr(COMPARE, name, lambda *_: pytest.fail("a finished run was repeated"))


def test_every_model_of_the_catalog_can_be_compared():
    assert set(CONTENDERS) == set(CATALOG) | {"ridge"}


def test_a_row_a_run_and_a_table_of_them(finished):
    assert sorted(path.name for path in (finished / "rows").iterdir()) == ["mlp-0.json", "ridge-0.json"]
    mlp, ridge = (finished / "table.md").read_text().splitlines()[2:4]
    assert CONTENDERS["mlp"].title in mlp and "| 1 |" in mlp
    assert CONTENDERS["ridge"].title in ridge and "| 1 |" in ridge
    with (finished / "table.csv").open() as file:
        assert [line["model"] for line in csv.DictReader(file)] == ["mlp", "ridge"]
    assert (finished / "table.png").stat().st_size > 0


def test_a_row_says_what_the_run_did(finished):
    found = json.loads((finished / "rows" / "mlp-0.json").read_text())
    metrics = json.loads(RunFolder(finished / "runs" / "mlp-0").metrics_file.read_text())
    assert (found["model"], found["seed"], found["budget_minutes"]) == ("mlp", 0, 0.02)
    assert found["splits"]["validation"] == ["val0"]
    assert found["validation"] == metrics["validation"] and found["test"] == metrics["test"]
    assert set(found["train"]["per_glass"]) == {"train0", "train1", "train2"}
    assert found["prediction_seconds"] > 0


def test_finished_runs_are_not_repeated_on_another_machine_either(data, results, no_training):
    before = {path.name: path.read_bytes() for path in (results / "rows").iterdir()}
    assert compare(str(data), results, **SETTINGS).exists()
    assert {path.name: path.read_bytes() for path in (results / "rows").iterdir()} == before


def test_bad_input_is_told_in_one_line(data, results, tmp_path, capsys, no_training):
    def refused(*words: str, **changes) -> None:
        options = {"--data": data, "--output": results, "--models": "mlp", "--budget": 0.02} | changes
        assert main(["compare", *(str(x) for pair in options.items() for x in pair)]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and message.startswith("tf-symgnn: ")
        assert all(word in message for word in words), message

    refused("models", "nosuch", "one of symgnn", **{"--models": "nosuch"})
    refused("budget", **{"--budget": -1})
    refused("nowhere", **{"--data": tmp_path / "nowhere"})
    refused("mlp-0.json", "budget_minutes", "found 0.02, expected 3", **{"--budget": 3})
    write_row(results, row("gcn", 0, budget_minutes=0.02))
    refused("configuration", "as all rows of one table")
    (results / "rows" / "gcn-0.json").write_text("{}")
    refused("gcn-0.json", "a row that compare wrote")
