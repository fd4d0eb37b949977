"""SymGNN as a whole: exact symmetries, determinism, sparse and strange glasses, padding, pair weights, defaults."""

import inspect
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, ZOO, random_glass
from tests.small_runs import padded
from tf_symgnn import names
from tf_symgnn.config import GraphConfig, NetworkConfig, RunConfig
from tf_symgnn.data import InputError, LabelScaling
from tf_symgnn.graph import PatchedGlass, SubsetStream, build_graph, to_graph_tensor, with_pair_weights
from tf_symgnn.models.catalog import CATALOG, Setting, build_model
from tf_symgnn.models.symgnn import SymGNN

CUTOFF = 4.0
SETTING = Setting(SPECIES, LabelScaling(1.5, 0.3))


def small_model(**changes) -> SymGNN:
    """A model of three layers with the mean and spread of batch norm and weights moved off their start."""
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


def test_one_finite_prediction_an_atom(zoo_glass):
    predicted = predict(small_model(distribution="uniform"), zoo_glass)
    assert predicted.shape == (zoo_glass.n_atoms,)
    assert np.isfinite(predicted).all()


def test_an_atom_without_any_pair_gets_a_finite_prediction(model):
    lonely = build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=False)
    assert lonely.n_edges == 0
    assert np.isfinite(model(to_graph_tensor(lonely))).all()


def test_a_graph_without_atoms_gets_no_prediction(model):
    lonely = build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=False)
    empty = replace(lonely, atomic_numbers=lonely.atomic_numbers[:0], positions=lonely.positions[:0], barrier=None)
    assert model(to_graph_tensor(empty)).shape == (0,)


def test_predictions_are_the_same_each_time(model):
    glass = random_glass(0, 60)
    np.testing.assert_array_equal(predict(model, glass), predict(model, glass))


def test_translation_changes_nothing(model):
    glass = random_glass(0, 60)
    moved = replace(glass, positions=glass.positions + [3.7, -1.2, 0.4])
    np.testing.assert_allclose(predict(model, moved), predict(model, glass), atol=2e-5)


def test_permutation_of_atoms_permutes_predictions(model):
    glass = random_glass(0, 60)
    order = np.random.default_rng(0).permutation(60)
    shuffled = replace(
        glass, positions=glass.positions[order], species=glass.species[order], barrier=glass.barrier[order]
    )
    np.testing.assert_allclose(predict(model, shuffled), predict(model, glass)[order], atol=2e-5)


def test_choice_of_cell_vectors_changes_nothing(model):
    glass = random_glass(0, 60)
    sheared = replace(glass, cell=np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]]) @ glass.cell)
    np.testing.assert_allclose(predict(model, sheared), predict(model, glass), atol=2e-5)


def test_more_uniform_transforms_make_predictions_more_invariant():
    """Invariance is in expectation only: the error is there, and falls about as one over the root of K."""
    glass = random_glass(1, 60)
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    turned = replace(glass, positions=glass.positions @ turn, cell=glass.cell @ turn)
    errors = []
    for transforms in (2, 512):
        model = small_model(distribution="uniform", transforms=transforms)
        change = predict(model, turned) - predict(model, glass)
        errors.append(np.sqrt(np.square(change).mean()) / predict(model, glass).std())
    assert errors[1] < errors[0] / 4
    assert errors[0] > 1e-3


def test_padding_and_company_change_no_prediction(model):
    graphs = [graph_of(random_glass(k, n)) for k, n in enumerate((30, 45, 38))]
    alone = [model(to_graph_tensor(graph)).numpy() for graph in graphs]
    for batch_size in (1, 2):
        together = [
            model(padded(tensor)).numpy()[: len(label)]
            for tensor, label, _ in SubsetStream(graphs, batch_size=batch_size).in_order()
        ]
        np.testing.assert_allclose(np.concatenate(together), np.concatenate(alone), atol=2e-5)


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


def test_a_patch_with_a_full_halo_is_exact_and_a_shorter_one_is_not():
    """Three layers of 4 A see 12 A; the glass is 25 A wide, so that the patch is a true part of it."""
    model = small_model(distribution="uniform", dtype="float64")
    graph = graph_of(random_glass(0, 1000))
    whole = model(to_graph_tensor(graph)).numpy()
    worst = []
    for halo in (model.receptive_field, 8.0, 4.0, 0.0):
        patched = PatchedGlass(graph, size=1.0, halo=halo)
        part, atoms, core = patched.extract(0)
        assert core.sum() > 0 and len(atoms) < graph.n_atoms
        found = model(to_graph_tensor(part)).numpy()
        worst.append(np.abs(found[core] - whole[atoms[core]]).max())
        squared_error = np.square(found[core] - graph.barrier[atoms[core]])
        expected = np.square(whole[atoms[core]] - graph.barrier[atoms[core]])
        if halo == model.receptive_field:
            np.testing.assert_allclose(squared_error, expected, atol=1e-10)
    assert worst[0] < 1e-10 and 1e-7 < worst[1] < worst[3]


def test_weight_zero_is_as_if_the_pair_were_not_there(model):
    graph = graph_of(random_glass(5, 40))
    kept = np.random.default_rng(1).random(graph.n_edges) < 0.7
    weighted = model(with_pair_weights(to_graph_tensor(graph), tf.constant(kept, tf.float32)))
    less = replace(graph, source=graph.source[kept], target=graph.target[kept], displacement=graph.displacement[kept])
    np.testing.assert_allclose(weighted, model(to_graph_tensor(less)), atol=2e-5)


def test_a_species_it_was_not_trained_on_is_never_guessed(model):
    glass = random_glass(0, 200)
    species = glass.species.copy()
    species[4] = "Al"
    predicted = predict(model, replace(glass, species=species))
    graph = graph_of(glass)
    hears = {4}
    for _ in model.layers_:
        hears |= set(graph.target[np.isin(graph.source, list(hears))])
    assert 20 < len(hears) < 200
    np.testing.assert_array_equal(np.isnan(predicted), np.isin(np.arange(200), list(hears)))


def test_a_prediction_depends_on_no_more_than_the_receptive_field():
    model = small_model(distribution="uniform")
    graph = graph_of(random_glass(3, 1000))
    position = tf.constant(graph.displacement)
    tensor = to_graph_tensor(graph)
    with tf.GradientTape() as tape:
        tape.watch(position)
        features = {names.DISPLACEMENT: position}
        predicted = model(tensor.replace_features(edge_sets={names.NEIGHBORS: features}))[0]
    felt = np.abs(tape.gradient(predicted, position).numpy()).sum(1) > 0
    delta = graph.positions - graph.positions[0]
    delta -= np.round(delta / np.diag(graph.cell)) * np.diag(graph.cell)
    distance = np.linalg.norm(delta, axis=1)
    reach = np.minimum(distance[graph.source], distance[graph.target])[felt].max()
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


def test_a_model_comes_back_from_its_config(model):
    again = SymGNN.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    tensor = to_graph_tensor(graph_of(random_glass(0, 20)))
    again(tensor)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(tensor), model(tensor))


def test_the_catalog_builds_by_name_and_refuses_others():
    network = NetworkConfig(heads=(2, 1))
    for name in CATALOG:
        assert build_model(name, network, SETTING).name == name
        assert re.search(rf"\b{name}\b", RunConfig.__doc__)  # which is the help
    with pytest.raises(InputError, match="model: found nosuch, expected one of .*symgnn"):
        build_model("nosuch", network, SETTING)
