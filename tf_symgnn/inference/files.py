"""Energy barriers of structure files."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tf_symgnn.config import RunConfig
from tf_symgnn.data import (
    Glass,
    InputError,
    check_output,
    iter_glasses,
    naming,
    require_species,
    structure_files,
    write_glasses,
)
from tf_symgnn.graph.slabs import SlabbedGlass
from tf_symgnn.inference.memory import Cut, cut_to_fit, peak_resident, require_room_to_read
from tf_symgnn.inference.novelty import UNLIKE, novelty, novelty_in_slabs
from tf_symgnn.inference.partial import PartialPrediction, identity_of
from tf_symgnn.inference.predictor import Predictor
from tf_symgnn.inference.schedule import needed_levels
from tf_symgnn.inference.stage_functions import StageFunctions
from tf_symgnn.inference.streaming import SlabStream
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.runs import RunFolder, glass_graphs


def predict_files(
    run: RunFolder,
    files: Sequence[str | Path],
    output: str | Path,
    *,
    species: Sequence[str] | None = None,
    overwrite: bool = False,
    memory: int | None = None,
) -> int:
    """Predicts every glass in files and folders, in order, those of a folder by name, and writes them to one file.

    Of each it holds species, positions, cell and an `energy_barrier` column. Labels and other columns of the files are
    not read. The output's suffix chooses extended XYZ, LAMMPS dump or npz. LAMMPS types are named by `species`, or else
    as in the run's training data. With `memory`, a budget in bytes that the process is to keep within, glasses are
    predicted slab by slab, and a run that was killed goes on where it was. The default model tells in a line on
    standard error of each glass that is unlike all it was trained on.

    Returns:
        The number of glasses.

    Raises:
        InputError: a file cannot be used, holds a species the model was not trained on, the output exists, or the
            budget is too small.
    """
    check_output(output, overwrite=overwrite)
    config = run.config()
    type_names = species or config.type_names
    files = [file for given in files for file in structure_files(given).values()]
    if Path(output).resolve() in {Path(file).resolve() for file in files}:
        raise InputError(output, "output", "a file of the input", "another one")
    if memory is not None:
        require_room_to_read(files, memory)
    glasses = [glass for file in files for glass in iter_glasses(file, label=None, species=type_names)]
    check_output(output, overwrite=overwrite, number=len(glasses))
    require_species(glasses, run.statistics().species)
    model = run.load_model()
    if memory is None:
        predicted = _whole(model, config, glasses)
    else:
        unfinished = Path(output).with_name(f".{Path(output).name}.partial")
        predicted = _within(memory, model, config, glasses, unfinished, overwrite=overwrite)
    write_glasses(output, predicted, overwrite=overwrite)
    if memory is not None:
        shutil.rmtree(unfinished)
    return len(predicted)


def predict_in_slabs(
    stages: StageFunctions, config: RunConfig, glass: Glass, cut: Cut, partial: PartialPrediction
) -> np.ndarray:
    """Return energy barriers f64[N] eV of a glass, slab by slab; what `partial` holds is not predicted again."""
    slabbed = _slabbed(glass, config, cut)
    atoms = np.split(slabbed.order, slabbed.splits[1:-1])
    unfinished = [not partial.done[own].all() for own in atoms]
    needed = needed_levels(slabbed.neighbors(), unfinished, stages.depth)
    # Counted in atoms that went through a layer, so that the time left is told from the start.
    with tqdm(total=int(np.dot(needed, slabbed.sizes)), unit="atom layer", unit_scale=True) as bar:
        for slab, _, barrier in SlabStream(stages, slabbed, needed, together=cut.together):
            if barrier is not None:
                partial.add(atoms[slab], barrier)
            bar.update(int(slabbed.sizes[slab]))
    return partial.barrier


def _slabbed(glass: Glass, config: RunConfig, cut: Cut) -> SlabbedGlass:
    return SlabbedGlass(glass, cutoff=config.graph.cutoff, self_loops=config.graph.self_loops, number=cut.number)


def _whole(model: BarrierModel, config: RunConfig, glasses: Sequence[Glass]) -> list[Glass]:
    predict = Predictor(model, patch_size=config.stream.patch_size)
    predicted = []
    for glass in tqdm(glasses, unit="glass", disable=len(glasses) < 2):
        (graph,) = glass_graphs(config, [glass])
        predicted.append(replace(glass, barrier=predict(graph)))
        _warn_if_unlike(glass, novelty(model, graph))
    return predicted


def _warn_if_unlike(glass: Glass, found: float | None) -> None:
    if found is not None and found > UNLIKE:
        tqdm.write(f"{glass.name}: unlike the training glasses, novelty {found:.1f}; theirs is 1", sys.stderr)


def _within(
    memory: int,
    model: BarrierModel,
    config: RunConfig,
    glasses: Sequence[Glass],
    unfinished: Path,
    *,
    overwrite: bool,
) -> list[Glass]:
    stages = StageFunctions(model)
    graph = {"cutoff": config.graph.cutoff, "self_loops": config.graph.self_loops}
    predicted, taken = [], peak_resident()  # once: what one glass frees the next one uses again
    for k, glass in enumerate(glasses):
        cut = cut_to_fit(glass, stages, memory, taken=taken, **graph)
        identity = identity_of(glass, model, graph)
        path = unfinished / f"{k}"
        with naming(path), closing(PartialPrediction(path, identity, glass.n_atoms, overwrite=overwrite)) as partial:
            predicted.append(replace(glass, barrier=predict_in_slabs(stages, config, glass, cut, partial)))
        _warn_if_unlike(glass, novelty_in_slabs(model, _slabbed(glass, config, cut)))
    return predicted
