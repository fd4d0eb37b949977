#!/usr/bin/env python3
"""The published explanation again: the 50 atoms of test0 nearest the origin, beside the published figures.

    python benchmarks/explain.py RUN --glass cu64zr36/test0.pickle --output explained

RUN is a run folder. Finished parts are kept in `--parts`, so that the same command goes on where it was killed and
repeats no finished part. Writes the report to `--output`, and prints a summary in Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

from tf_symgnn import runtime
from tf_symgnn.data import iter_glasses
from tf_symgnn.explain import Parts, check_folder, explain, parse_targets, write_report
from tf_symgnn.explain.page import summary
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import RunFolder, glass_graphs

# Li et al. 2024: optimal 1-cycles through an important and through a random edge, and peaks of distances, A.
PUBLISHED_CYCLES = (4.1, 1.2)
PUBLISHED_PEAKS = (2.6, 5.2, 7.0)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder")
    parser.add_argument("--glass", default="cu64zr36/test0.pickle", help="structure file")
    parser.add_argument("--atoms", default="nearest:50", help="as tf-symgnn explain takes them")
    parser.add_argument("--output", default="explained", help="folder of the report, replaced if it is one")
    parser.add_argument("--parts", default="explained-parts", help="folder of what is finished")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def markdown(figures: dict, seconds: float) -> str:
    """The figures beside the published ones, and all others below."""
    cycles, peaks = figures["cycles"], ", ".join(f"{x:g}" for x in figures["distances"]["peaks"])
    important, drawn = ("-" if cycles[key] is None else f"{cycles[key]:.2f}" for key in ("important", "random"))
    rows = [
        ("", "here", "published"),
        ("---", "---", "---"),
        ("cycles through an important edge", important, PUBLISHED_CYCLES[0]),
        ("cycles through a random edge", drawn, PUBLISHED_CYCLES[1]),
        ("peaks of important atoms' distances (A)", peaks, ", ".join(f"{x:g}" for x in PUBLISHED_PEAKS)),
        ("minutes, parts that were kept not counted", f"{seconds / 60:.1f}", ""),
    ]
    others = [("", ""), ("---", "---"), *summary(figures).items()]
    return "\n\n".join("\n".join("| " + " | ".join(map(str, row)) + " |" for row in table) for table in (rows, others))


def main() -> None:
    """Explains, writes the report and prints the summary."""
    args = arguments()
    run = RunFolder.open(args.run)
    config = run.config()
    check_folder(args.output, overwrite=True)
    *_, glass = iter_glasses(args.glass, label=None, species=config.type_names)
    targets = parse_targets(args.atoms, glass)
    runtime.configure(chunked=is_chunked(config.model))
    (graph,) = glass_graphs(config, [glass])
    model = run.load_model()
    started = time.perf_counter()
    weights = hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()
    content = hashlib.sha256(Path(args.glass).read_bytes()).hexdigest()
    parts = Parts(args.parts, (weights, content, config.graph))
    found = explain(model, graph, targets, cutoff=config.graph.cutoff, seed=args.seed, parts=parts)
    write_report(found, args.output, overwrite=True)
    print(markdown(found.figures, time.perf_counter() - started))


if __name__ == "__main__":
    main()
