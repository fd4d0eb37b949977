"""The ridge regression on power spectra: components, averages and solver."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from tests.conftest import SAMPLE, SPECIES, random_glass
from tf_symgnn import names
from tf_symgnn.data import label_scaling, read_glasses
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.models.ridge.averages import AVERAGE_DECAY, AVERAGE_EPSILON, AVERAGE_OFFSET
from tf_symgnn.models.ridge.components import ATOMS_PER_COMPONENT, PrincipalComponents
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.models.ridge.regression import HOPS, NeighborhoodRidge
from tf_symgnn.models.ridge.solver import MAX_FOLDS, PENALTIES, LabeledFeatures, folds
from tf_symgnn.nn.pairs import PairView

CUTOFF = 4.0


def view_of(glass) -> PairView:
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=True)
    return PairView.of(to_graph_tensor(graph), "float32")


def test_components_are_white_without_rounding_noise():
    """Their mean for each species is zero, although the descriptors of species differ."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(SPECIES, [300, 200]).astype(np.int32)
    within = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 9)) * 10.0 ** np.arange(9)
    descriptors = within + np.where(numbers == SPECIES[0], 3, -5)[:, np.newaxis]
    layer = PrincipalComponents(units=6, species=SPECIES)
    layer(descriptors[:1].astype(np.float32), numbers[:1])
    layer.fit([descriptors[:400], descriptors[400:]], [numbers[:400], numbers[400:]])
    components = layer(tf.constant(descriptors, tf.float32), numbers).numpy()
    np.testing.assert_allclose(np.cov(components.T, bias=True), np.diag([1, 1, 1, 1, 0, 0]), atol=1e-3)
    for z in SPECIES:
        np.testing.assert_allclose(components[numbers == z].mean(axis=0), 0, atol=1e-3)
        within[numbers == z] -= within[numbers == z].mean(axis=0)
    np.testing.assert_array_equal(layer(tf.zeros([1, 9]), np.zeros(1, np.int32)), np.zeros((1, 6)))  # padding
    variance = np.linalg.eigvalsh(np.corrcoef(within.T))[::-1]
    np.testing.assert_allclose(layer.relative_variance, [*(variance[:4] / variance[0]), 0, 0], rtol=1e-3)


def test_the_length_of_components_is_limited():
    descriptors = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    numbers = np.full(500, SPECIES[0], np.int32)
    layer = PrincipalComponents(units=3, species=SPECIES)
    layer(descriptors[:1], numbers[:1])
    layer.fit([descriptors], [numbers])
    longest = np.linalg.norm(layer(tf.constant(descriptors), numbers), axis=1).max()
    far = np.linalg.norm(layer(tf.constant(descriptors[:1] * [[10.0], [100.0]]), numbers[:2]), axis=1)
    np.testing.assert_allclose(far[0] / far[1], 10, rtol=0.1)
    assert far[0] < longest
    beyond = np.linalg.norm(layer(tf.constant(1.01 * descriptors), numbers), axis=1)
    np.testing.assert_array_less(beyond, 1.0001 * longest)


EQUAL = [np.ones(3)]  # a prior of equal expected weights of three descriptors


def predict(layer: NeighborhoodRidge, descriptors: np.ndarray, view: PairView) -> np.ndarray:
    """Return scaled barriers [N] after all hops."""
    barrier, terms = layer(tf.constant(descriptors))
    for hop in range(HOPS):
        barrier, terms = layer.after_hop(hop, barrier, terms, view)
    return barrier.numpy()


def labeled(features: list, barriers: list) -> list[LabeledFeatures]:
    """Return the features and barriers of glasses, each label of weight 1."""
    return [LabeledFeatures(*glass) for glass in zip(features, barriers, strict=True)]


@pytest.fixture(scope="module")
def neighborhood():
    """Return the pairs of two glasses, the glasses, and three random descriptors per atom."""
    rng = np.random.default_rng(0)
    glasses = []
    for seed in (4, 5):
        glass = random_glass(seed, 300)
        descriptors = rng.normal(size=(300, 3)).astype(np.float32)
        glasses.append((view_of(glass), glass, descriptors))
    return glasses


def averaged(glass, descriptors) -> np.ndarray:
    """Return the features by their definition, from a dense matrix of weights."""
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=False)
    weight = np.zeros((glass.n_atoms, glass.n_atoms))
    distance = np.linalg.norm(graph.displacement, axis=1)
    np.add.at(weight, (graph.target, graph.source), np.exp((AVERAGE_OFFSET - distance) / AVERAGE_DECAY))

    def average(factor, values):
        weights = weight * factor
        return weights @ values / (weights.sum(1, keepdims=True) + AVERAGE_EPSILON)

    features = [descriptors]
    for z in SPECIES:
        one_hop = average(graph.atomic_numbers == z, descriptors)
        features += [one_hop, average(1.0, one_hop), average(1.0, average(1.0, one_hop))]
    return np.concatenate(features, axis=1)


def test_features_are_averages_over_neighbors_of_each_species(neighborhood):
    view, glass, descriptors = neighborhood[0]
    features = NeighborhoodRidge(species=SPECIES).features(tf.constant(descriptors), view)
    np.testing.assert_allclose(features, averaged(glass, descriptors), atol=1e-5)


@pytest.mark.parametrize("expected", [(1, 1, 1), (1, 0.3, 0)])
def test_the_regression_matches_scikit_learn(neighborhood, expected):
    """Scikit-learn has one penalty for all weights, so its features are scaled by their expected weights."""
    layer = NeighborhoodRidge(species=SPECIES)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=21)
    features, barriers = [], []
    for view, _, descriptors in neighborhood:
        predict(layer, descriptors, view)
        features.append(layer.features(tf.constant(descriptors), view).numpy())
        barriers.append(features[-1] @ weights + rng.normal(size=300) + 2)
    _, penalty = layer.fit(labeled(features, barriers), [np.array(expected)])
    assert penalty <= PENALTIES[1]  # 600 atoms suffice for 21 weights
    scaled = StandardScaler().fit_transform(np.concatenate(features)) * np.tile(expected, 7)
    predicted = Ridge(alpha=penalty).fit(scaled, np.concatenate(barriers)).predict(scaled)
    actual = np.concatenate([predict(layer, descriptors, view) for view, _, descriptors in neighborhood])
    np.testing.assert_allclose(actual, predicted, atol=1e-3)


def test_a_second_fit_is_to_the_residuals(neighborhood):
    layer = NeighborhoodRidge(species=SPECIES)
    features, barriers = [], []
    for view, _, descriptors in neighborhood:
        predict(layer, descriptors, view)
        features.append(layer.features(tf.constant(descriptors), view).numpy())
        barriers.append(2 + features[-1] @ np.linspace(-1, 1, 21))
    glasses = labeled(features, barriers)
    layer.fit(glasses[:1], EQUAL)
    first = layer.kernel.numpy().T.ravel(), layer.bias.numpy()
    residual = barriers[1] - features[1] @ first[0] - first[1]
    _, penalty = layer.fit(glasses[1:], EQUAL)
    expected = Ridge(alpha=penalty).fit(StandardScaler().fit_transform(features[1]), residual)
    change = layer.kernel.numpy().T.ravel() - first[0]
    np.testing.assert_allclose(change * features[1].std(axis=0), expected.coef_, atol=1e-4)
    assert np.abs(expected.coef_).max() > 0.01


def test_a_second_fit_to_nearly_constant_features_changes_the_constant_only(neighborhood):
    """The features of a perfect crystal are far from those of a glass, and vary by rounding only."""
    view, _, descriptors = neighborhood[0]
    layer = NeighborhoodRidge(species=SPECIES)
    predict(layer, descriptors, view)
    features = layer.features(tf.constant(descriptors), view).numpy()
    rng = np.random.default_rng(4)
    layer.fit([LabeledFeatures(features, features @ np.linspace(-1, 1, 21))], EQUAL)
    before = predict(layer, descriptors, view)
    crystal = (50 * rng.normal(size=21) * (1 + 1e-7 * rng.normal(size=(300, 21)))).astype(np.float32)
    barrier = crystal @ layer.kernel.numpy().T.ravel() + layer.bias.numpy()
    layer.fit([LabeledFeatures(crystal, barrier + 0.1 * rng.normal(size=300) + 1.0)], EQUAL)
    np.testing.assert_allclose(predict(layer, descriptors, view) - before, 1.0, atol=0.05)


def test_a_second_fit_to_noisy_glasses_keeps_the_weights():
    """The new labels are predictions plus noise, so the largest penalty is best."""
    rng = np.random.default_rng(5)
    features, weights = rng.normal(size=(3, 200, 50)).astype(np.float32), rng.normal(size=50)
    barriers = features @ weights + rng.normal(size=(3, 200)) * [[0.01], [10.0], [10.0]]
    layer = NeighborhoodRidge(species=())
    layer.build(tf.TensorShape([None, 50]))
    layer.fit([LabeledFeatures(features[0], barriers[0])], [np.ones(50)])
    before = layer.kernel.numpy()
    assert layer.fit(labeled(features[1:], barriers[1:]), [np.ones(50)])[1] == PENALTIES[-1]
    np.testing.assert_allclose(layer.kernel, before, atol=0.1)


def test_a_label_of_weight_three_is_worth_three_labels():
    rng = np.random.default_rng(6)
    weight = rng.integers(1, 4, size=(2, 100))
    features = rng.normal(size=(2, 100, 10)).astype(np.float32)
    barriers = features.sum(axis=-1) + rng.normal(size=(2, 100))
    repeated = [
        LabeledFeatures(np.repeat(x, n, axis=0), np.repeat(y, n))
        for x, y, n in zip(features, barriers, weight, strict=True)
    ]
    weighted = [LabeledFeatures(*glass) for glass in zip(features, barriers, weight, strict=True)]
    layers = [NeighborhoodRidge(species=()) for _ in range(3)]
    for layer, glasses in zip(layers, (repeated, weighted, labeled(features, barriers)), strict=True):
        layer.build(tf.TensorShape([None, 10]))
        layer.fit(glasses, [np.ones(10)])
    np.testing.assert_allclose(layers[1].kernel, layers[0].kernel, atol=1e-4)
    np.testing.assert_allclose(layers[1].bias, layers[0].bias, atol=1e-4)
    assert np.abs(layers[2].kernel.numpy() - layers[0].kernel.numpy()).max() > 0.02


def test_many_glasses_share_a_few_folds_in_which_neighbors_of_a_list_are_apart():
    parts = folds(range(2 * MAX_FOLDS + 1))
    assert len(parts) == MAX_FOLDS and sorted(sum(map(list, parts), [])) == list(range(2 * MAX_FOLDS + 1))
    assert all(np.diff(part).min() == MAX_FOLDS for part in parts)
    assert [list(part) for part in folds([7, 8])] == [[7], [8]]
    rng = np.random.default_rng(7)
    features = rng.normal(size=(15, 40, 10)).astype(np.float32) + rng.normal(size=(15, 1, 10)).astype(np.float32)
    barriers = features.sum(axis=-1) + rng.normal(size=(15, 40))
    layer = NeighborhoodRidge(species=())
    layer.build(tf.TensorShape([None, 10]))
    _, penalty = layer.fit(labeled(features, barriers), [np.ones(10)])
    everything = np.concatenate(features)
    expected = Ridge(alpha=penalty).fit(StandardScaler().fit_transform(everything), np.concatenate(barriers))
    weights = expected.coef_ / everything.std(axis=0)
    np.testing.assert_allclose(layer.kernel[:, 0], weights, atol=1e-4)


@pytest.mark.parametrize("relevant", [0, 1])
def test_the_prior_that_describes_the_weights_is_selected(relevant):
    """Barriers depend on the first five of forty descriptors, or on the last five."""
    rng = np.random.default_rng(8)
    priors = [np.where(np.arange(40) // 5 == 7 * k, 1.0, 0.1) for k in range(2)]
    features = rng.normal(size=(2, 50, 40)).astype(np.float32)
    barriers = features @ (priors[relevant] == 1) + rng.normal(size=(2, 50))
    layer = NeighborhoodRidge(species=())
    layer.build(tf.TensorShape([None, 40]))
    chosen, penalty = layer.fit(labeled(features, barriers), priors)
    assert chosen == relevant
    scaled = StandardScaler().fit_transform(np.concatenate(features)) * priors[relevant]
    expected = Ridge(alpha=penalty).fit(scaled, np.concatenate(barriers)).predict(scaled)
    actual = np.concatenate(features) @ layer.kernel.numpy()[:, 0] + layer.bias.numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_noisier_barriers_give_a_larger_penalty():
    """Thirty features measure two hidden variables with noise."""
    rng = np.random.default_rng(2)
    hidden = rng.normal(size=(2, 100, 2))
    features = (hidden @ rng.normal(size=(2, 30)) + 0.5 * rng.normal(size=(2, 100, 30))).astype(np.float32)
    penalties = []
    for noise in (0.0, 10.0):
        layer = NeighborhoodRidge(species=())
        layer.build(tf.TensorShape([None, 30]))
        barriers = hidden.sum(axis=-1) + noise * rng.normal(size=(2, 100))
        penalties.append(layer.fit(labeled(features, barriers), [np.ones(30)])[1])
    assert penalties[0] < penalties[1]


def test_a_glass_of_equal_barriers_does_not_affect_the_penalty():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(3, 100, 30)).astype(np.float32)
    barriers = [*(rng.normal(size=(2, 100))), np.full(100, 0.1)]
    penalties = []
    for glasses in (2, 3):
        layer = NeighborhoodRidge(species=())
        layer.build(tf.TensorShape([None, 30]))
        penalties.append(layer.fit(labeled(features[:glasses], barriers[:glasses]), [np.ones(30)])[1])
    assert penalties[0] == penalties[1] > PENALTIES[0]


def test_the_prediction_for_atoms_without_neighbors_is_the_mean():
    """This holds although the mean barriers of the two species differ."""
    glasses = read_glasses(SAMPLE)[names.TRAIN]
    graphs = [to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True)) for glass in glasses]
    scaling = label_scaling(glasses)
    model = RidgeModel(species=SPECIES, cutoff=CUTOFF, label_mean=scaling.mean, label_std=scaling.std)
    model(graphs[0])
    model.prepare(graphs, [glass.barrier for glass in glasses])
    pairs = graphs[0].edge_sets[names.NEIGHBORS]
    zero_weights = pairs.get_features_dict() | {names.PAIR_WEIGHT: tf.zeros(pairs.total_size)}
    predicted = model(graphs[0].replace_features(edge_sets={names.NEIGHBORS: zero_weights}))
    np.testing.assert_allclose(predicted, scaling.mean, atol=0.1 * scaling.std)


def test_expected_weights_of_components_follow_their_variance(monkeypatch):
    passed = []
    monkeypatch.setattr(NeighborhoodRidge, "fit", lambda self, glasses, priors: passed.append(priors))
    glass = random_glass(6, 80)
    graph = to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True))
    model = RidgeModel(species=SPECIES, cutoff=CUTOFF, label_mean=1.5, label_std=0.3)
    model(graph)  # creates the weights
    model.prepare([graph], [glass.barrier])
    variance = model.components.relative_variance
    assert 0 < np.count_nonzero(variance) <= 80 / ATOMS_PER_COMPONENT
    np.testing.assert_allclose(passed[0], [variance**0.25, variance**0.1])


def test_the_stages_of_the_model_are_the_regression():
    """The reference is the product of all features and weights."""
    glass = random_glass(6, 80)
    graph = to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True))
    model = RidgeModel(species=SPECIES, cutoff=CUTOFF, label_mean=1.5, label_std=0.3)
    model(graph)  # creates the weights
    model.prepare([graph], [glass.barrier])
    predicted = model(graph).numpy()
    features = model.ridge.features(*model.descriptors(graph)).numpy()
    scaled = features.astype(float) @ model.ridge.kernel.numpy().T.ravel() + model.ridge.bias.numpy()
    np.testing.assert_allclose(predicted, 1.5 + 0.3 * scaled, atol=1e-5)
    assert np.corrcoef(predicted, glass.barrier)[0, 1] > 0.5
