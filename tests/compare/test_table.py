"""The table: means and deviations over seeds, the mark of rising runs, and published correlations."""

import csv

import pytest

from tests.compare.rows_by_hand import row, scores
from tf_symgnn.compare.runs import still_rising
from tf_symgnn.compare.table import HEADINGS, markdown_table, write_table


def cells(text: str, line: int) -> dict[str, str]:
    values = [cell.strip() for cell in text.splitlines()[line].strip("|").split("|")]
    return dict(zip(HEADINGS, values, strict=True))


def test_mean_and_sample_deviation_over_seeds():
    text = markdown_table({"gcn": [row("gcn", seed, test=0.1 * seed) for seed in (1, 2, 3)]})
    line = cells(text, 2)
    assert (line["test"], line["seeds"], line["parameters"]) == ("0.200 ± 0.100", "3", "1,234")
    assert line["slides: test (train)"] == "0.10 (0.15)" and line["article: test"] == ""
    assert "trains for 5 minutes" in text


def test_one_run_has_no_deviation_and_an_undefined_correlation_is_a_dash():
    line = cells(markdown_table({"mlp": [row("mlp", 0, test=None)]}), 2)
    assert (line["test"], line["validation"]) == ("-", "0.600")


def test_a_model_with_a_rising_run_is_marked():
    text = markdown_table({"gcn": [row("gcn", 0)], "egnn": [row("egnn", 0), row("egnn", 1, rising=True)]})
    assert "↑" not in cells(text, 2)[""] and "↑" in cells(text, 3)[""]


def test_per_glass_is_the_mean_of_the_correlations_within_glasses():
    record = scores(0.9)
    record["per_glass"]["b"] = record["per_glass"]["a"] | {"pearson": 0.1}
    assert cells(markdown_table({"gcn": [row("gcn", 0, train=record)]}), 2)["train, per glass"] == "0.500"


def test_the_csv_file_has_one_line_per_model_and_all_columns(tmp_path):
    write_table(tmp_path, [row("gcn", 0, test=0.2), row("gcn", 1, test=0.4), row("symgnn", 0, test=None)])
    with (tmp_path / "table.csv").open() as file:
        symgnn, gcn = csv.DictReader(file)
    assert float(gcn["test_pearson_mean"]) == pytest.approx(0.3)
    assert symgnn["test_pearson_mean"] == "" and symgnn["slides_test"] == "0.78"
    assert (tmp_path / "table.png").exists()


def test_a_model_that_another_process_has_registered_is_in_the_table(tmp_path):
    table = write_table(tmp_path, [row("mine", 0, test=0.4), row("gcn", 0, test=0.2)]).read_text()
    assert table.index("| 0.200") < table.index("| mine") < table.index("| 0.400")
    assert "mine" in write_table(tmp_path, [row("mine", 0)]).read_text()


def test_a_run_is_rising_if_its_last_fifth_improved_the_best_correlation():
    def history(*pearson: float) -> list[dict]:
        return [{"seconds": 1.0, "val_pearson": value} for value in pearson]

    assert still_rising(history(*[0.1 * k for k in range(10)]))
    assert not still_rising(history(*[0.5] * 8, 0.505, 0.509))
    assert not still_rising(history(0.7, *[0.5] * 8, 0.6))
    assert still_rising(history(0.4))
