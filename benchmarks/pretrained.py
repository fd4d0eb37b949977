#!/usr/bin/env python3
"""Copy what predictions need of a finished run into the package, where it is found by name.

    python train.py --run-dir runs/cuzr
    python benchmarks/pretrained.py runs/cuzr tf_symgnn/pretrained/cuzr

The checkpoint's files are those of the run, with their checksums. The model card, README.md, is written by hand; tests
compare it with the scores.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import yaml

from tf_symgnn.data import replacing
from tf_symgnn.runs import RunFolder

CARD = "README.md"


def main() -> None:
    """Replace all files of the model but its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("output", type=Path, help="folder of the model in the package")
    args = parser.parse_args()
    ship(RunFolder.open(args.run), args.output)


def ship(run: RunFolder, output: Path) -> None:
    """Copy configuration, statistics, scores and final weights of a run, without the paths of the machine it ran on."""
    if not (run.metrics_file.exists() and run.checkpoints.weights_record.exists()):
        raise SystemExit(f"{run.path}: training has not finished")
    weights = run.checkpoints.weights()
    config = run.config().as_plain() | {"data": None, "run_dir": f"runs/{output.name}"}
    output.mkdir(parents=True, exist_ok=True)
    for path in output.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != CARD:
            path.unlink()
    checkpoints = output / run.checkpoints.folder.name
    checkpoints.mkdir()
    for path in (run.checkpoints.weights_record, *sorted(weights.parent.glob(f"{weights.name}.*"))):
        shutil.copyfile(path, checkpoints / path.name)
    for path in (run.statistics_file, run.metrics_file):
        shutil.copyfile(path, output / path.name)
    with replacing(output / run.config_file.name) as new:
        new.write_text(yaml.safe_dump(config, sort_keys=False))


if __name__ == "__main__":
    main()
