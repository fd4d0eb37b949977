"""Graphs, scores, exports, explanations, training and models of one's own from Python."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import tf_symgnn
from tests.conftest import random_glass
from tests.small_runs import small_config
from tf_symgnn import names
from tf_symgnn.cli import main
from tf_symgnn.config import NetworkConfig, RunConfig
from tf_symgnn.data import InputError, LabelScaling
from tf_symgnn.models.catalog import CATALOG
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.runs import configured_model, read_history, read_labeled

SCALING = LabelScaling(mean=1.6, std=0.3)


def test_the_keras_model_takes_graph_tensors(finished_run):
    predictor = tf_symgnn.load_model(finished_run.path)
    glass = random_glass(60, 25)
    graph = tf_symgnn.graph_tensor(glass.to_ase(), cutoff=predictor.cutoff)
    np.testing.assert_allclose(predictor.model(graph), predictor.predict(glass), atol=1e-5)
    assert (
        graph.edge_sets[names.NEIGHBORS].total_size
        > tf_symgnn.graph_tensor(glass, cutoff=predictor.cutoff, self_loops=False).edge_sets[names.NEIGHBORS].total_size
    )
    with pytest.raises(InputError, match="cutoff"):
        tf_symgnn.graph_tensor(glass, cutoff=-1.0)


def test_scores_are_those_of_the_run(finished_run, data):
    record = tf_symgnn.evaluate(finished_run, data)
    assert record["pearson"] == pytest.approx(json.loads(finished_run.metrics_file.read_text())["test"]["pearson"])
    assert tf_symgnn.evaluate(finished_run.path, data, split="all")["n_atoms"] == 280
    with pytest.raises(InputError, match="split: found 'tests', expected one of train, validation, test, all"):
        tf_symgnn.evaluate(finished_run, data, split="tests")


def test_an_export_is_checked_before_it_is_written(finished_run, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="file: export: found a file"):
        tf_symgnn.export_model(finished_run.path, tmp_path / "file")
    with pytest.raises(InputError, match="format: found 'pickle', expected one of savedmodel, onnx"):
        tf_symgnn.export_model(finished_run, tmp_path / "new", format="pickle")
    with pytest.raises(InputError, match="nowhere: model: found no folder"):
        tf_symgnn.export_model(tmp_path / "nowhere", tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_centers_of_an_explanation_are_checked(finished_run, tmp_path):
    pytest.importorskip("gudhi")
    with pytest.raises(InputError, match="atoms: found 25, expected an index from 0 to 24"):
        tf_symgnn.explain_barriers(finished_run, random_glass(60, 25), [3, 25], output=tmp_path / "out")
    with pytest.raises(InputError, match="species: found Au"):
        gold = random_glass(60, 25).to_ase()
        gold.symbols[0] = "Au"
        tf_symgnn.explain_barriers(finished_run, gold, [3], output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::tf_symgnn.ExtrapolationWarning")
def test_scores_come_with_the_noise_ceiling_of_the_labels(finished_run, capsys, tmp_path):
    glass = random_glass(60, 25)
    noisy = replace(glass, events=np.full(25, 4), spread=np.full(25, 0.1))
    for k, member in enumerate((glass, noisy)):
        tf_symgnn.write_glasses(tmp_path / f"{k}.xyz", [member])
    ceiling = np.sqrt(1 - 0.01 / 4 / glass.barrier.var())
    scores = [tf_symgnn.evaluate(finished_run, tmp_path / f"{k}.xyz", split="all") for k in range(2)]
    assert scores[0]["noise_ceiling"] is None and scores[1]["noise_ceiling"] == pytest.approx(ceiling)
    assert main(["evaluate", str(finished_run.path), "--data", str(tmp_path / "1.xyz"), "--split", "all"]) == 0
    assert f" (exact barriers: about {ceiling:.2f}, as labels are noisy), mae " in capsys.readouterr().out


def test_glasses_in_memory_are_stored_with_the_run_which_is_resumed_from_them(tmp_path):
    first, second, third = (random_glass(seed, 30) for seed in (90, 91, 92))
    atoms = first.to_ase()
    atoms.set_array("Q", atoms.arrays.pop("energy_barrier"))
    atoms.set_array("Q_events", np.full(30, 4))
    spread = np.linspace(0.1, 0.2, 30)
    atoms.set_array("Q_std", spread)
    glasses = {"train": [atoms, replace(second, source="b.xyz", frame=3)], "validation": [third]}
    config = replace(small_config(tmp_path, tmp_path / "run", model="gcn", epochs=1, label="Q"), data=None)
    run = tf_symgnn.train(config, glasses)
    assert tf_symgnn.load_model(run).predict(atoms).shape == (30,)
    for folder in (run, tf_symgnn.train(replace(run.config(), epochs=2), resume=True)):
        assert list(folder.metrics()["validation"]["per_glass"]) == ["validation0"]
        found = read_labeled(folder.config())
        assert [len(found[split]) for split in names.SPLITS] == [2, 1, 0]
        for glass, stored in zip((first, second, third), [*found["train"], *found["validation"]], strict=True):
            for field in ("positions", "cell", "pbc", "species", "barrier"):
                np.testing.assert_array_equal(getattr(stored, field), getattr(glass, field))
        of_events, plain = found["train"]
        assert of_events.events.tolist() == [4] * 30 and plain.events is None
        np.testing.assert_array_equal(of_events.spread, spread)
    assert len(read_history(run)) == 2
    with pytest.raises(InputError, match="glasses: found glasses to resume with, expected none: the run folder stores"):
        tf_symgnn.train(run.config(), glasses, resume=True)


def test_glasses_in_memory_are_checked_before_a_run_is_made(tmp_path):
    glass = random_glass(90, 30)
    config = RunConfig(run_dir=str(tmp_path / "run"))
    plain = glass.to_ase()
    del plain.arrays["energy_barrier"]
    for glasses, words in (
        ({"train": [glass], "validation": [plain]}, r"validation\[0\]: energy_barrier: found no such column"),
        ({"train": [glass], "valid": [glass]}, "split: found 'valid', expected one of train, validation, test"),
        ({"train": [glass]}, "validation split: found no glass"),
        ({"train": [glass, "a.xyz"]}, r"train\[1\]: structure: found 'a.xyz', expected ase.Atoms or a Glass"),
        ([glass], "glasses: found .*, expected glasses by split"),
    ):
        with pytest.raises(InputError, match=words):
            tf_symgnn.train(config, glasses)
    with pytest.raises(InputError, match="data: found here, expected none beside glasses in memory"):
        tf_symgnn.train(replace(config, data="here"), {"train": [glass], "validation": [glass]})
    assert not (tmp_path / "run").exists()


class Mine(SymGNN):
    """An architecture of a user: SymGNN of twice the width."""


def _mine(name, network, setting):
    return Mine(species=setting.species, cutoff=setting.cutoff, width=2 * network.width, heads=network.heads, name=name)


@pytest.fixture
def catalog(monkeypatch):
    """Leave the catalog as it was."""
    before = dict(CATALOG)
    yield
    CATALOG.clear()
    CATALOG.update(before)


def test_a_registered_model_is_built_from_a_configuration(catalog, tmp_path):
    from tf_symgnn.models.baselines.gcn import GCN

    tf_symgnn.register_model("mine", _mine, heads=(2, 1))
    tf_symgnn.register_model("my_gcn", GCN)
    config = small_config(tmp_path, tmp_path / "run", model="mine")
    model = configured_model(config, (29, 40), SCALING)
    assert isinstance(model, Mine) and model.get_config()["width"] == 16 and model.name == "mine"
    assert model(tf_symgnn.graph_tensor(random_glass(0, 12))).shape == (12,)
    assert isinstance(configured_model(replace(config, model="my_gcn"), (29, 40), SCALING), GCN)


def test_names_of_the_package_and_other_objects_are_refused(catalog):
    with pytest.raises(InputError, match="found symgnn, expected a name that no model of the package has"):
        tf_symgnn.register_model("symgnn", _mine)
    with pytest.raises(InputError, match="build: found 'mine'"):
        tf_symgnn.register_model("mine", "mine")


def batches(cutoff=4.0):
    """Return two graphs with labels as a user's own dataset; one atom of each has no label."""
    pairs = []
    for seed, n_atoms in ((0, 30), (1, 25)):
        glass = random_glass(seed, n_atoms)
        label = glass.barrier.astype(np.float32)
        label[3] = np.nan
        pairs.append((tf_symgnn.graph_tensor(glass, cutoff=cutoff), label))
    signature = (pairs[0][0].spec.relax(num_nodes=True, num_edges=True), tf.TensorSpec([None], tf.float32))
    return tf.data.Dataset.from_generator(lambda: iter(pairs), output_signature=signature)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["symgnn", "gcn", "symgnn_spectral"])
def test_a_model_of_the_catalog_fits_a_dataset_of_ones_own(name, weighted, tmp_path):
    model = configured_model(small_config(tmp_path, tmp_path / "run", model=name), (29, 40), SCALING)
    dataset = batches()
    if weighted:
        dataset = dataset.map(lambda graph, label: (graph, label, tf.ones_like(label)))
    before = [variable.numpy() for variable in model.trained.trainable_variables]
    expected = []
    for graph, label, *_ in dataset:
        prediction = model(graph, training=False).numpy()
        expected.append(np.square(prediction - label)[np.isfinite(label)])
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"], run_eagerly=True)
    first = model.evaluate(dataset, verbose=0, return_dict=True)
    assert first["loss"] == pytest.approx(np.concatenate(expected).mean(), rel=1e-4)
    history = model.fit(dataset, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["mae"]).all()
    assert any(not np.array_equal(old, new) for old, new in zip(before, model.trained.trainable_variables, strict=True))


def test_a_model_fits_as_keras_users_type_it():
    """In graph mode, as `compile` and `fit` do by default; the loss of an atom falls."""
    model = configured_model(RunConfig(model="gcn", network=NetworkConfig(width=8, heads=(1,))), (29, 40), SCALING)
    dataset = batches(cutoff=RunConfig().graph.cutoff)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.01), loss="mse")
    losses = model.fit(dataset, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["symgnn", "schnet", "symgnn_spectral"])
def test_keras_files_restore_a_model(name, tmp_path, recwarn):
    model = configured_model(small_config(tmp_path, tmp_path / "run", model=name), (29, 40), SCALING)
    rng = np.random.default_rng(0)
    model.set_weights(
        [x + 0.1 * rng.random(x.shape).astype(x.dtype) if x.dtype.kind == "f" else x for x in model.get_weights()]
    )
    graph = tf_symgnn.graph_tensor(random_glass(0, 20), cutoff=4.0)
    model.save(tmp_path / "model.keras")
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    np.testing.assert_allclose(loaded(graph), model(graph), atol=1e-6)
    assert not [str(warning.message) for warning in recwarn]


def test_the_names_of_the_interface_are_listed_and_exist():
    assert {"train", "load_model", "Predictor", "BarrierCalculator", "RunConfig"} <= set(dir(tf_symgnn))
    assert set(dir(tf_symgnn)) == set(tf_symgnn.__all__)
    for name in tf_symgnn.__all__:
        assert getattr(tf_symgnn, name) is not None
