"""Energy barriers of structure files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from tf_symgnn.data import check_output, iter_glasses, require_species, write_glasses
from tf_symgnn.training import Predictor, RunFolder, glass_graphs


def predict_files(
    run: RunFolder,
    files: Sequence[str | Path],
    output: str | Path,
    *,
    species: Sequence[str] | None = None,
    overwrite: bool = False,
) -> int:
    """Predicts every glass in structure files and writes them, in order, to one file with an `energy_barrier` column.

    Labels that a file carries are not read. The output's suffix chooses extended XYZ, LAMMPS dump or npz. LAMMPS types
    are named by `species`, or else as in the run's training data.

    Returns:
        The number of glasses.

    Raises:
        InputError: a file cannot be used, holds a species the model was not trained on, or the output exists.
    """
    check_output(output, overwrite=overwrite)
    config = run.config()
    type_names = species or config.type_names
    glasses = [glass for file in files for glass in iter_glasses(file, label=None, species=type_names)]
    require_species(glasses, run.facts().species)
    predict = Predictor(run.load_model(), patch_size=config.stream.patch_size)
    predicted = []
    for glass in tqdm(glasses, unit="glass", disable=len(glasses) < 2):
        (graph,) = glass_graphs(config, [glass])
        predicted.append(replace(glass, barrier=predict(graph)))
    write_glasses(output, predicted, overwrite=overwrite)
    return len(predicted)
