#!/usr/bin/env python3
"""Scores of the default model and of its terms on the published glasses, and a learning curve.

    python benchmarks/default_model.py cu64zr36 --runs runs/default --seeds 0 1 2 --glasses 6
    python benchmarks/default_model.py cu64zr36 --runs runs/default --seeds 0 --glasses 1 2 3 4 5
    python benchmarks/default_model.py cu64zr36 --runs runs/physics --potential CuZr_2009.eam.fs

Each run trains on the first training glasses of `ORDER` for 300 steps, as the README's command does on all six. A
finished run is a row in benchmarks/default_model/rows and is not repeated; an interrupted one continues in the folder
of runs. The table and the learning curve are made from all rows. With a potential the model is `symgnn_physics`, and
the folder is benchmarks/physics_model.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from ase.data import chemical_symbols
from matplotlib.figure import Figure

from tf_symgnn import names, runtime
from tf_symgnn.compare.runs import machine
from tf_symgnn.compare.table import format_mean_and_std, markdown_row, mean_and_std
from tf_symgnn.config import RunConfig
from tf_symgnn.data import replacing, split_files
from tf_symgnn.graph import GlassGraph, to_graph_tensor
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.models.hybrid import HybridModel
from tf_symgnn.models.ridge.averages import NeighborhoodAverages
from tf_symgnn.nn.pairs import PairView
from tf_symgnn.runs import package_versions, read_labeled
from tf_symgnn.training import train
from tf_symgnn.training.evaluation import scores

# Slowly and fast quenched glasses alternate, so that the first few glasses include both.
ORDER = (0, 5, 2, 4, 1, 3)
STEPS = 300
WHOLE, LINEAR = "the default model", "its regression alone"
SPLITS = (names.VALIDATION, names.TEST)


def main() -> None:
    """Train runs without a row, then write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the published glasses")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    numbers = range(1, 1 + len(ORDER))
    parser.add_argument("--glasses", type=int, nargs="+", choices=numbers, default=[len(ORDER)], help="for training")
    parser.add_argument("--potential", type=Path, help="file of the potential, for the model with physics")
    args = parser.parse_args()
    output = Path(__file__).parent / ("physics_model" if args.potential else "default_model")
    runtime.configure(chunked=is_chunked(RunConfig().model))
    for seed in args.seeds:
        for glasses in args.glasses:
            file = output / "rows" / f"{glasses}-{seed}.json"
            if not file.exists():
                row = train_row(args.data, args.runs, glasses, seed, args.potential)
                with replacing(file) as new:
                    new.write_text(json.dumps(row, indent=2) + "\n")
    rows = [json.loads(file.read_text()) for file in sorted((output / "rows").glob("*.json"))]
    with replacing(output / "table.md") as new:
        new.write_text(table(rows))
    if len({len(row["training_glasses"]) for row in rows}) > 1:
        with replacing(output / "learning_curve.png") as new:
            learning_curve(rows).savefig(new, format="png", dpi=150)
    print((output / "table.md").read_text())


def train_row(data: Path, runs: Path, glasses: int, seed: int, potential: Path | None) -> dict:
    """Train on a number of glasses and return the row of the run."""
    run = runs / f"{glasses}-{seed}"
    config = RunConfig(
        data=str(folder_of(data, runs, glasses)),
        run_dir=str(run),
        potential=potential and str(potential),
        seed=seed,
        epochs=STEPS // glasses,
    )
    folder = train(config, resume=(run / "config.yaml").exists())
    model, metrics, read = folder.load_model(), json.loads(folder.metrics_file.read_text()), read_labeled(config)
    parts: dict[str, dict] = {}
    for split in SPLITS:
        (graph,) = folder.graphs(read[split])  # one published glass in each of these splits
        for part, barrier in predictions(model, graph).items():
            parts.setdefault(part, {})[split] = scored(graph, barrier)
    kept = ("best_epoch", "invariance_error", "parameters", "seconds")
    return {
        "seed": seed,
        "training_glasses": [glass.name for glass in read[names.TRAIN]],
        "epochs": config.epochs,
        **{name: metrics[name] for name in kept},
        "blend": round(float(model.blend), 4),
        "parts": parts,
        "machine": machine(),
        "versions": package_versions(),
    }


def folder_of(data: Path, runs: Path, glasses: int) -> Path:
    """Return a folder of links to the first training glasses of `ORDER`, and to validation and test glasses."""
    files = split_files(data)
    training = [files[names.TRAIN][k] for k in ORDER[:glasses]]
    members = (*training, *files[names.VALIDATION], *files[names.TEST])
    return folder_of_links(runs / f"of-{glasses}-glasses", {file.name: file for file in members})


def folder_of_links(folder: Path, links: dict[str, Path]) -> Path:
    """Return a folder with a link to each file, by the name of the link."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in links.items():
        if not (folder / name).exists():
            (folder / name).symlink_to(file.resolve())
    return folder


def predictions(model: HybridModel, graph: GlassGraph) -> dict[str, np.ndarray]:
    """Return the predictions f64[N] eV of the model, of its terms and of other combinations, by description."""
    tensor = to_graph_tensor(graph)
    averages = NeighborhoodAverages(PairView.of(tensor, "float32"))
    linear, network = model.baseline(tensor), model.network(tensor)
    average = difference = network - linear
    for _ in range(model.hops):
        average = tf.squeeze(averages.over_all(average[:, tf.newaxis]), axis=1)
    barriers = {
        LINEAR: linear,
        "its SymGNN alone": network,
        "their mean": linear + 0.5 * difference,
        "the regression, and half of what is not local of the difference": linear + 0.5 * average,
        WHOLE: model(tensor),
    }
    return {part: barrier.numpy().astype(np.float64) for part, barrier in barriers.items()}


def scored(graph: GlassGraph, barrier: np.ndarray) -> dict[str, float]:
    """Return Pearson over all atoms and by species, and MAE in eV."""
    all_scores = scores(graph.barrier.astype(np.float64), barrier)
    record = {"pearson": all_scores["pearson"], "mae": all_scores["mae"]}
    for z in np.unique(graph.atomic_numbers):
        atoms = graph.atomic_numbers == z
        record[chemical_symbols[z]] = scores(graph.barrier[atoms].astype(np.float64), barrier[atoms])["pearson"]
    return record


def table(rows: list[dict]) -> str:
    """Return a table of the terms of models trained on all glasses, and a table by number of training glasses."""
    of_all = [row for row in rows if len(row["training_glasses"]) == len(ORDER)]
    symbols = [name for name in rows[0]["parts"][WHOLE][names.TEST] if name not in ("pearson", "mae")]
    figures = [(split, name) for split in SPLITS for name in ("pearson", "mae", *symbols)]
    lines = [markdown_row(["", "seeds", *(f"{split} {name}" for split, name in figures)])]
    lines.append(markdown_row(["---"] * (2 + len(figures))))
    for part in rows[0]["parts"]:
        cells = [format_mean_and_std([row["parts"][part][split][name] for row in of_all]) for split, name in figures]
        lines.append(markdown_row([part, str(len(of_all)), *cells]))
    lines += ["", markdown_row(["training glasses", "seeds", "validation", "test", "of which the regression"])]
    lines.append(markdown_row(["---"] * 5))
    for n in sorted({len(row["training_glasses"]) for row in rows}):
        of_number = [row for row in rows if len(row["training_glasses"]) == n]
        whole, linear = (
            [format_mean_and_std([row["parts"][part][split]["pearson"] for row in of_number]) for split in SPLITS]
            for part in (WHOLE, LINEAR)
        )
        names_of_glasses = ", ".join(of_number[0]["training_glasses"])
        lines.append(markdown_row([names_of_glasses, str(len(of_number)), *whole, ", ".join(linear)]))
    return "\n".join(lines) + "\n"


def learning_curve(rows: list[dict]) -> Figure:
    """Return a plot of the Pearson correlation of model and regression against the number of training glasses."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    numbers = sorted({len(row["training_glasses"]) for row in rows})
    for split, color in ((names.VALIDATION, "C0"), (names.TEST, "C1")):
        for part, style in ((WHOLE, "o-"), (LINEAR, "s--")):
            values = [
                [row["parts"][part][split]["pearson"] for row in rows if len(row["training_glasses"]) == n]
                for n in numbers
            ]
            mean, error = np.transpose([mean_and_std(of_number) for of_number in values])
            axes.errorbar(numbers, mean, yerr=error, fmt=style, color=color, capsize=3, label=f"{split}: {part}")
    axes.set(xlabel="training glasses", ylabel="Pearson", xticks=numbers)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
