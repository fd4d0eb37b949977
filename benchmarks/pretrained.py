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
import tempfile
from pathlib import Path

import yaml

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
    """Copy configuration, splits, statistics, scores and final weights of a run, without the folders that it names.

    Raises:
        SystemExit: the run is not finished, or it depends on another run or on a potential.
    """
    if not (run.metrics_file.exists() and run.checkpoints.weights_record.exists()):
        raise SystemExit(f"{run.path}: training has not finished")
    if run.config().init or run.config().potential:
        raise SystemExit(f"{run.path}: a run with --init or --potential does not ship")
    weights = run.checkpoints.weights()
    config = run.config().as_plain() | {"data": None, "run_dir": f"runs/{output.name}"}
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        new = Path(folder) / output.name
        checkpoints = new / run.checkpoints.folder.name
        checkpoints.mkdir(parents=True)
        for path in (run.checkpoints.weights_record, *sorted(weights.parent.glob(f"{weights.name}.*"))):
            shutil.copyfile(path, checkpoints / path.name)
        for path in (run.splits_file, run.statistics_file, run.metrics_file, output / CARD):
            if path.exists():
                shutil.copyfile(path, new / path.name)
        (new / run.config_file.name).write_text(yaml.safe_dump(config, sort_keys=False))
        if output.exists():
            output.rename(Path(folder) / "former")
        new.rename(output)


if __name__ == "__main__":
    main()
