"""What the command line does, as functions: training, graphs, scores, exports and explanations."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import ase
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tf_symgnn import names
from tf_symgnn.api.predictor import Structure, to_glass
from tf_symgnn.config import GraphConfig, PairStyle, RunConfig
from tf_symgnn.data import Glass, InputError, ReadOptions, noise_ceiling, require_species
from tf_symgnn.data.limits import RELAXED_FORCE
from tf_symgnn.domain.extrapolation import Extrapolation, ExtrapolationWarning, summarize
from tf_symgnn.errors import require_choice, require_type
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.inference import CompiledModel
from tf_symgnn.inference.extrapolation import graph_extrapolation
from tf_symgnn.potentials.eam import EamPotential
from tf_symgnn.potentials.relaxation import relaxed
from tf_symgnn.potentials.tables import read_potential_file
from tf_symgnn.runs import Run, RunFolder, open_run, read_labeled_splits, stored_in_run

if TYPE_CHECKING:
    from tf_symgnn.explain import Explanation

Format = Literal["savedmodel", "onnx"]


def train(
    config: RunConfig,
    glasses: Mapping[str, Iterable[ase.Atoms | Glass]] | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: Sequence[tf.keras.callbacks.Callback] = (),
) -> RunFolder:
    """Train a model, keep its best weights by validation Pearson, and score them on validation and test.

    Args:
        config: of the run; when resuming, the stored one, or one of more epochs or minutes.
        glasses: labeled `ase.Atoms` or glasses, in A and eV, by split: `train`, `validation` and, optionally, `test`.
            The array of Atoms that `config.label` names holds the barriers. The run folder stores the glasses, under
            names such as `train0`, so that the run can be resumed. None reads the files that `config.data` names.
        resume: continue from the run folder's last finished epoch.
        overwrite: replace a run that the folder holds.
        callbacks: of Keras. Each epoch they run before its state is stored; `self.model.barrier_model` is the model.

    Returns:
        The run's folder. `load_model` takes it.

    Raises:
        InputError: the data, the configuration or the run folder cannot be used, or another process trains in it.
        TrainingStopped: the loss is no longer finite, or another worker is gone or was refused.
    """
    from tf_symgnn import training

    if glasses is None:
        return training.train(config, resume=resume, overwrite=overwrite, callbacks=callbacks)
    if resume:
        raise InputError("train", "glasses", "glasses to resume with", "none: the run folder stores those of the run")
    require_type("train", "glasses", glasses, Mapping, "glasses by split, as in {'train': [...], 'validation': [...]}")
    splits = {
        split: [_labeled(member, config.label, f"{split}[{k}]") for k, member in enumerate(members)]
        for split, members in glasses.items()
    }
    config, stored = stored_in_run(config, splits)
    return training.train(config, glasses=stored, overwrite=overwrite, callbacks=callbacks)


def _labeled(structure: ase.Atoms | Glass, label: str, name: str) -> Glass:
    """Return the glass of a structure with the labels of Atoms, which errors name."""
    require_type(name, "structure", structure, (ase.Atoms, Glass), "ase.Atoms or a Glass")
    return structure if isinstance(structure, Glass) else Glass.from_ase(structure, label=label, source=name)


def graph_tensor(
    structure: Structure, *, cutoff: float | None = None, self_loops: bool | None = None, run: Run | None = None
) -> tfgnn.GraphTensor:
    """Return the GraphTensor of a structure, as a model takes it; `schemas/glass.pbtxt` describes it.

    Args:
        structure: `ase.Atoms` or a `Glass`, in A, or the path of a structure file.
        cutoff: atoms closer than this are neighbors, A; 5 by default.
        self_loops: whether each atom is also a neighbor of itself; by default it is.
        run: a run or its folder, in place of the two: the graph is as its model takes it, with descriptors from its
            potential if the model reads them.

    Raises:
        InputError: the structure is invalid, exceeds a limit of `tf_symgnn.data.limits`, or is not at rest under the
            potential; or there is a cutoff or `self_loops` beside a run.
    """
    if run is None:
        settings = GraphConfig(
            cutoff=GraphConfig.cutoff if cutoff is None else cutoff,
            self_loops=GraphConfig.self_loops if self_loops is None else self_loops,
        )
        return to_graph_tensor(build_graph(to_glass(structure), cutoff=settings.cutoff, self_loops=settings.self_loops))
    for name, value in (("cutoff", cutoff), ("self_loops", self_loops)):
        if value is not None:
            raise InputError("graph_tensor", name, value, "none beside a run, which has its own")
    folder = open_run(run)
    (graph,) = folder.graphs([to_glass(structure, type_names=folder.config().type_names)])
    return to_graph_tensor(graph)


def relax(
    structure: Structure,
    potential: str | os.PathLike[str],
    pair_style: PairStyle | None = None,
    max_force: float = RELAXED_FORCE,
) -> Glass:
    """Return a structure moved downhill to a minimum of the energy of a potential, in the same cell.

    Labels and other columns belong to the positions before and are dropped.

    Args:
        structure: `ase.Atoms` or a `Glass`, in A, or the path of a structure file.
        potential: LAMMPS file of an embedded-atom potential, or the `potential.eam.fs` of a run folder.
        pair_style: of the potential; None takes it from the end of the file's name.
        max_force: largest force on an atom at the end, eV/A.

    Raises:
        InputError: the structure or the potential is invalid, a species has no table, two atoms coincide, or the
            forces remain larger.
    """
    tables = read_potential_file(os.fspath(potential), pair_style)
    return relaxed(EamPotential(tables), to_glass(structure), max_force=max_force)


def evaluate(
    run: Run,
    data: str | os.PathLike[str],
    *,
    split: str = names.TEST,
    options: ReadOptions | None = None,
) -> dict:
    """Return the scores of a run's best weights on labeled glasses.

    An `ExtrapolationWarning` is issued if some of them are outside the training data.

    Args:
        run: the run or its folder.
        data: a folder of structure files, or one file.
        split: `train`, `validation`, `test` or `all`.
        options: how files are read; by default label and species are those of the run.

    Returns:
        Pearson, MAE and RMSE over all atoms and of each glass, the number of atoms, the invariance error, and of each
        glass the `extrapolation`, above 1 outside the training data. `noise_ceiling` is the Pearson that exact
        barriers are expected to have with these labels, or None if the files do not have the spread of their events.

    Raises:
        InputError: there is no glass in the split, or a glass or the run cannot be used.
    """
    record, extrapolations = score(run, data, split=split, options=options)
    if warning := "; ".join(summarize(extrapolations)):
        warnings.warn(warning, ExtrapolationWarning, stacklevel=2)
    return record


def score(
    run: Run, data: str | os.PathLike[str], *, split: str, options: ReadOptions | None
) -> tuple[dict, dict[str, Extrapolation]]:
    """Return what `evaluate` returns, and how far each glass is outside the training data, without a warning."""
    from tf_symgnn.training import evaluate as evaluate_graphs

    require_choice("evaluate", "split", split, (*names.SPLITS, names.ALL_SPLITS))
    run = open_run(run)
    config, statistics = run.config(), run.statistics()
    wanted: Sequence[str] = names.SPLITS if split == names.ALL_SPLITS else [split]
    options = options or ReadOptions(label=config.label, species=config.type_names)
    by_split = read_labeled_splits(os.fspath(data), options, wanted)
    glasses = [glass for part in wanted for glass in by_split[part]]
    if not glasses:
        raise InputError(os.fspath(data), f"{split} split", "no glass", "at least one; --split all scores every glass")
    require_species(glasses, statistics.species)
    model, graphs = run.load_model(), run.graphs(glasses)
    record, predictions = evaluate_graphs(CompiledModel(model, patch_size=config.stream.patch_size), graphs)
    record["noise_ceiling"] = noise_ceiling(glasses)
    extrapolations = {
        graph.name: graph_extrapolation(statistics.domain, model, graph, config.graph.cutoff, barrier)
        for graph, barrier in zip(graphs, predictions, strict=True)
    }
    for name, extrapolation in extrapolations.items():
        record["per_glass"][name] |= extrapolation.info
    return record, extrapolations


def export_model(run: Run, output: str | os.PathLike[str], *, format: Format = "savedmodel") -> Path:
    """Write the best model of a run as a SavedModel or as an ONNX file, neither of which requires this package.

    Args:
        run: the run or its folder.
        output: for `savedmodel` a folder of versions, to which the next is added, first `output/1`; for `onnx` a file.
        format: `savedmodel` or `onnx`, which requires `tf_symgnn[onnx]`.

    Returns:
        The folder of the new version, or the file.

    Raises:
        InputError: the output exists, the run has no weights yet, or a package is missing.
    """
    from tf_symgnn.export.saved_model import export

    require_choice("export", "format", format, get_args(Format))
    run = open_run(run)
    if format == "savedmodel":
        return export(run, os.fspath(output))
    try:
        from tf_symgnn.export.onnx_file import export_onnx
    except ModuleNotFoundError as error:
        raise InputError("export", "--format", f"onnx without {error.name}", 'pip install "tf_symgnn[onnx]"') from error
    export_onnx(run, os.fspath(output))
    return Path(output)


def explain_barriers(
    run: Run,
    structure: Structure,
    centers: str | Iterable[int],
    *,
    output: str | os.PathLike[str] | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Explanation:
    """Find the pairs of atoms that predicted barriers depend on, and describe their structure.

    Args:
        run: the run or its folder.
        structure: `ase.Atoms` or a `Glass`, in A, or the path of a structure file.
        centers: indices of the atoms to explain, or a text such as `0,5,10-20` or `nearest:50`.
        output: folder to write a report to; None writes none.
        seed: of the masks.
        overwrite: whether to replace an explanation in the folder.

    Raises:
        InputError: the structure, the centers or the output cannot be used, or a package is missing.
    """
    try:
        from tf_symgnn.explain import check_folder, explain, parse_centers, write_report
    except ImportError as error:
        raise InputError("explain", "packages", f"no {error.name}", 'pip install "tf_symgnn[explain]"') from error
    run = open_run(run)
    config = run.config()
    if output is not None:
        check_folder(os.fspath(output), overwrite=overwrite)
    glass = to_glass(structure, type_names=config.type_names)
    require_species([glass], run.statistics().species)
    require_type("explain", "centers", centers, Iterable, "numbers of atoms, or a text such as nearest:50")
    chosen = parse_centers(centers if isinstance(centers, str) else ",".join(map(str, centers)), glass)
    (graph,) = run.graphs([glass])
    explanation = explain(run.load_model(), graph, chosen, cutoff=config.graph.cutoff, seed=seed)
    if output is not None:
        write_report(explanation, os.fspath(output), glass=glass, overwrite=overwrite)
    return explanation
