#!/usr/bin/env python3
"""Scores of the default model on the glasses that ship with the package, and on the published ones after training here.

    python benchmarks/own_data.py cu64zr36 --runs runs/own
    python benchmarks/own_data.py cu64zr36 --runs runs/own --seeds 0 --atoms 1000 2000 5000 10000
    python benchmarks/own_data.py cu64zr36 --runs runs/own --with-published
    python benchmarks/own_data.py cu64zr36 --runs runs/own --with-published --potential CuZr_2009.eam.fs

Trains with the defaults of `python train.py` on the first training glasses, of all kinds in turn, up to a number of
atoms, by default on all. With `--with-published` the published training glasses are added; the best epoch and the blend
weight are then chosen on the published validation glass, and training has as many epochs as in
benchmarks/default_model.py, whose table has the same scores without our glasses. With `--potential` the model is
`symgnn_physics`. Each run is scored on validation and test glasses of both data sets, by the regression of the model,
its network and the whole. A finished run is a row in benchmarks/own_data/rows and is not repeated; an interrupted one
continues in the folder of runs. The table and the learning curve are made from all rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from operator import itemgetter
from pathlib import Path

import numpy as np
from default_model import LINEAR, ORDER, STEPS, WHOLE, predictions
from matplotlib.figure import Figure

from tf_symgnn import names, runtime
from tf_symgnn.compare.runs import machine
from tf_symgnn.compare.table import format_mean_and_std, markdown_row, mean_and_std
from tf_symgnn.config import RunConfig
from tf_symgnn.data import SPLITS_FILE, Glass, noise_ceiling, read_glass, replacing, split_files
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import RunFolder, package_versions
from tf_symgnn.training import scores_by_glass, train

OUTPUT = Path(__file__).parent / "own_data"
OWN = Path(__file__).parents[1] / "tf_symgnn" / "data" / "cuzr"
SCORED = (names.VALIDATION, names.TEST)


def main() -> None:
    """Train runs without a row, then write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published", type=Path, help="folder of the published glasses")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--own", type=Path, default=OWN, help="folder of our glasses")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--atoms", type=int, nargs="+", help="for training; all by default")
    parser.add_argument("--with-published", action="store_true", help="train on the published glasses, too")
    parser.add_argument("--potential", type=Path, help="file of the potential, for the model with physics")
    args = parser.parse_args()
    runtime.configure(chunked=is_chunked(RunConfig().model))
    for atoms in args.atoms or [None]:
        data = folder_of(args.own, args.published, args.runs, atoms, with_published=args.with_published)
        for seed in args.seeds:
            name = f"{data.name}-physics-{seed}" if args.potential else f"{data.name}-{seed}"
            file = OUTPUT / "rows" / f"{name}.json"
            if not file.exists():
                config = RunConfig(
                    data=str(data),
                    run_dir=str(args.runs / name),
                    potential=args.potential and str(args.potential),
                    seed=seed,
                    epochs=STEPS // len(ORDER) if args.with_published else RunConfig.epochs,
                )
                row = train_row(config, args.own, args.published, args.with_published)
                with replacing(file) as new:
                    new.write_text(json.dumps(row, indent=2) + "\n")
    rows = [json.loads(file.read_text()) for file in sorted((OUTPUT / "rows").glob("*.json"))]
    if len({json.dumps(row["scored_glasses"]) for row in rows}) > 1:
        raise SystemExit(f"{OUTPUT / 'rows'}: rows scored on other glasses, of an earlier state of the data set")
    with replacing(OUTPUT / "table.md") as new:
        new.write_text(table(rows))
    with replacing(OUTPUT / "learning_curve.png") as new:
        learning_curve(rows).savefig(new, format="png", dpi=150)
    print((OUTPUT / "table.md").read_text())


def folder_of(own: Path, published: Path, runs: Path, atoms: int | None, *, with_published: bool) -> Path:
    """Return a folder of links to the glasses of a run, with their splits; its name is of these glasses only."""
    ours, theirs = split_files(own), split_files(published)
    training = first_of(ours[names.TRAIN], atoms)
    validation, test = ours[names.VALIDATION], ours[names.TEST]
    if with_published:
        training += [theirs[names.TRAIN][k] for k in ORDER]
        validation, test = theirs[names.VALIDATION], []
    splits = {names.TRAIN: training, names.VALIDATION: validation, names.TEST: test}
    stems = {split: [file.name.partition(".")[0] for file in files] for split, files in splits.items()}
    digest = hashlib.sha256(json.dumps(stems).encode()).hexdigest()[:8]
    folder = runs / f"{len(training)}-glasses-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    for file in (file for files in splits.values() for file in files):
        if not (folder / file.name).exists():
            (folder / file.name).symlink_to(file.resolve())
    (folder / SPLITS_FILE).write_text(json.dumps(stems))
    return folder


def first_of(files: list[Path], atoms: int | None) -> list[Path]:
    """Return the first files, of all kinds in turn, of a number of atoms at most; all for None.

    Raises:
        SystemExit: all of them have fewer atoms.
    """
    in_turn = sorted(files, key=lambda file: int(file.name.partition(".")[0].rpartition("-")[2]))
    taken, total = [], 0
    for file in in_turn:
        total += read_glass(file).n_atoms
        if atoms is not None and total > atoms:
            return taken
        taken.append(file)
    if atoms is not None and total < atoms:
        raise SystemExit(f"--atoms {atoms}: the training glasses have {total}")
    return taken


def train_row(config: RunConfig, own: Path, published: Path, with_published: bool) -> dict:
    """Train a run and return its row."""
    folder = train(config, resume=(Path(config.run_dir) / "config.yaml").exists())
    metrics = folder.metrics()
    kept = ("best_epoch", "epochs", "invariance_error", "parameters", "seconds")
    training = [read_glass(file) for file in split_files(config.data)[names.TRAIN]]
    return {
        "seed": config.seed,
        "model": config.model,
        "with_published": with_published,
        "scored_glasses": [[file.name for file in split_files(own)[split]] for split in SCORED],
        "training_atoms": sum(glass.n_atoms for glass in training),
        **{name: metrics[name] for name in kept},
        "blend": round(float(folder.load_model().blend), 4),
        "scores": {"own": scored(folder, own), "published": scored(folder, published)},
        "machine": machine(),
        "versions": package_versions(),
    }


def scored(folder: RunFolder, data: Path) -> dict[str, dict]:
    """Return the scores of the parts of a model on validation and test glasses, and the ceiling of their labels."""
    model, files, scores = folder.load_model(), split_files(data), {}
    for split in SCORED:
        glasses: list[Glass] = [read_glass(file) for file in files[split]]
        graphs = folder.graphs(glasses)
        by_glass = [predictions(model, graph) for graph in graphs]
        scores[split] = {"noise_ceiling": noise_ceiling(glasses)}
        for part in by_glass[0]:
            record = scores_by_glass(graphs, [parts[part] for parts in by_glass])
            scores[split][part] = {name: record[name] for name in ("pearson", "mae")}
    return scores


def table(rows: list[dict]) -> str:
    """Return a table of the correlations of the model and, in brackets, of its regression, by training set."""
    columns = [(data, split) for data in ("own", "published") for split in SCORED]
    scored_on = [f"{data} {split}" for data, split in columns]
    heads = ["model", "trained on", "atoms", "seeds", *scored_on, "seconds", "blend weight"]
    lines = [markdown_row(heads), markdown_row(["---"] * len(heads))]
    kind = itemgetter("model", "with_published", "training_atoms")
    for model, with_published, atoms in sorted(set(map(kind, rows))):
        alike = [row for row in rows if kind(row) == (model, with_published, atoms)]
        cells = [
            "{} ({})".format(*(_mean(alike, data, split, part, "pearson") for part in (WHOLE, LINEAR)))
            for data, split in columns
        ]
        name = "published and own" if with_published else "own"
        seconds, blend = (format_mean_and_std([row[key] for row in alike]) for key in ("seconds", "blend"))
        lines.append(markdown_row([model, name, str(atoms), str(len(alike)), *cells, seconds, blend]))
    ceilings = [rows[0]["scores"][data][split]["noise_ceiling"] for data, split in columns]
    texts = ["" if ceiling is None else f"{ceiling:.3f}" for ceiling in ceilings]
    lines.append(markdown_row(["", "largest by the noise of labels", "", "", *texts, "", ""]))
    return "\n".join(lines) + "\n"


def _mean(rows: list[dict], data: str, split: str, part: str, figure: str) -> str:
    return format_mean_and_std([row["scores"][data][split][part][figure] for row in rows])


def learning_curve(rows: list[dict]) -> Figure:
    """Return a plot of Pearson against the number of training atoms, of model and regression."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    alone = [row for row in rows if not row["with_published"] and row["model"] == RunConfig().model]
    numbers = sorted({row["training_atoms"] for row in alone})
    for data, color in (("own", "C0"), ("published", "C1")):
        for part, style in ((WHOLE, "o-"), (LINEAR, "s--")):
            values = [
                [
                    row["scores"][data][names.VALIDATION][part]["pearson"]
                    for row in alone
                    if row["training_atoms"] == number
                ]
                for number in numbers
            ]
            mean, spread = np.transpose([mean_and_std(of_number) for of_number in values])
            label = f"{data} validation glasses: {part}"
            axes.errorbar(numbers, mean, yerr=spread, fmt=style, color=color, capsize=3, label=label)
    axes.set(xlabel="training atoms", ylabel="Pearson", xscale="log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    main()
