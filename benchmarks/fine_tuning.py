#!/usr/bin/env python3
"""Fine-tuning (`--init`) against training from initial weights, from the published glasses to the sample and back.

    python benchmarks/fine_tuning.py cu64zr36 --runs runs/tuning

Trains the default model on the sample and on one published glass, from initial weights and from a run on all training
glasses of the other data set. A finished run is a row in benchmarks/fine_tuning/rows and is not repeated; an
interrupted one continues in the folder of runs. The table is made from all rows.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from default_model import ORDER, SPLITS, STEPS, folder_of

from tf_symgnn import runtime
from tf_symgnn.compare.runs import machine
from tf_symgnn.compare.table import markdown_row
from tf_symgnn.config import OptimizerConfig, RunConfig
from tf_symgnn.data import replacing
from tf_symgnn.inference import CompiledModel
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import RunFolder, glass_graphs, package_versions, read_labeled
from tf_symgnn.training import scores_by_glass, train

OUTPUT = Path(__file__).parent / "fine_tuning"
TESTS = Path(__file__).parents[1] / "tests" / "sample"
SAMPLE, PUBLISHED, ONE = "the sample", "the published glasses", "one published glass"
RATES = (4e-3, 5e-4)  # learning rates; runs from initial weights take the first


class Case(NamedTuple):
    """A run: its data, the data of the run that it starts from, if any, and its learning rate."""

    data: str
    start: str | None = None
    rate: float = RATES[0]

    @property
    def name(self) -> str:
        """Return the name of the run folder and of the row."""
        words = [self.data] + ([f"from {self.start} at {self.rate:g}"] if self.start else [])
        return " ".join(words).replace(" ", "-")


CASES = [
    *(Case(data) for data in (SAMPLE, PUBLISHED, ONE)),
    *(Case(data, start, rate) for data, start in ((SAMPLE, PUBLISHED), (ONE, SAMPLE)) for rate in RATES),
]


def main() -> None:
    """Train runs without a row, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the published glasses")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    args = parser.parse_args()
    runtime.configure(chunked=is_chunked(RunConfig().model))
    for case in CASES:
        file = OUTPUT / "rows" / f"{case.name}.json"
        if not file.exists():
            run = train_case(case, args.data, args.runs)
            with replacing(file) as new:
                new.write_text(json.dumps(row(case, run), indent=2) + "\n")
    rows = [json.loads((OUTPUT / "rows" / f"{case.name}.json").read_text()) for case in CASES]
    with replacing(OUTPUT / "table.md") as new:
        new.write_text(table(rows))
    print((OUTPUT / "table.md").read_text())


def train_case(case: Case, data: Path, runs: Path) -> RunFolder:
    """Return the finished run of a case; train it, and first the run that it starts from, if necessary."""
    folder = runs / case.name
    if (folder / "metrics.json").exists():
        return RunFolder.open(folder)
    glasses = {PUBLISHED: len(ORDER), ONE: 1}.get(case.data)
    config = RunConfig(data=str(TESTS), run_dir=str(folder), optimizer=OptimizerConfig(learning_rate=case.rate))
    if glasses:
        config = replace(config, data=str(folder_of(data, runs, glasses)), epochs=STEPS // glasses)
    if case.start:
        config = replace(config, init=str(train_case(Case(case.start), data, runs).path))
    return train(config, resume=(folder / "config.yaml").exists())


def row(case: Case, run: RunFolder) -> dict:
    """Return the row of a run, with the scores of its model and of its regression."""
    config, model = run.config(), run.load_model()
    metrics = json.loads(run.metrics_file.read_text())
    blend, predict = float(model.blend), CompiledModel(model)
    scores: dict[str, dict] = {}
    for split, glasses in read_labeled(config, SPLITS).items():
        graphs = glass_graphs(config, glasses)
        for part, weight in (("model", blend), ("regression", 0.0)):
            model.blend.assign(weight)
            if graphs:
                record = scores_by_glass(graphs, [predict(graph) for graph in graphs])
                scores.setdefault(part, {})[split] = {name: record[name] for name in ("pearson", "mae")}
    kept = {name: metrics[name] for name in ("best_epoch", "epochs", "seed", "seconds")}
    record = {**case._asdict(), **kept, "blend": blend, **scores}
    return record | {"machine": machine(), "versions": package_versions()}


def table(rows: list[dict]) -> str:
    """Return a table with the Pearson correlations of model and regression, and the blend weight, of each run."""
    heads = ["trained on", "starting from", "learning rate", *SPLITS, "of which the regression", "blend weight"]
    lines = [markdown_row(heads), markdown_row(["---"] * len(heads))]
    for record in rows:
        model, linear = (
            [f"{record[part][split]['pearson']:.3f}" if split in record[part] else "" for split in SPLITS]
            for part in ("model", "regression")
        )
        case = [record["data"], record["start"] or "nothing", f"{record['rate']:g}"]
        lines.append(markdown_row([*case, *model, ", ".join(filter(None, linear)), f"{record['blend']:.2f}"]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
