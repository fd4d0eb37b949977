"""All models but SymGNN: symmetries, padding, pair weights, receptive field, overfitting, training and export."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, ZOO, random_glass
from tests.models.influence import distances, pairs_used
from tests.small_runs import padded, small_config
from tf_symgnn.config import NetworkConfig
from tf_symgnn.data import Glass, LabelScaling
from tf_symgnn.graph import build_graph, to_graph_tensor, with_pair_weights
from tf_symgnn.models.base import BarrierModel
from tf_symgnn.models.catalog import CATALOG, Setting, build_model, needs_potential
from tf_symgnn.training import train

CUTOFF = 4.0
STRUCTURAL = [name for name in CATALOG if not needs_potential(name)]  # others: tests/potentials/test_models.py
BASELINES = sorted(set(STRUCTURAL) - {"symgnn"})
INVARIANT = {"egat_length", "egnn", "faenet", "gcn", "mgcn", "schnet", "symgnn_spectral"}
ROTATION = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


def small_model(name: str) -> BarrierModel:
    """Return a model of two layers with batch statistics of a glass and perturbed weights."""
    tf.keras.utils.set_random_seed(0)
    network = NetworkConfig(width=6, heads=(2, 1), decoder_layers=1)
    model = build_model(name, network, Setting(SPECIES, LabelScaling(1.5, 0.3), cutoff=CUTOFF))
    glass = random_glass(99, 60)
    model(to_graph_tensor(graph_of(glass)), training=True)
    model.prepare([to_graph_tensor(graph_of(glass))], [glass.barrier])
    for k, variable in enumerate(model.trainable_variables):
        variable.assign_add(0.1 * tf.random.stateless_normal(variable.shape, (k, 0), dtype=variable.dtype))
    return model


@pytest.fixture(scope="module", params=BASELINES)
def model(request):
    return small_model(request.param)


def graph_of(glass):
    return build_graph(glass, cutoff=CUTOFF, self_loops=True)


def predict(model, glass):
    return model(to_graph_tensor(graph_of(glass))).numpy()


def test_predictions_for_unusual_structures_are_finite(model):
    for name in ("slab", "box smaller than the cutoff", "isolated atom", "fcc"):
        glass = ZOO[name]()
        predicted = predict(model, glass)
        assert predicted.shape == (glass.n_atoms,)
        assert np.isfinite(predicted).all()


def test_the_prediction_for_an_atom_without_pairs_is_finite(model):
    isolated = build_graph(ZOO["isolated atom"](), cutoff=CUTOFF, self_loops=False)
    assert np.isfinite(model(to_graph_tensor(isolated))).all()


def test_only_the_mlp_depends_on_translation(model):
    glass = random_glass(0, 60)
    translated = replace(glass, positions=glass.positions + [3.7, -1.2, 0.4])
    change = np.abs(predict(model, translated) - predict(model, glass)).max()
    assert change > 1e-3 if model.name == "mlp" else change < 5e-5


def test_permutation_of_atoms_permutes_predictions(model):
    glass = random_glass(0, 60)
    order = np.random.default_rng(0).permutation(60)
    shuffled = replace(glass, positions=glass.positions[order], species=glass.species[order], barrier=None)
    np.testing.assert_allclose(predict(model, shuffled), predict(model, glass)[order], atol=5e-5)


@pytest.mark.parametrize("element", [ROTATION, -ROTATION], ids=["rotation", "reflection"])
def test_invariance_under_rotation_and_reflection(model, element):
    glass = random_glass(1, 60)
    transformed = replace(glass, positions=glass.positions @ element, cell=glass.cell @ element)
    change = np.abs(predict(model, transformed) - predict(model, glass)).max() / predict(model, glass).std()
    assert change < 1e-3 if model.name in INVARIANT else change > 1e-2


def test_padding_changes_no_prediction(model):
    tensor = to_graph_tensor(graph_of(random_glass(0, 40)))
    np.testing.assert_allclose(model(padded(tensor))[:40], model(tensor), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_padding_changes_no_training_step(name):
    glass = random_glass(0, 40)
    tensor = to_graph_tensor(graph_of(glass))
    results = []
    for graph in (tensor, padded(tensor)):
        model = small_model(name)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(graph, training=True)[:40] - glass.barrier))
        gradients = tape.gradient(loss, model.trainable_variables, unconnected_gradients="zero")
        results.append([tf.convert_to_tensor(x) for x in (loss, *gradients, *model.non_trainable_variables)])
    for one, other in zip(*results, strict=True):
        one, other = tf.cast(one, tf.float32), tf.cast(other, tf.float32)
        np.testing.assert_allclose(one, other, atol=1e-4 * max(1.0, float(tf.reduce_max(tf.abs(one)))))


@pytest.mark.parametrize("small", [0.0, 1e-6])
def test_a_pair_of_weight_zero_has_no_effect(model, small):
    """A pair of weight 1e-6 has nearly none, so weights scale every use of a pair."""
    graph = graph_of(random_glass(5, 40))
    kept = np.random.default_rng(1).random(graph.n_pairs) < 0.7
    weight = tf.constant(np.where(kept, 1.0, small), tf.float32)
    without = replace(
        graph, source=graph.source[kept], target=graph.target[kept], displacement=graph.displacement[kept]
    )
    weighted = model(with_pair_weights(to_graph_tensor(graph), weight))
    np.testing.assert_allclose(weighted, model(to_graph_tensor(without)), atol=1e-4)


def test_predictions_depend_on_the_receptive_field_only(model):
    if model.name == "faenet":
        assert model.receptive_field == math.inf
        return
    graph = graph_of(random_glass(3, 1000))
    used, distance = pairs_used(model, graph), distances(graph)
    reach = np.minimum(distance[graph.source], distance[graph.target])[used].max(initial=0.0)
    # The default model averages spectra, and then differences; graph convolutions count neighbors first.
    hops = {"mlp": 0, "symgnn_spectral": 4 + 2, "gcn": 3, "gcn_edges": 3}.get(model.name, 2)
    assert model.receptive_field == hops * CUTOFF
    assert reach <= model.receptive_field
    assert used.any() == (model.name not in ("mlp", "gcn"))


def test_removing_atoms_beyond_the_receptive_field_changes_nothing(model):
    # The end of a chain, in which a hop reaches the next atom.
    if model.name == "faenet":
        return
    n_atoms = 14
    positions = np.array([[0.9 * CUTOFF * k, 0.3 * (k % 3), 0.2 * (k % 2)] for k in range(n_atoms)])
    chain = Glass(positions, np.diag([100.0, 50.0, 50.0]), np.zeros(3, bool), np.array(["Cu", "Zr"] * 7), None, "chain")

    def change_with(kept: int) -> float:
        shorter = replace(chain, positions=positions[:kept], species=chain.species[:kept])
        return abs(predict(model, shorter)[0] - predict(model, chain)[0])

    hops = round(model.receptive_field / CUTOFF)
    assert change_with(hops + 1) < 1e-5
    if model.name in ("gcn", "gcn_edges"):
        assert change_with(hops) > 1e-5  # the hop that counts neighbors is a hop


def test_a_model_is_restored_from_its_config(model):
    restored = type(model).from_config(model.get_config())
    assert restored.get_config() == model.get_config()
    tensor = to_graph_tensor(graph_of(random_glass(0, 20)))
    restored(tensor)
    restored.set_weights(model.get_weights())
    np.testing.assert_array_equal(restored(tensor), model(tensor))


def untrained_model(name: str, barrier: np.ndarray) -> BarrierModel:
    """Return a model of two layers, to be fitted to barriers [N] eV."""
    tf.keras.utils.set_random_seed(0)
    network = NetworkConfig(width=16, heads=(2, 1), decoder_layers=2)
    return build_model(name, network, Setting(SPECIES, LabelScaling(barrier.mean(), barrier.std()), cutoff=CUTOFF))


def overfits(model: BarrierModel, tensor, barrier: np.ndarray, *, correlation: float) -> bool:
    """Train on one glass, and return whether the Pearson correlation reaches a value within 2000 steps."""
    optimizer = tf.keras.optimizers.Adam(5e-3)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            predicted = model(tensor, training=True)
            loss = tf.reduce_mean(tf.square(predicted - barrier))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return predicted

    # Most models need up to 400 steps, models with random rotations more.
    reached = any(np.corrcoef(step(), barrier)[0, 1] > correlation for _ in range(2000))
    optimizer.learning_rate.assign(0.0)
    for _ in range(60):
        step()  # the moving averages of batch norm converge to the statistics of the final weights
    return reached


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(BASELINES) - {"symgnn_spectral"}))
def test_every_model_overfits_a_tiny_glass(name):
    glass = random_glass(0, 40)
    model = untrained_model(name, glass.barrier)
    assert overfits(model, to_graph_tensor(graph_of(glass)), glass.barrier, correlation=0.99)


@pytest.mark.slow
def test_the_default_model_overfits_a_small_glass_by_its_regression_and_its_network():
    """The regression predicts the part of the labels that depends on spectra, and only the network learns the noise.

    The network alone does not suffice: the hybrid subtracts the neighborhood average of its difference.
    """
    glass = random_glass(0, 100)
    barrier = (glass.barrier + np.random.default_rng(0).normal(0, 0.2, 100)).astype(np.float32)
    tensor, model = to_graph_tensor(graph_of(glass)), untrained_model("symgnn_spectral", barrier)

    def pearson(part: BarrierModel) -> float:
        return np.corrcoef(part(tensor), barrier)[0, 1]

    model.prepare([tensor], [barrier])
    assert 0.7 < pearson(model.baseline) < 0.95
    assert overfits(model.trained, tensor, barrier, correlation=0.999)
    model.calibrate(np.stack(model.calibration_terms(tensor), axis=1), barrier)
    assert model.blend > 0.95 and pearson(model) > 0.995
    model.baseline.ridge.kernel.assign(tf.zeros_like(model.baseline.ridge.kernel))
    assert pearson(model.network) > 0.995 and pearson(model) < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_every_model_trains_and_exports(name, data, tmp_path):
    from tf_symgnn.export.saved_model import export

    folder = train(small_config(data, tmp_path / "run", model=name, epochs=1))
    assert tf.saved_model.contains_saved_model(str(export(folder, tmp_path / "model")))
