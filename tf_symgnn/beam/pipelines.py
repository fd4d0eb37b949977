"""Many structure files and trajectories, converted or predicted by an Apache Beam pipeline: one shard a file.

A shard is written under a temporary name and then renamed, and its name depends on the file alone: a bundle that is
retried writes the same again. Files must lie where all workers see them.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from tf_symgnn import runtime
from tf_symgnn.config import GraphConfig
from tf_symgnn.data import (
    Glass,
    InputError,
    iter_glasses,
    replacing,
    require_species,
    split_files,
    structure_files,
    write_frames,
)
from tf_symgnn.graph import LISTING, build_graph, shards_in, write_shard
from tf_symgnn.inference import Predictor
from tf_symgnn.models.catalog import is_chunked
from tf_symgnn.runs import RunFolder

DEAD_LETTERS = "dead_letters.jsonl"
# Beam's own runner on all cores of this machine. Not by the name DirectRunner, which looks for a program on the web.
_DIRECT = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing"]
# In a folder of output until all is done: files that lie there are then an interrupted run's, to be made again.
_UNFINISHED = ".unfinished"


class Outcome(NamedTuple):
    """What became of a file: where its whole frames went, their names, and what was wrong with the rest."""

    file: str
    shard: str
    glasses: tuple[str, ...]
    problem: str | None


class Summary(NamedTuple):
    """What became of all files: how many glasses were written of how many files, and the files with a problem."""

    glasses: int
    files: int
    problems: int


class _EachFile(beam.DoFn, abc.ABC):
    """A file's whole frames to its shard."""

    def __init__(self, label: str | None, species: Sequence[str] | None):
        super().__init__()
        self._label, self._species = label, species

    def process(self, task: tuple[str, str]) -> Iterator[Outcome]:
        """The outcome of a file and its shard. What cannot be read is named, what cannot be written is raised."""
        file, shard = task
        names, problems = [], []

        def whole_frames() -> Iterator[Any]:
            labelled = None
            try:
                for glass in iter_glasses(file, label=self._label, species=self._species):
                    has_labels = glass.barrier is not None
                    if labelled not in (None, has_labels):
                        raise InputError(glass.place, "labels", f"{glass.name} unlike those before it", "all or none")
                    labelled, made = has_labels, self.made_of(glass)
                    names.append(glass.name)
                    yield made
            except InputError as error:
                problems.append(f"{error}; {len(names)} frames before it were used" if names else str(error))

        frames = whole_frames()
        first = next(frames, None)
        if first is None:
            Path(shard).unlink(missing_ok=True)  # of an earlier run
        else:
            self.write(Path(shard), chain([first], frames))
        yield Outcome(file, Path(shard).name if names else "", tuple(names), problems[0] if problems else None)

    @abc.abstractmethod
    def made_of(self, glass: Glass) -> Any:
        """What the shard holds of a glass."""

    @abc.abstractmethod
    def write(self, shard: Path, frames: Iterable[Any]) -> None:
        """Writes a shard, whole or not at all."""


class _Convert(_EachFile):
    def __init__(self, label: str, species: Sequence[str] | None, graph: GraphConfig):
        super().__init__(label, species)
        self._graph = graph

    def made_of(self, glass: Glass) -> Any:
        return build_graph(glass, cutoff=self._graph.cutoff, self_loops=self._graph.self_loops)

    def write(self, shard: Path, frames: Iterable[Any]) -> None:
        write_shard(shard, frames)


class _Predict(_EachFile):
    def __init__(self, run: str, species: Sequence[str] | None):
        super().__init__(None, species)
        self._run = run

    def setup(self) -> None:
        run = RunFolder.open(self._run)
        self._config, self._known = run.config(), run.facts().species
        runtime.configure(chunked=is_chunked(self._config.model))
        self._predict = Predictor(run.load_model(), patch_size=self._config.stream.patch_size)

    def made_of(self, glass: Glass) -> Any:
        require_species([glass], self._known)
        graph = self._config.graph
        return replace(
            glass, barrier=self._predict(build_graph(glass, cutoff=graph.cutoff, self_loops=graph.self_loops))
        )

    def write(self, shard: Path, frames: Iterable[Any]) -> None:
        with replacing(shard) as file:
            write_frames(file, frames)


def convert_in_pipeline(
    data: str | Path,
    output: str | Path,
    graph: GraphConfig,
    flags: Sequence[str],
    *,
    label: str,
    species: Sequence[str] | None,
    overwrite: bool,
) -> Summary:
    """Writes each structure file as a TFRecord shard `SPLIT.tfrecord-STEM`, and `shards.json` as `write_splits` does.

    Raises:
        InputError: the data or the output cannot be used, or the pipeline failed.
    """
    splits = split_files(data)
    shards = {str(file): f"{split}.tfrecord-{file.stem}" for split, files in splits.items() for file in files}
    work, earlier = _Convert(label, species, graph), shards_in(output)
    outcomes = _run(work, shards, Path(output), flags, earlier=earlier, overwrite=overwrite)
    for stale in set(earlier) - {Path(output) / outcome.shard for outcome in outcomes}:
        stale.unlink(missing_ok=True)  # of a file that is no longer there
    named = {outcome.file: outcome.glasses for outcome in outcomes}
    listing = {split: [name for file in files for name in named[str(file)]] for split, files in splits.items()}
    return _finish(Path(output), {split: names for split, names in listing.items() if names}, outcomes)


def predict_in_pipeline(
    run: RunFolder,
    files: Sequence[str | Path],
    output: str | Path,
    flags: Sequence[str],
    *,
    species: Sequence[str] | None,
    overwrite: bool,
) -> Summary:
    """Writes each structure file of files and folders as `STEM.xyz` with a predicted `energy_barrier` column.

    Raises:
        InputError: the files or the output cannot be used, or the pipeline failed.
    """
    shards: dict[str, str] = {}
    for file in (file for given in files for file in structure_files(given).values()):
        if f"{file.stem}.xyz" in shards.values():
            raise InputError(file, "stem", f"{file.stem} twice", "one file a stem")
        shards[str(file)] = f"{file.stem}.xyz"
    work = _Predict(str(run.path), species or run.config().type_names)
    outcomes = _run(work, shards, Path(output), flags, overwrite=overwrite)
    return _finish(Path(output), {outcome.shard: outcome.glasses for outcome in outcomes if outcome.shard}, outcomes)


def _run(
    work: _EachFile,
    shards: dict[str, str],
    output: Path,
    flags: Sequence[str],
    *,
    earlier: Sequence[Path] = (),
    overwrite: bool,
) -> list[Outcome]:
    """Runs the pipeline; its outcomes by file. Shards from earlier are to go, even if no file has their names."""
    if (output / LISTING).exists() and not overwrite:
        raise InputError(output, "output", LISTING, "a folder without a finished conversion, or --overwrite")
    if output.exists() and not output.is_dir():
        raise InputError(output, "output", "a file", "a folder")
    _refuse_losses(shards, earlier, output, overwrite=overwrite)
    output.mkdir(parents=True, exist_ok=True)
    (output / _UNFINISHED).touch()
    for name in (LISTING, DEAD_LETTERS):
        (output / name).unlink(missing_ok=True)
    told = output / ".outcomes.json"
    tasks = [(file, str(output / shard)) for file, shard in sorted(shards.items())]
    try:
        # Reshuffled, so that files are spread over workers. A list of outcomes is small: a line a file.
        own = [*_DIRECT, f"--direct_num_workers={min(len(tasks), runtime.usable_cores())}"]
        with beam.Pipeline(options=PipelineOptions(list(flags) or own)) as pipeline:
            outcomes = pipeline | beam.Create(tasks) | beam.Reshuffle() | beam.ParDo(work)
            _ = outcomes | beam.combiners.ToList() | beam.Map(_tell, str(told))
    except Exception as error:  # every runner has kinds of its own, with the worker's traceback as text
        raise InputError(output, "pipeline", _reason(error), "a pipeline that ends; whole shards stay") from error
    outcomes = [Outcome(*row) for row in json.loads(told.read_text())]
    told.unlink()
    return outcomes


def _refuse_losses(shards: dict[str, str], earlier: Sequence[Path], output: Path, *, overwrite: bool) -> None:
    """Raises InputError where a shard would take the place of an input, or of a file that is no interrupted run's."""
    inputs = {Path(file).resolve() for file in shards}
    targets = [output / shard for shard in shards.values()]
    for target in targets:
        if target.resolve() in inputs:
            raise InputError(target, "output", "a file of the input", "a folder apart from it")
    existing = [target for target in (*targets, *earlier) if target.exists()]
    if existing and not overwrite and not (output / _UNFINISHED).exists():
        raise InputError(existing[0], "output", "an existing file", "none, or --overwrite")


def _tell(outcomes: list[Outcome], path: str) -> None:
    with replacing(path) as file:
        file.write_text(json.dumps(sorted(outcomes)))


def _reason(error: Exception) -> str:
    """The last line of a traceback that names an error, without what Beam puts round it."""
    lines = [line.strip() for line in str(error).splitlines() if "Error" in line and not line.startswith(" ")]
    return (lines[-1] if lines else f"{type(error).__name__} {error}").partition(" [while running")[0]


def _finish(output: Path, listing: dict, outcomes: Sequence[Outcome]) -> Summary:
    """Writes the list of dead letters, then the listing, which is what makes the output whole."""
    dead = [outcome for outcome in outcomes if outcome.problem]
    if dead:
        with replacing(output / DEAD_LETTERS) as file:
            rows = [{"file": o.file, "reason": o.problem, "frames_used": len(o.glasses)} for o in dead]
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with replacing(output / LISTING) as file:
        file.write_text(json.dumps(listing, indent=2) + "\n")
    (output / _UNFINISHED).unlink()
    return Summary(sum(len(outcome.glasses) for outcome in outcomes), len(outcomes), len(dead))
