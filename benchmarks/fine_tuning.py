#!/usr/bin/env python3
"""What it gives to start from another run's weights: from the published glasses to the sample, and back.

    python benchmarks/fine_tuning.py cu64zr36 --runs runs/tuning

Trains the default model on the sample and on one published glass, each from nothing and from a run on the other data
set, all of whose training glasses that run has seen. Each finished run is one row in benchmarks/fine_tuning/rows and is
not repeated; an interrupted one goes on in the runs' folder. The table is made of all rows.
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
from tf_symgnn.inference import Predictor
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import RunFolder, glass_graphs, package_versions, read_labeled
from tf_symgnn.training import scores_by_glass, train

OUTPUT = Path(__file__).parent / "fine_tuning"
SAMPLE, PUBLISHED, ONE = "the sample", "the published glasses", "one published glass"
RATES = (4e-3, 5e-4)  # of learning, from nothing the first


class Case(NamedTuple):
    """What is trained: its data, the data of the run that it starts from, if any, and its learning rate."""

    data: str
    start: str | None = None
    rate: float = RATES[0]

    @property
    def name(self) -> str:
        """As its run folder and its row are called."""
        words = [self.data] + ([f"from {self.start} at {self.rate:g}"] if self.start else [])
        return " ".join(words).replace(" ", "-")


CASES = [
    *(Case(data) for data in (SAMPLE, PUBLISHED, ONE)),
    *(Case(data, start, rate) for data, start in ((SAMPLE, PUBLISHED), (ONE, SAMPLE)) for rate in RATES),
]


def main() -> None:
    """Trains what has no row yet, and makes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the published glasses")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    given = parser.parse_args()
    runtime.configure(chunked=is_chunked(RunConfig().model))
    for case in CASES:
        file = OUTPUT / "rows" / f"{case.name}.json"
        if not file.exists():
            run = trained(case, given.data, given.runs)
            with replacing(file) as new:
                new.write_text(json.dumps(row(case, run), indent=2) + "\n")
    rows = [json.loads((OUTPUT / "rows" / f"{case.name}.json").read_text()) for case in CASES]
    with replacing(OUTPUT / "table.md") as new:
        new.write_text(table(rows))
    print((OUTPUT / "table.md").read_text())


def trained(case: Case, data: Path, runs: Path) -> RunFolder:
    """The case's run, after the one that it starts from where that is not there."""
    folder = runs / case.name
    if (folder / "metrics.json").exists():
        return RunFolder.open(folder)
    glasses = {PUBLISHED: len(ORDER), ONE: 1}.get(case.data)
    config = RunConfig(run_dir=str(folder), optimizer=OptimizerConfig(learning_rate=case.rate))
    if glasses:
        config = replace(config, data=str(folder_of(data, runs, glasses)), epochs=STEPS // glasses)
    if case.start:
        config = replace(config, init=str(trained(Case(case.start), data, runs).path))
    return train(config, resume=(folder / "config.yaml").exists())


def row(case: Case, run: RunFolder) -> dict:
    """Scores of a run's model and of its regression."""
    config, model = run.config(), run.load_model()
    metrics = json.loads(run.metrics_file.read_text())
    blend, predict = float(model.blend), Predictor(model)
    scores: dict[str, dict] = {}
    for split, glasses in read_labeled(config, SPLITS).items():
        graphs = glass_graphs(config, glasses)
        for part, weight in (("model", blend), ("regression", 0.0)):
            model.blend.assign(weight)
            if graphs:
                found = scores_by_glass(graphs, [predict(graph) for graph in graphs])
                scores.setdefault(part, {})[split] = {name: found[name] for name in ("pearson", "mae")}
    kept = {name: metrics[name] for name in ("best_epoch", "epochs", "seed", "seconds")}
    record = {**case._asdict(), **kept, "share": blend, **scores}
    return record | {"machine": machine(), "versions": package_versions()}


def table(rows: list[dict]) -> str:
    """A line a run: Pearson of the model and of its regression, and how much of SymGNN's local part counts."""
    heads = ["trained on", "starting from", "learning rate", *SPLITS, "of which the regression", "share"]
    lines = [markdown_row(heads), markdown_row(["---"] * len(heads))]
    for found in rows:
        model, linear = (
            [f"{found[part][split]['pearson']:.3f}" if split in found[part] else "" for split in SPLITS]
            for part in ("model", "regression")
        )
        case = [found["data"], found["start"] or "nothing", f"{found['rate']:g}"]
        lines.append(markdown_row([*case, *model, ", ".join(filter(None, linear)), f"{found['share']:.2f}"]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
