"""`compare` from glasses to table: files that it writes, runs that it skips, input that it refuses."""

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
from tf_symgnn.compare.published import comparable_models, contender
from tf_symgnn.compare.rows import read_rows, write_row
from tf_symgnn.compare.table import write_table
from tf_symgnn.errors import InputError
from tf_symgnn.models.catalog import CATALOG
from tf_symgnn.runs import RunFolder

COMPARE = sys.modules["tf_symgnn.compare.compare"]
ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "benchmarks" / "comparison"


def run_comparison(data: Path, output: Path) -> Path:
    """Compare a network and ridge regression with one seed each, for about a second."""
    return compare(str(data), output, models=["mlp", "ridge"], seeds=[0], budget_minutes=0.02)


@pytest.fixture(scope="module")
def interrupted(data, tmp_path_factory):
    """A results folder after an interruption: a network is trained and its row is not written yet."""

    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    output = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(COMPARE, "write_row", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_comparison(data, output)
    return output


@pytest.fixture(scope="module")
def finished(data, interrupted):
    """The same folder after the comparison has continued, with rows of a network and of ridge regression."""
    history = RunFolder(interrupted / "runs" / "mlp-0").history_file
    before = history.read_bytes()
    run_comparison(data, interrupted)
    assert history.read_bytes() == before  # the budget was used up, so that nothing is trained again
    return interrupted


def test_committed_rows_have_the_protocol_of_new_rows():
    """Changed defaults of a single run do not change the protocol."""
    own = {"data", "run_dir", "model", "potential", "pair_style", "seed", "minutes"}
    rows = read_rows(COMMITTED)
    assert rows
    for found in rows:
        expected = configuration("data", found.budget_minutes).as_plain()
        assert found.configuration == {name: value for name, value in expected.items() if name not in own}


def test_the_committed_table_and_the_page_agree_with_the_committed_rows(tmp_path):
    table = write_table(tmp_path, read_rows(COMMITTED)).read_text()
    assert (COMMITTED / "table.md").read_text() == table
    page = (ROOT / "docs" / "compare.md").read_text()
    on_page = cells_by_model(page.partition("\n## On the published glasses\n")[2])
    in_table = cells_by_model(table)
    assert list(on_page) == list(in_table)
    for model, cells in on_page.items():
        assert cells.items() <= in_table[model].items()


def cells_by_model(text: str) -> dict[str, dict[str, str]]:
    """Return the cells of a Markdown table, by the first cell of the line and then by heading."""
    heads, _, *lines = ([cell.strip() for cell in x[1:-1].split("|")] for x in text.splitlines() if x.startswith("|"))
    return {line[0]: dict(zip(heads, line, strict=True)) for line in lines}


@pytest.fixture
def results(finished, tmp_path):
    """A copy of the finished folder without `runs/`, as another machine gets it."""
    shutil.copytree(finished / "rows", tmp_path / "results" / "rows")
    return tmp_path / "results"


@pytest.fixture
def no_training(monkeypatch):
    """Let the test fail if a model is trained."""
    for name in ("network_row", "ridge_row"):
        monkeypatch.setattr(COMPARE, name, lambda *_: pytest.fail("a finished run was repeated"))


def test_every_model_of_the_catalog_can_be_compared(monkeypatch, tmp_path):
    """A new model needs no second registration: its name in the catalog is its title."""
    monkeypatch.setitem(CATALOG, "new", CATALOG["mlp"])
    assert set(comparable_models()) == set(CATALOG) | {"ridge"}
    table = write_table(tmp_path, [row("new", 0), row("gcn", 0)]).read_text()
    assert list(cells_by_model(table)) == ["GCN", "new"]


def test_each_run_has_a_row_and_the_table_has_all_rows(finished):
    assert sorted(path.name for path in (finished / "rows").iterdir()) == ["mlp-0.json", "ridge-0.json"]
    mlp, ridge = (finished / "table.md").read_text().splitlines()[2:4]
    assert contender("mlp").title in mlp and "| 1 |" in mlp
    assert contender("ridge").title in ridge and "| 1 |" in ridge
    with (finished / "table.csv").open() as file:
        assert [line["model"] for line in csv.DictReader(file)] == ["mlp", "ridge"]
    assert (finished / "table.png").stat().st_size > 0


def test_a_row_has_the_results_of_its_run(finished):
    found = json.loads((finished / "rows" / "mlp-0.json").read_text())
    metrics = json.loads(RunFolder(finished / "runs" / "mlp-0").metrics_file.read_text())
    assert (found["model"], found["seed"], found["budget_minutes"]) == ("mlp", 0, 0.02)
    assert found["splits"]["validation"] == ["val0"]
    assert found["validation"] == metrics["validation"] and found["test"] == metrics["test"]
    assert set(found["train"]["per_glass"]) == {"train0", "train1", "train2"}
    assert found["prediction_seconds"] > 0


def test_finished_runs_are_not_repeated_on_another_machine(data, results, no_training):
    before = {path.name: path.read_bytes() for path in (results / "rows").iterdir()}
    assert run_comparison(data, results).exists()
    assert {path.name: path.read_bytes() for path in (results / "rows").iterdir()} == before


def test_rows_of_different_potentials_are_not_mixed(tmp_path):
    """Rows of models that read no potential, such as rows of earlier versions, go with any."""
    for written in (row("gcn", 0), row("ridge_physics", 0, potential="a"), row("symgnn_physics", 0, potential="a")):
        write_row(tmp_path, written)
    assert len(read_rows(tmp_path)) == 3
    write_row(tmp_path, row("ridge_physics", 1, potential="b"))
    with pytest.raises(InputError, match="potential: found .*, expected .*, as all rows of one table"):
        read_rows(tmp_path)


def test_bad_input_gives_a_message_of_one_line(data, results, tmp_path, capsys, no_training):
    def refused(*words: str, **changes) -> None:
        options = {"--data": data, "--output": results, "--models": "mlp", "--budget": 0.02} | changes
        assert main(["compare", *(str(x) for pair in options.items() for x in pair)]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1 and message.startswith("tf-symgnn: ")
        assert all(word in message for word in words), message

    refused("models", "nosuch", "one of symgnn", **{"--models": "nosuch"})
    refused("potential: found none", "which ridge_physics reads descriptors from", **{"--models": "ridge_physics"})
    refused("potential: found any.eam.fs, expected none, as no model reads", **{"--potential": "any.eam.fs"})
    refused("budget", **{"--budget": -1})
    refused("nowhere", **{"--data": tmp_path / "nowhere"})
    refused("mlp-0.json", "budget_minutes", "found 0.02, expected 3", **{"--budget": 3})
    write_row(results, row("gcn", 0, budget_minutes=0.02))
    refused("mlp-0.json", "configuration.epochs: found 100000, expected 100, as all rows of one table")
    (results / "rows" / "gcn-0.json").write_text("{}")
    refused("gcn-0.json", "a row that compare wrote")
