"""Convert or predict many structure files and trajectories with an Apache Beam pipeline, which writes a shard per file.

All workers must be able to read the files and to write to the output folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from tf_symgnn import runtime
from tf_symgnn.beam.shards import Outcome, WriteGraphs, WritePredictions, WriteShard
from tf_symgnn.config import GraphConfig
from tf_symgnn.data import (
    InputError,
    ReadOptions,
    all_structure_files,
    notice,
    remove_unfinished,
    replacing,
    split_files,
    stem_of,
)
from tf_symgnn.graph import LISTING, shards_in
from tf_symgnn.runs import RunFolder

DEAD_LETTERS = "dead_letters.jsonl"
# Beam's own runner on all cores of this machine. The name DirectRunner would look for a program on the web.
_LOCAL_RUNNER = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing"]
# This file is in the output folder until the pipeline ends. While it is there, shards may be replaced.
_UNFINISHED = ".unfinished"


class Summary(NamedTuple):
    """Result of a pipeline.

    Attributes:
        glasses: number of glasses written.
        files: number of input files.
        problems: number of input files that could not be read completely.
    """

    glasses: int
    files: int
    problems: int


def convert_in_pipeline(
    data: str | Path,
    output: str | Path,
    graph: GraphConfig,
    flags: Sequence[str],
    *,
    options: ReadOptions,
    overwrite: bool,
) -> Summary:
    """Write each structure file as a TFRecord shard `SPLIT.tfrecord-STEM`, and `shards.json` as `write_splits` does.

    Args:
        data: folder of structure files, or one file.
        output: folder to write.
        graph: settings of the neighbor graph.
        flags: options of the pipeline; none runs it on all cores of this machine.
        options: how files are read.
        overwrite: whether existing shards may be replaced.

    Raises:
        InputError: the data or the output cannot be used, or the pipeline failed.
    """
    splits = split_files(data)
    shards = {str(file): f"{split}.tfrecord-{stem_of(file)}" for split, files in splits.items() for file in files}
    earlier = shards_in(output)
    outcomes = _run(WriteGraphs(options, graph), shards, Path(output), flags, earlier=earlier, overwrite=overwrite)
    for shard in set(earlier) - {Path(output) / outcome.shard for outcome in outcomes}:
        shard.unlink(missing_ok=True)  # its input file no longer exists
    glasses = {outcome.file: outcome.glasses for outcome in outcomes}
    listing = {split: [name for file in files for name in glasses[str(file)]] for split, files in splits.items()}
    return _finish(Path(output), {split: names for split, names in listing.items() if names}, outcomes)


def predict_in_pipeline(
    run: RunFolder,
    files: Sequence[str | Path],
    output: str | Path,
    flags: Sequence[str],
    *,
    options: ReadOptions,
    overwrite: bool,
) -> Summary:
    """Write each structure file as `STEM.xyz` with a predicted `energy_barrier` column.

    Args:
        run: the trained model.
        files: structure files, or folders of them.
        output: folder to write.
        flags: options of the pipeline; none runs it on all cores of this machine.
        options: how files are read; labels are not, and species are by default those of the run.
        overwrite: whether existing files may be replaced.

    Raises:
        InputError: the files or the output cannot be used, or the pipeline failed.
    """
    shards: dict[str, str] = {}
    for file in all_structure_files(files):
        stem = stem_of(file)
        if f"{stem}.xyz" in shards.values():
            raise InputError(file, "stem", f"{stem} twice", "one file per stem")
        shards[str(file)] = f"{stem}.xyz"
    options = replace(options, label=None, species=options.species or run.config().type_names)
    do_fn = WritePredictions(str(run.path), options)
    outcomes = _run(do_fn, shards, Path(output), flags, overwrite=overwrite)
    return _finish(Path(output), {outcome.shard: outcome.glasses for outcome in outcomes if outcome.shard}, outcomes)


def _run(
    do_fn: WriteShard,
    shards: dict[str, str],
    output: Path,
    flags: Sequence[str],
    *,
    earlier: Sequence[Path] = (),
    overwrite: bool,
) -> list[Outcome]:
    """Run the pipeline.

    Args:
        do_fn: writes a shard.
        shards: file name of the shard of each input file.
        output: folder to write.
        flags: options of the pipeline.
        earlier: shards of an earlier run in the output folder, which the caller removes.
        overwrite: whether existing shards may be replaced.

    Returns:
        The outcomes of all files, sorted by path.

    Raises:
        InputError: a file would be lost, or the pipeline failed.
    """
    if (output / LISTING).exists() and not overwrite:
        raise InputError(output, "output", LISTING, "a folder without a finished conversion, or --overwrite")
    if output.exists() and not output.is_dir():
        raise InputError(output, "output", "a file", "a folder")
    _require_no_loss(shards, earlier, output, overwrite=overwrite)
    output.mkdir(parents=True, exist_ok=True)
    remove_unfinished(output)
    (output / _UNFINISHED).touch()
    for name in (LISTING, DEAD_LETTERS):
        (output / name).unlink(missing_ok=True)
    outcomes_file = output / ".outcomes.json"
    tasks = [(file, str(output / shard)) for file, shard in sorted(shards.items())]
    try:
        options = list(flags) or [*_LOCAL_RUNNER, f"--direct_num_workers={min(len(tasks), runtime.usable_cores())}"]
        # Worker processes log every step and every traceback on standard error, where this program prints one line.
        quiet = nullcontext() if flags else runtime.quiet_standard_error()
        with quiet, beam.Pipeline(options=PipelineOptions(options)) as pipeline:
            # Reshuffle distributes the files over the workers. The list of outcomes is short: one line per file.
            outcomes = pipeline | beam.Create(tasks) | beam.Reshuffle() | beam.ParDo(do_fn)
            _ = outcomes | beam.combiners.ToList() | beam.Map(_write_outcomes, str(outcomes_file))
    except Exception as error:  # each runner raises its own types, with the worker's traceback as text
        raise InputError(output, "pipeline", _reason(error), "a pipeline that ends; whole shards stay") from error
    rows = json.loads(outcomes_file.read_text())
    outcomes_file.unlink()
    outcomes = [Outcome(*row) for row in rows]
    for arguments in (arguments for outcome in outcomes for arguments in outcome.notices):
        notice(*arguments)
    return outcomes


def _require_no_loss(shards: dict[str, str], earlier: Sequence[Path], output: Path, *, overwrite: bool) -> None:
    """Check that shards replace neither an input file nor a file that an interrupted run did not write.

    Raises:
        InputError: a shard would.
    """
    inputs = {Path(file).resolve() for file in shards}
    paths = [output / shard for shard in shards.values()]
    for path in paths:
        if path.resolve() in inputs:
            raise InputError(path, "output", "a file of the input", "a different folder")
    existing = [path for path in (*paths, *earlier) if path.exists()]
    if existing and not overwrite and not (output / _UNFINISHED).exists():
        raise InputError(existing[0], "output", "an existing file", "none, or --overwrite")


def _write_outcomes(outcomes: list[Outcome], path: str) -> None:
    with replacing(path) as file:
        file.write_text(json.dumps(sorted(outcomes)))


def _reason(error: Exception) -> str:
    """Return the last line of a traceback that names an error, without Beam's additions."""
    lines = [line.strip() for line in str(error).splitlines() if "Error" in line and not line.startswith(" ")]
    reason = (lines[-1] if lines else f"{type(error).__name__} {error}").partition(" [while running")[0]
    return reason.removeprefix("RuntimeError: ")


def _finish(output: Path, listing: dict, outcomes: Sequence[Outcome]) -> Summary:
    """Write the dead letters, then the listing, which marks the output as complete."""
    incomplete = [outcome for outcome in outcomes if outcome.problem]
    if incomplete:
        with replacing(output / DEAD_LETTERS) as file:
            rows = [{"file": o.file, "reason": o.problem, "frames_used": len(o.glasses)} for o in incomplete]
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with replacing(output / LISTING) as file:
        file.write_text(json.dumps(listing, indent=2) + "\n")
    (output / _UNFINISHED).unlink()
    return Summary(sum(len(outcome.glasses) for outcome in outcomes), len(outcomes), len(incomplete))
