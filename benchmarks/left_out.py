#!/usr/bin/env python3
"""Scores of the default model on each published training glass, which is left out of the training.

    python benchmarks/left_out.py cu64zr36 --runs runs/left-out --potential CuZr_2009.eam.fs

Each run trains on the other five for 300 steps and fits the blend weight on the validation glass. The test glass is not
read. With a potential the model is `symgnn_physics`. Prints a Markdown table. A finished run is not repeated, and an
interrupted one continues. `--glasses 0 2 4` leaves out some glasses only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from default_model import LINEAR, STEPS, WHOLE, folder_of_links, predictions, scored

from tf_symgnn import names, runtime
from tf_symgnn.compare.table import markdown_row
from tf_symgnn.config import RunConfig
from tf_symgnn.data import split_files
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import read_labeled
from tf_symgnn.training import train


def main() -> None:
    """Train the runs, and print a line for each and one for their mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the published glasses")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the run folders")
    parser.add_argument("--glasses", type=int, nargs="+", choices=range(6), default=range(6), help="to leave out")
    parser.add_argument("--potential", type=Path, help="file of the potential, for the model with physics")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    runtime.configure(chunked=is_chunked(RunConfig().model))
    print(markdown_row(["left out", "regression", "model"]))
    print(markdown_row(["---"] * 3))
    found = []
    for glass in args.glasses:
        data = folder_without(args.data, args.runs, glass)
        found.append(left_out_scores(data, args.runs / f"{glass}-{args.seed}", args.potential, args.seed))
        print(markdown_row([f"train{glass}", *(f"{score:.4f}" for score in found[-1])]), flush=True)
    print(markdown_row(["mean", *(f"{score:.4f}" for score in np.mean(found, axis=0))]))


def folder_without(data: Path, runs: Path, glass: int) -> Path:
    """Return a folder of links in which a training glass is the test glass."""
    files = split_files(data)
    links = {file.name: file for file in (*files[names.TRAIN], *files[names.VALIDATION])}
    left_out = files[names.TRAIN][glass]
    links[f"test{glass}{left_out.suffix}"] = links.pop(left_out.name)
    return folder_of_links(runs / f"without-{glass}", links)


def left_out_scores(data: Path, run: Path, potential: Path | None, seed: int) -> list[float]:
    """Return the Pearson correlations of the regression and of the model on the test glass of a folder."""
    config = RunConfig(
        data=str(data), run_dir=str(run), potential=potential and str(potential), seed=seed, epochs=STEPS // 5
    )
    folder = train(config, resume=(run / "config.yaml").exists())
    (graph,) = folder.graphs(read_labeled(config)[names.TEST])
    barriers = predictions(folder.load_model(), graph)
    return [scored(graph, barriers[part])["pearson"] for part in (LINEAR, WHOLE)]


if __name__ == "__main__":
    main()
