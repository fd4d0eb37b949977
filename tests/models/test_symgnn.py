"""The model SymGNN: symmetries, determinism, unusual structures, padding, pair weights, defaults."""

import inspect
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, ZOO, random_glass
from tests.models.influence import distances, pairs_used
from tests.small_runs import padded
from tf_symgnn.config import GraphConfig, NetworkConfig, RunConfig
from tf_symgnn.data import InputError, LabelScaling
from tf_symgnn.graph import PatchedGlass, SubsetStream, build_graph, to_graph_tensor, with_pair_weights
from tf_symgnn.models.catalog import CATALOG, Setting, build_model
from tf_symgnn.models.symgnn import SymGNN

CUTOFF = 4.0
SETTING = Setting(SPECIES, LabelScaling(1.5, 0.3))


def small_model(**changes) -> SymGNN:
    """Return a model of three layers with batch statistics of a glass and perturbed weights."""
    tf.keras.utils.set_random_seed(0)
    sizes = {"width": 8, "heads": (4, 2, 1), "decoder_layers": 2, "transforms": 4}
    model = SymGNN(species=SPECIES, cutoff=CUTOFF, label_mean=1.5, label_std=0.3, **sizes | changes)
    model(to_graph_tensor(graph_of(random_glass(99, 20))), training=True)
    for k, variable in enumerate(model.trainable_variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, (k, 0), dtype=variable.dtype))
    return model


@pytest.fixture(scope="module", params=["euler_von_mises", "angular_gaussian", "uniform"])
def model(request):
    return small_model(distribution=request.param)


def graph_of(glass):
    return build_graph(glass, cutoff=CUTOFF, self_loops=True)


def predict(model, glass):
    return model(to_graph_tensor(graph_of(glass))).numpy()


def test_predictions_are_finite(zoo_glass):
    predicted = predict(small_model(distribution="uniform"), zoo_glass)
    assert predicted.shape == (zoo_glass.n_atoms,)
    assert np.isfinite(predicted).all()


def test_the_prediction_for_an_atom_without_pairs_is_finite(model):
    isolated = build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=False)
    assert isolated.n_pairs == 0
    assert np.isfinite(model(to_graph_tensor(isolated))).all()


def test_a_graph_without_atoms_has_no_predictions(model):
    isolated = build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=False)
    empty = replace(
        isolated, atomic_numbers=isolated.atomic_numbers[:0], positions=isolated.positions[:0], barrier=None
    )
    assert model(to_graph_tensor(empty)).shape == (0,)


def test_predictions_are_deterministic(model):
    glass = random_glass(0, 60)
    np.testing.assert_array_equal(predict(model, glass), predict(model, glass))


def test_predictions_are_invariant_under_translation(model):
    glass = random_glass(0, 60)
    translated = replace(glass, positions=glass.positions + [3.7, -1.2, 0.4])
    np.testing.assert_allclose(predict(model, translated), predict(model, glass), atol=2e-5)


def test_permutation_of_atoms_permutes_predictions(model):
    glass = random_glass(0, 60)
    order = np.random.default_rng(0).permutation(60)
    shuffled = replace(
        glass, positions=glass.positions[order], species=glass.species[order], barrier=glass.barrier[order]
    )
    np.testing.assert_allclose(predict(model, shuffled), predict(model, glass)[order], atol=2e-5)


def test_predictions_do_not_depend_on_the_choice_of_cell_vectors(model):
    glass = random_glass(0, 60)
    sheared = replace(glass, cell=np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]]) @ glass.cell)
    np.testing.assert_allclose(predict(model, sheared), predict(model, glass), atol=2e-5)


def test_the_invariance_error_falls_with_the_number_of_transforms():
    """Predictions are invariant in expectation. The error is about proportional to 1 / sqrt(K)."""
    glass = random_glass(1, 60)
    rotation = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    rotated = replace(glass, positions=glass.positions @ rotation, cell=glass.cell @ rotation)
    errors = []
    for transforms in (2, 512):
        model = small_model(distribution="uniform", transforms=transforms)
        change = predict(model, rotated) - predict(model, glass)
        errors.append(np.sqrt(np.square(change).mean()) / predict(model, glass).std())
    assert errors[1] < errors[0] / 4
    assert errors[0] > 1e-3


def test_padding_and_batching_change_no_prediction(model):
    graphs = [graph_of(random_glass(k, n)) for k, n in enumerate((30, 45, 38))]
    single = [model(to_graph_tensor(graph)).numpy() for graph in graphs]
    for batch_size in (1, 2):
        batched = [
            model(padded(tensor)).numpy()[: len(label)]
            for tensor, label, _ in SubsetStream(graphs, batch_size=batch_size).in_order()
        ]
        np.testing.assert_allclose(np.concatenate(batched), np.concatenate(single), atol=2e-5)


def test_padding_changes_no_training_step():
    graphs = [graph_of(random_glass(k, n)) for k, n in enumerate((30, 45))]
    results = []
    for pad in (lambda tensor: tensor, padded):
        model = small_model()
        tensor, label, _ = next(iter(SubsetStream(graphs).in_order()))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(pad(tensor), training=True)[: len(label)] - label))
        results.append((loss, tape.gradient(loss, model.trainable_variables), model.non_trainable_variables))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    for part in (1, 2):
        for one, other in zip(results[0][part], results[1][part], strict=True):
            one, other = tf.convert_to_tensor(one), tf.convert_to_tensor(other)
            np.testing.assert_allclose(one, other, atol=1e-4 * max(1.0, float(tf.reduce_max(tf.abs(one)))))


def test_a_patch_is_exact_with_a_full_halo_only():
    """The receptive field of three layers of 4 A is 12 A. The glass is 25 A wide, so a patch is smaller."""
    model = small_model(distribution="uniform", dtype="float64")
    graph = graph_of(random_glass(0, 1000))
    whole = model(to_graph_tensor(graph)).numpy()
    errors = []
    for halo in (model.receptive_field, 8.0, 4.0, 0.0):
        patched = PatchedGlass(graph, size=1.0, halo=halo)
        part, atoms, core = patched.extract(0)
        assert core.sum() > 0 and len(atoms) < graph.n_atoms
        predicted = model(to_graph_tensor(part)).numpy()
        errors.append(np.abs(predicted[core] - whole[atoms[core]]).max())
        squared_error = np.square(predicted[core] - graph.barrier[atoms[core]])
        expected = np.square(whole[atoms[core]] - graph.barrier[atoms[core]])
        if halo == model.receptive_field:
            np.testing.assert_allclose(squared_error, expected, atol=1e-10)
    assert errors[0] < 1e-10 and 1e-7 < errors[1] < errors[3]


def test_a_pair_of_weight_zero_has_no_effect(model):
    graph = graph_of(random_glass(5, 40))
    kept = np.random.default_rng(1).random(graph.n_pairs) < 0.7
    weighted = model(with_pair_weights(to_graph_tensor(graph), tf.constant(kept, tf.float32)))
    without = replace(
        graph, source=graph.source[kept], target=graph.target[kept], displacement=graph.displacement[kept]
    )
    np.testing.assert_allclose(weighted, model(to_graph_tensor(without)), atol=2e-5)


def test_an_unknown_species_gives_nan_in_its_receptive_field(model):
    glass = random_glass(0, 200)
    species = glass.species.copy()
    species[4] = "Al"
    predicted = predict(model, replace(glass, species=species))
    graph = graph_of(glass)
    affected = {4}
    for _ in model.layers_:
        affected |= set(graph.target[np.isin(graph.source, list(affected))])
    assert 20 < len(affected) < 200
    np.testing.assert_array_equal(np.isnan(predicted), np.isin(np.arange(200), list(affected)))


def test_predictions_depend_on_the_receptive_field_only():
    model = small_model(distribution="uniform")
    graph = graph_of(random_glass(3, 1000))
    distance = distances(graph)
    nearer = np.minimum(distance[graph.source], distance[graph.target])
    reach = nearer[pairs_used(model, graph)].max()
    assert model.receptive_field == 12.0
    assert 8.0 - CUTOFF < reach <= model.receptive_field


def test_config_defaults_are_the_models_own():
    parameters = inspect.signature(SymGNN).parameters
    own = {name: parameter.default for name, parameter in parameters.items()}
    left_to_the_model = []
    for name, value in asdict(NetworkConfig()).items():
        if value is None:
            left_to_the_model.append(name)
        else:
            assert own[name] == value, name
    assert own["cutoff"] == GraphConfig().cutoff
    assert left_to_the_model == ["heads", "layers", "distribution"]
    published = {"heads": (8, 4, 2, 1), "distribution": "euler_von_mises"}
    for model, expected in (("symgnn", published), ("symgnn_spectral", {"heads": (2, 2, 1), "distribution": "haar"})):
        trained = build_model(model, NetworkConfig(), SETTING).trained
        assert {name: trained.get_config()[name] for name in expected} == expected
    for network, layers in ((NetworkConfig(), 4), (NetworkConfig(heads=(2, 1)), 2), (NetworkConfig(layers=3), 3)):
        assert build_model("gcn", network, SETTING).get_config()["layers"] == layers


def test_a_model_is_restored_from_its_config(model):
    restored = SymGNN.from_config(model.get_config())
    assert restored.get_config() == model.get_config()
    tensor = to_graph_tensor(graph_of(random_glass(0, 20)))
    restored(tensor)
    restored.set_weights(model.get_weights())
    np.testing.assert_array_equal(restored(tensor), model(tensor))


def test_the_catalog_builds_models_by_name():
    network = NetworkConfig(heads=(2, 1))
    for name in CATALOG:
        assert build_model(name, network, SETTING).name == name
        assert re.search(rf"\b{name}\b", RunConfig.__doc__)  # the help of `--model`
    with pytest.raises(InputError, match="model: found nosuch, expected one of .*symgnn"):
        build_model("nosuch", network, SETTING)
