"""Load a trained model, and predict the energy barriers of structures."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from typing import overload

import ase
import numpy as np
from ase.data import chemical_symbols

from tf_symgnn.data import Glass, InputError, ReadOptions, read_last_frame, require_species
from tf_symgnn.domain.extrapolation import Extrapolation, ExtrapolationWarning, summarize
from tf_symgnn.errors import require_type
from tf_symgnn.export.exported import ExportedModel
from tf_symgnn.export.saved_model import metadata
from tf_symgnn.inference.files import write_predictions
from tf_symgnn.inference.trained import TrainedModel
from tf_symgnn.locations import find_model, is_run
from tf_symgnn.progress import progress_bar
from tf_symgnn.runs import Run, RunFolder, open_run

Structure = ase.Atoms | Glass | str | os.PathLike[str]
_ONE = (ase.Atoms, Glass, str, os.PathLike)


class Predictor:
    """A trained model that predicts energy barriers. `load_model` makes one.

    Attributes:
        metadata: species, cutoff in A, units, versions and more, as in an export's `metadata.json`.
        species: chemical symbols of the training glasses. Others are refused.
        cutoff: of the neighbor graph, A.
        model: the Keras model, a `BarrierModel`; None of an export.
    """

    def __init__(self, loaded: TrainedModel | ExportedModel, metadata: dict):
        self._loaded, self.metadata = loaded, metadata
        self.species = [chemical_symbols[number] for number in sorted(loaded.species)]
        self.cutoff, self.model = float(metadata["cutoff"]), loaded.model

    @overload
    def predict(self, structures: Structure) -> np.ndarray: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, structures: Iterable[Structure]) -> list[np.ndarray]: ...

    def predict(self, structures: Structure | Iterable[Structure]) -> np.ndarray | list[np.ndarray]:
        """Return the energy barriers of all atoms of a structure or of several, eV.

        An `ExtrapolationWarning` is issued for a structure outside the training data. Several structures give one
        warning, with the worst of them. A bar shows their progress, in a log one line a minute.

        Args:
            structures: `ase.Atoms` or a `Glass`, in A, the path of a structure file, or a list of these. Of a file with
                several frames, the last one is taken, as `ase.io.read` does; `iter_glasses` yields all.

        Returns:
            f64[N] eV of one structure; a list of such arrays of a list.

        Raises:
            InputError: a structure is invalid or has a species that is not in the training data. Nothing is predicted
                if this is found before the first prediction.
        """
        type_names = self._loaded.type_names
        if isinstance(structures, _ONE):
            glasses = [to_glass(structures, type_names=type_names)]
        else:
            require_type("predict", "structures", structures, Iterable, "a structure or a list of them")
            glasses = [to_glass(x, type_names=type_names, name=f"atoms[{k}]") for k, x in enumerate(structures)]
        barriers, warning = self._predict(glasses)
        if warning:
            warnings.warn(warning, ExtrapolationWarning, stacklevel=2)
        return barriers[0] if isinstance(structures, _ONE) else barriers

    def _predict(self, glasses: Sequence[Glass]) -> tuple[list[np.ndarray], str]:
        """Return the barriers of glasses and a warning of those outside the training data, empty if there is none."""
        require_species(glasses, self._loaded.species)
        barriers: list[np.ndarray] = []
        extrapolations: dict[str, Extrapolation] = {}
        for k, glass in enumerate(progress_bar(glasses, unit="glass", disable=len(glasses) < 2)):
            barrier, extrapolation = self._loaded.predict(glass)
            barriers.append(barrier)
            extrapolations[f"{glass.place} ({k})" if glass.place in extrapolations else glass.place] = extrapolation
        return barriers, "; ".join(summarize(extrapolations))


def load_model(path_or_name: str | os.PathLike[str]) -> Predictor:
    """Return a trained model that predicts energy barriers.

    Args:
        path_or_name: a run folder, a folder that `tf-symgnn export` wrote (its newest version is used) or one of its
            versions, or the name of a model that is part of the package. The name wins over a path of that name.

    Raises:
        InputError: there is no such model, or it is damaged.
    """
    path = find_model(path_or_name)
    if is_run(path):
        run = RunFolder.open(path)
        return Predictor(TrainedModel(run), metadata(run))
    exported = ExportedModel(path)
    return Predictor(exported, exported.metadata)


def predict_files(
    run: Run,
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    options: ReadOptions | None = None,
    overwrite: bool = False,
    memory: int | None = None,
) -> int:
    """Predict every glass of some files and folders, and write all to one file.

    The output has species, positions, cell, ids, time step and an `energy_barrier` column, eV, of each glass. Glasses
    are in the order of the files, those of a folder by name. Other columns of the input are kept if `options` ask for
    them. One of that name is renamed to `input_energy_barrier`. An `ExtrapolationWarning` is issued if some glasses are
    outside the training data.

    Args:
        run: the run or its folder, or the name of a model that is part of the package.
        files: a structure file, a folder of them, or a list of these.
        output: file to write; its suffix selects extended XYZ, LAMMPS dump or npz.
        options: how files are read; labels are not, and species are by default those of the run.
        overwrite: whether the output may be replaced.
        memory: largest memory of the process, bytes. Glasses are then predicted slab by slab, and a killed run
            continues. By default, they are predicted whole.

    Returns:
        The number of glasses.

    Raises:
        InputError: a file cannot be used, has a species that is not in the training data, the output exists, or the
            memory is too small.
    """
    paths = [files] if isinstance(files, (str, os.PathLike)) else files
    extrapolations = write_predictions(
        open_run(run),
        [os.fspath(path) for path in paths],
        os.fspath(output),
        options=options,
        overwrite=overwrite,
        memory=memory,
    )
    if warning := "; ".join(summarize(extrapolations)):
        warnings.warn(warning, ExtrapolationWarning, stacklevel=2)
    return len(extrapolations)


def to_glass(structure: Structure, *, type_names: Sequence[str] | None = None, name: str = "atoms") -> Glass:
    """Return the glass of a structure, without labels if it is Atoms or a file.

    Args:
        structure: `ase.Atoms`, a `Glass` or the path of a structure file, whose last frame is taken.
        type_names: chemical symbols of LAMMPS types 1, 2, ...
        name: of Atoms in errors.

    Raises:
        InputError: the structure is invalid.
    """
    if isinstance(structure, Glass):
        return structure
    if isinstance(structure, (str, os.PathLike)):
        return read_last_frame(os.fspath(structure), ReadOptions(label=None, species=type_names))
    if isinstance(structure, ase.Atoms):
        return Glass.from_ase(structure, label=None, source=name)
    raise InputError(name, "structure", repr(structure), "ase.Atoms, a Glass or the path of a structure file")
