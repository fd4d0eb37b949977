"""The functions that Beam's workers run: read a structure file and write its shard.

A shard is written under a temporary name and then renamed. Its name depends only on the file, so that a retried bundle
writes the same shard again.
"""

from __future__ import annotations

import abc
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from tf_symgnn.config import GraphConfig
from tf_symgnn.data import (
    Glass,
    InputError,
    InputNotice,
    ReadOptions,
    read_frames,
    replacing,
    require_species,
    write_frames,
)
from tf_symgnn.graph import GlassGraph, build_graph, write_shard
from tf_symgnn.inference.trained import TrainedModel
from tf_symgnn.runs import RunFolder


class Outcome(NamedTuple):
    """Result of one input file.

    Attributes:
        file: path of the input.
        shard: file name of the shard; empty if no frame could be read.
        glasses: names of the glasses in the shard.
        problem: why the rest of the file could not be read; None if all of it was.
        notices: arguments of the notices about the file.
    """

    file: str
    shard: str
    glasses: tuple[str, ...]
    problem: str | None
    notices: tuple[tuple[str, str, str, str], ...] = ()


class WriteShard(beam.DoFn, abc.ABC):
    """Writes the shard of a file, with all frames up to the first that cannot be read.

    Args:
        options: how the file is read.
    """

    def __init__(self, options: ReadOptions):
        super().__init__()
        self._options = options

    def process(self, task: tuple[str, str]) -> Iterator[Outcome]:
        """Write the shard of a file.

        Args:
            task: path of the file and of its shard.

        Yields:
            The outcome, with the reason if the file cannot be read completely.

        Raises:
            OSError: the shard cannot be written.
        """
        file, shard = task
        names, problems = [], []

        def records() -> Iterator[Any]:
            labeled = None
            try:
                for glass in read_frames(file, self._options):
                    has_labels = glass.barrier is not None
                    if labeled not in (None, has_labels):
                        raise InputError(glass.place, "labels", f"{glass.name} unlike those before it", "all or none")
                    labeled, record = has_labels, self.record(glass)
                    names.append(glass.name)
                    yield record
            except InputError as error:
                problems.append(f"{error}; {len(names)} frames before it were used" if names else str(error))

        # Notices are issued again by the process that started the pipeline.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InputNotice)
            remaining = records()
            first = next(remaining, None)
            if first is None:
                Path(shard).unlink(missing_ok=True)  # an earlier run may have written it
            else:
                self.write(Path(shard), chain([first], remaining))
        notices = tuple(w.message.args for w in caught if isinstance(w.message, InputNotice))
        shard = Path(shard).name if names else ""
        yield Outcome(file, shard, tuple(names), problems[0] if problems else None, notices)

    @abc.abstractmethod
    def record(self, glass: Glass) -> Any:
        """Return what the shard stores for a glass."""

    @abc.abstractmethod
    def write(self, shard: Path, records: Iterable[Any]) -> None:
        """Write a shard, whole or not at all."""


class WriteGraphs(WriteShard):
    """Writes GraphTensors of neighbor graphs as TFRecords.

    Args:
        options: how the file is read.
        graph: settings of the neighbor graph.
    """

    def __init__(self, options: ReadOptions, graph: GraphConfig):
        super().__init__(options)
        self._graph = graph

    def record(self, glass: Glass) -> GlassGraph:
        """Return the neighbor graph of a glass."""
        return build_graph(glass, cutoff=self._graph.cutoff, self_loops=self._graph.self_loops)

    def write(self, shard: Path, records: Iterable[GlassGraph]) -> None:
        """Write graphs as TFRecords."""
        write_shard(shard, records)


class WritePredictions(WriteShard):
    """Writes glasses with predicted barriers as extended XYZ.

    Args:
        run: path of the run folder.
        options: how the file is read.
    """

    def __init__(self, run: str, options: ReadOptions):
        super().__init__(options)
        self._run = run

    def setup(self) -> None:
        """Load the model, once per worker."""
        run = RunFolder.open(self._run)
        self._model, self._species = TrainedModel(run), run.statistics().species

    def record(self, glass: Glass) -> Glass:
        """Return a glass with its predicted barriers and their extrapolation.

        Raises:
            InputError: it has a species that is not in the training data.
        """
        require_species([glass], self._species)
        barrier, extrapolation = self._model.predict(glass)
        return replace(glass, barrier=barrier, info=extrapolation.info)

    def write(self, shard: Path, records: Iterable[Glass]) -> None:
        """Write glasses as extended XYZ."""
        with replacing(shard) as file:
            write_frames(file, records)
