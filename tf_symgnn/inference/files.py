"""Predict the energy barriers of structure files."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from tf_symgnn import runtime
from tf_symgnn.data import (
    Glass,
    InputError,
    ReadOptions,
    all_structure_files,
    check_output,
    file_digest,
    naming,
    read_frames,
    remove_unfinished,
    replacing,
    require_species,
    write_glasses,
)
from tf_symgnn.domain.extrapolation import Extrapolation
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.inference.extrapolation import slab_extrapolation
from tf_symgnn.inference.memory import cut_to_fit, peak_resident, require_room_for_descriptors, require_room_to_read
from tf_symgnn.inference.partial import PartialPrediction, identity_of
from tf_symgnn.inference.schedule import needed_levels
from tf_symgnn.inference.stage_functions import StageFunctions
from tf_symgnn.inference.streaming import SlabStream
from tf_symgnn.inference.trained import TrainedModel
from tf_symgnn.potentials.glasses import glass_descriptors
from tf_symgnn.progress import progress_bar
from tf_symgnn.runs import RunFolder

# The checksum of a finished output, in the folder of its partial results.
_WRITTEN = "written"


def write_predictions(
    run: RunFolder,
    files: Sequence[str | Path],
    output: str | Path,
    *,
    options: ReadOptions | None = None,
    overwrite: bool = False,
    memory: int | None = None,
) -> dict[str, Extrapolation]:
    """Predict every glass of some files and folders, and write all to one file, as `tf_symgnn.predict_files` does.

    Returns:
        How far each glass is outside the training data, by its place.

    Raises:
        InputError: a file cannot be used, has a species that is not in the training data, the output exists, or the
            memory is too small.
    """
    unfinished = Path(output).with_name(f".{Path(output).name}.partial")
    if memory is not None and not overwrite and _is_written(output, unfinished):
        overwrite = True  # by this prediction itself, which was killed before it removed its partial results
    check_output(output, overwrite=overwrite)
    config = run.config()
    options = options or ReadOptions()
    options = replace(options, label=None, species=options.species or config.type_names)
    glasses = _read(files, output, options, memory=memory)
    check_output(output, overwrite=overwrite, number=len(glasses))
    statistics = run.statistics()
    require_species(glasses, statistics.species)
    remove_unfinished(Path(output).parent, f".{glob.escape(Path(output).stem)}-{'[0-9a-f]' * 32}{Path(output).suffix}")
    if memory is None:
        predicted, extrapolations = _predict_whole(run, glasses)
        write_glasses(output, predicted, overwrite=overwrite)
    else:
        predicted, extrapolations = _predict_within(memory, run, glasses, unfinished, overwrite=overwrite)
        _write_finished(output, predicted, unfinished)
    return extrapolations


def _read(files: Sequence[str | Path], output: str | Path, options: ReadOptions, *, memory: int | None) -> list[Glass]:
    """Return the unlabeled glasses of some files and folders.

    Raises:
        InputError: the output is one of the files, or a file cannot be used or does not fit into the memory.
    """
    files = all_structure_files(files)
    if Path(output).resolve() in {Path(file).resolve() for file in files}:
        raise InputError(output, "output", "a file of the input", "another one")
    if memory is not None:
        require_room_to_read(files, memory)
    return [glass for file in files for glass in read_frames(file, options)]


def _write_finished(output: str | Path, predicted: Sequence[Glass], unfinished: Path) -> None:
    """Write the output, and remove the partial results, so that a kill in between leaves a note of the output."""
    file = unfinished / f"output{Path(output).suffix}"
    write_glasses(file, predicted, overwrite=True)
    with replacing(unfinished / _WRITTEN) as note:
        note.write_text(file_digest(file))
    os.replace(file, output)
    shutil.rmtree(unfinished)


def _is_written(output: str | Path, unfinished: Path) -> bool:
    """Return whether the output is the file that `_write_finished` of a killed process wrote."""
    note = unfinished / _WRITTEN
    return note.is_file() and Path(output).is_file() and note.read_text() == file_digest(Path(output))


def predict_in_slabs(
    stages: StageFunctions, slabbed: SlabbedGlass, partial: PartialPrediction, *, slabs_per_search: int
) -> np.ndarray:
    """Return the energy barriers f64[N] eV of a glass, predicted slab by slab.

    Args:
        stages: of the model.
        slabbed: the glass.
        partial: stores finished slabs, and atoms that an earlier run finished.
        slabs_per_search: number of slabs whose pairs are found at once.
    """
    atoms = np.split(slabbed.order, slabbed.splits[1:-1])
    unfinished = [not partial.done[members].all() for members in atoms]
    needed = needed_levels(slabbed.neighbors(), unfinished, stages.depth)
    # The number of atoms times stages is known from the start, so the bar shows the remaining time.
    total = int(np.dot(needed, slabbed.sizes))
    with runtime.returning_freed_memory(), progress_bar(total=total, unit="atom layer", scaled=True) as bar:
        for slab, _, barrier in SlabStream(stages, slabbed, needed, slabs_per_search=slabs_per_search):
            if barrier is not None:
                partial.add(atoms[slab], barrier)
            bar.update(int(slabbed.sizes[slab]))
    return partial.barrier


def _predict_whole(run: RunFolder, glasses: Sequence[Glass]) -> tuple[list[Glass], dict[str, Extrapolation]]:
    """Return the glasses with predicted barriers, and the extrapolation of each by its place."""
    trained = TrainedModel(run)
    predicted, extrapolations = [], {}
    for glass in progress_bar(glasses, unit="glass", disable=len(glasses) < 2):
        barrier, extrapolations[glass.place] = trained.predict(glass)
        predicted.append(replace(glass, barrier=barrier, info=extrapolations[glass.place].info))
    return predicted, extrapolations


def _predict_within(
    memory: int,
    run: RunFolder,
    glasses: Sequence[Glass],
    unfinished: Path,
    *,
    overwrite: bool,
) -> tuple[list[Glass], dict[str, Extrapolation]]:
    """Return what `_predict_whole` does, from slabs that fit into a memory in bytes.

    The folder `unfinished` stores the partial prediction of each glass.

    Raises:
        InputError: no slabs of a glass fit, or a partial prediction is one of another glass or model.
    """
    model, graph, domain, potential = run.load_model(), run.config().graph, run.statistics().domain, run.potential()
    stages = StageFunctions(model)
    # Measured once, since each glass uses the memory that the previous one freed.
    predicted, extrapolations, taken = [], {}, peak_resident()
    for k, glass in enumerate(glasses):
        cut = cut_to_fit(glass, stages, memory, taken=taken, cutoff=graph.cutoff, self_loops=graph.self_loops)
        identity = identity_of(glass, model, {"cutoff": graph.cutoff, "self_loops": graph.self_loops})
        path = unfinished / f"{k}"
        with naming(path), closing(PartialPrediction(path, identity, glass.n_atoms, overwrite=overwrite)) as partial:
            descriptors = None
            if potential is not None:
                require_room_for_descriptors(potential, glass, memory, taken=taken)
                descriptors = glass_descriptors(potential, glass)
            slabbed = SlabbedGlass(
                glass,
                cutoff=graph.cutoff,
                self_loops=graph.self_loops,
                number=cut.n_slabs,
                descriptors=descriptors,
            )
            barrier = predict_in_slabs(stages, slabbed, partial, slabs_per_search=cut.slabs_per_search)
        extrapolations[glass.place] = slab_extrapolation(domain, model, slabbed, graph.cutoff, barrier)
        predicted.append(replace(glass, barrier=barrier, info=extrapolations[glass.place].info))
    return predicted, extrapolations
