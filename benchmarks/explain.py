#!/usr/bin/env python3
"""Reproduce the published explanation, of the 50 atoms of test0 nearest the origin, and compare its numbers.

    python benchmarks/explain.py RUN --glass cu64zr36/test0.pickle --output explained

RUN is a run folder. Finished parts are stored in the folder `--parts`, from which the same command continues after a
kill. The report is written to `--output`, and a summary is printed in Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

from tf_symgnn import runtime
from tf_symgnn.data import iter_glasses
from tf_symgnn.explain import ResultCache, check_folder, explain, parse_centers, write_report
from tf_symgnn.explain.page import summary
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import RunFolder, glass_graphs

# Li et al. 2024: optimal 1-cycles through an important and through a random edge, and peaks of distances, A.
PUBLISHED_CYCLES = (4.1, 1.2)
PUBLISHED_PEAKS = (2.6, 5.2, 7.0)


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder")
    parser.add_argument("--glass", default="cu64zr36/test0.pickle", help="structure file")
    parser.add_argument("--atoms", default="nearest:50", help="in the syntax of tf-symgnn explain")
    parser.add_argument("--output", default="explained", help="folder of the report; an earlier report is replaced")
    parser.add_argument("--parts", default="explained-parts", help="folder of finished parts")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def markdown(figures: dict, seconds: float) -> str:
    """Return a table of results beside the published ones, and a table of all others."""
    cycles, peaks = figures["cycles"], ", ".join(f"{x:g}" for x in figures["distances"]["peaks"])
    important, drawn = ("-" if cycles[key] is None else f"{cycles[key]:.2f}" for key in ("important", "random"))
    rows = [
        ("", "here", "published"),
        ("---", "---", "---"),
        ("cycles through an important edge", important, PUBLISHED_CYCLES[0]),
        ("cycles through a random edge", drawn, PUBLISHED_CYCLES[1]),
        ("peaks of important atoms' distances (A)", peaks, ", ".join(f"{x:g}" for x in PUBLISHED_PEAKS)),
        ("minutes, without parts from the cache", f"{seconds / 60:.1f}", ""),
    ]
    others = [("", ""), ("---", "---"), *summary(figures).items()]
    return "\n\n".join("\n".join("| " + " | ".join(map(str, row)) + " |" for row in table) for table in (rows, others))


def main() -> None:
    """Explain, write the report and print the summary."""
    args = arguments()
    run = RunFolder.open(args.run)
    config = run.config()
    check_folder(args.output, overwrite=True)
    *_, glass = iter_glasses(args.glass, label=None, species=config.type_names)
    centers = parse_centers(args.atoms, glass)
    runtime.configure(chunked=is_chunked(config.model))
    (graph,) = glass_graphs(config, [glass])
    model = run.load_model()
    started = time.perf_counter()
    weights = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
    content = hashlib.sha256(Path(args.glass).read_bytes()).hexdigest()
    cache = ResultCache(args.parts, (weights, content, config.graph))
    found = explain(model, graph, centers, cutoff=config.graph.cutoff, seed=args.seed, cache=cache)
    write_report(found, args.output, overwrite=True)
    print(markdown(found.figures, time.perf_counter() - started))


if __name__ == "__main__":
    main()
