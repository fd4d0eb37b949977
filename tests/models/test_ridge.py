"""The ridge regression on power spectra: components, averages, solution."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from tests.conftest import SPECIES, random_glass
from tf_symgnn import names
from tf_symgnn.data import SAMPLE, label_scaling, read_glasses
from tf_symgnn.graph import build_graph, to_graph_tensor
from tf_symgnn.models.ridge.averages import AVERAGE_DECAY, AVERAGE_EPSILON, AVERAGE_OFFSET
from tf_symgnn.models.ridge.components import ATOMS_PER_COMPONENT, PrincipalComponents
from tf_symgnn.models.ridge.regression import NeighborhoodRidge
from tf_symgnn.models.ridge.solver import PENALTIES
from tf_symgnn.models.ridge.spectral import SpectralRidge
from tf_symgnn.nn.pairs import PairView

CUTOFF = 4.0


def view_of(glass) -> PairView:
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=True)
    return PairView.of(to_graph_tensor(graph), "float32")


def test_components_are_white_and_rounding_is_left_out():
    """And of each species they are zero on average, however far its descriptors lie from another's."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(SPECIES, [300, 200]).astype(np.int32)
    within = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 9)) * 10.0 ** np.arange(9)
    seen = within + np.where(numbers == SPECIES[0], 3, -5)[:, np.newaxis]
    layer = PrincipalComponents(units=6, species=SPECIES)
    layer(seen[:1].astype(np.float32), numbers[:1])
    layer.fit([seen[:400], seen[400:]], [numbers[:400], numbers[400:]])
    found = layer(tf.constant(seen, tf.float32), numbers).numpy()
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.diag([1, 1, 1, 1, 0, 0]), atol=1e-3)
    for z in SPECIES:
        np.testing.assert_allclose(found[numbers == z].mean(axis=0), 0, atol=1e-3)
        within[numbers == z] -= within[numbers == z].mean(axis=0)
    np.testing.assert_array_equal(layer(tf.zeros([1, 9]), np.zeros(1, np.int32)), np.zeros((1, 6)))  # padding
    variance = np.linalg.eigvalsh(np.corrcoef(within.T))[::-1]
    np.testing.assert_allclose(layer.relative_variance, [*(variance[:4] / variance[0]), 0, 0], rtol=1e-3)


def test_components_of_atoms_unlike_all_others_are_shortened():
    seen = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    numbers = np.full(500, SPECIES[0], np.int32)
    layer = PrincipalComponents(units=3, species=SPECIES)
    layer(seen[:1], numbers[:1])
    layer.fit([seen], [numbers])
    farthest = np.linalg.norm(layer(tf.constant(seen), numbers), axis=1).max()
    far = np.linalg.norm(layer(tf.constant(seen[:1] * [[10.0], [100.0]]), numbers[:2]), axis=1)
    np.testing.assert_allclose(far[0] / far[1], 10, rtol=0.1)
    assert far[0] < farthest
    np.testing.assert_array_less(np.linalg.norm(layer(tf.constant(1.01 * seen), numbers), axis=1), 1.0001 * farthest)


ALIKE = np.ones(3)  # what is expected of the weights of three descriptors


@pytest.fixture(scope="module")
def neighborhood():
    """Two glasses: their surroundings, and three descriptors an atom."""
    rng = np.random.default_rng(0)
    found = []
    for seed in (4, 5):
        glass = random_glass(seed, 300)
        descriptors = rng.normal(size=(300, 3)).astype(np.float32)
        found.append((view_of(glass), glass, descriptors))
    return found


def averaged(glass, descriptors) -> np.ndarray:
    """The features by their definition, from distances between all atoms."""
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=False)
    weight = np.zeros((glass.n_atoms, glass.n_atoms))
    distance = np.linalg.norm(graph.displacement, axis=1)
    np.add.at(weight, (graph.target, graph.source), np.exp((AVERAGE_OFFSET - distance) / AVERAGE_DECAY))

    def average(of, values):
        share = weight * of
        return share @ values / (share.sum(1, keepdims=True) + AVERAGE_EPSILON)

    seen = [descriptors]
    for z in SPECIES:
        once = average(graph.atomic_numbers == z, descriptors)
        seen += [once, average(1.0, once), average(1.0, average(1.0, once))]
    return np.concatenate(seen, axis=1)


def test_features_are_averages_over_neighbours_of_each_species(neighborhood):
    near, glass, descriptors = neighborhood[0]
    found = NeighborhoodRidge(species=SPECIES).features(tf.constant(descriptors), near)
    np.testing.assert_allclose(found, averaged(glass, descriptors), atol=1e-5)


@pytest.mark.parametrize("expected", [(1, 1, 1), (1, 0.3, 0)])
def test_the_regression_is_scikit_learns(neighborhood, expected):
    """Whose penalty is alike for all: what is expected of a weight is the unit that its descriptor is in."""
    layer = NeighborhoodRidge(species=SPECIES)
    rng = np.random.default_rng(1)
    weights = rng.normal(size=21)
    seen, barriers = [], []
    for near, _, descriptors in neighborhood:
        layer.barrier(tf.constant(descriptors), near)
        seen.append(layer.features(tf.constant(descriptors), near).numpy())
        barriers.append(seen[-1] @ weights + rng.normal(size=300) + 2)
    penalty = layer.fit(list(zip(seen, barriers, strict=True)), np.array(expected))
    assert penalty <= PENALTIES[1]  # 600 atoms tell of 21 weights
    scaled = StandardScaler().fit_transform(np.concatenate(seen)) * np.tile(expected, 7)
    predicted = Ridge(alpha=penalty).fit(scaled, np.concatenate(barriers)).predict(scaled)
    found = np.concatenate([layer.barrier(tf.constant(descriptors), near) for near, _, descriptors in neighborhood])
    np.testing.assert_allclose(found, predicted, atol=1e-3)


def test_solved_again_it_fits_what_was_left(neighborhood):
    layer = NeighborhoodRidge(species=SPECIES)
    seen, barriers = [], []
    for near, _, descriptors in neighborhood:
        layer.barrier(tf.constant(descriptors), near)
        seen.append(layer.features(tf.constant(descriptors), near).numpy())
        barriers.append(2 + seen[-1] @ np.linspace(-1, 1, 21))
    glasses = list(zip(seen, barriers, strict=True))
    layer.fit(glasses[:1], ALIKE)
    first = layer.kernel.numpy().T.ravel(), layer.bias.numpy()
    left = barriers[1] - seen[1] @ first[0] - first[1]
    penalty = layer.fit(glasses[1:], ALIKE)
    expected = Ridge(alpha=penalty).fit(StandardScaler().fit_transform(seen[1]), left)
    change = layer.kernel.numpy().T.ravel() - first[0]
    np.testing.assert_allclose(change * seen[1].std(axis=0), expected.coef_, atol=1e-4)
    assert np.abs(expected.coef_).max() > 0.01


def test_solved_again_on_next_to_constant_features_it_stays_as_it_was(neighborhood):
    """As those of a crystal at rest are, far from all that was seen before: their rounding says nothing."""
    near, _, descriptors = neighborhood[0]
    layer = NeighborhoodRidge(species=SPECIES)
    layer.barrier(tf.constant(descriptors), near)
    seen = layer.features(tf.constant(descriptors), near).numpy()
    rng = np.random.default_rng(4)
    layer.fit([(seen, seen @ np.linspace(-1, 1, 21))], ALIKE)
    before = layer.barrier(tf.constant(descriptors), near)
    crystal = (50 * rng.normal(size=21) * (1 + 1e-7 * rng.normal(size=(300, 21)))).astype(np.float32)
    barrier = crystal @ layer.kernel.numpy().T.ravel() + layer.bias.numpy()
    layer.fit([(crystal, barrier + 0.1 * rng.normal(size=300) + 1.0)], ALIKE)
    np.testing.assert_allclose(layer.barrier(tf.constant(descriptors), near) - before, 1.0, atol=0.05)


def test_what_was_solved_before_is_kept_where_others_are_left_out_better_by_it():
    """New barriers are those that it predicts, but for noise: the heaviest penalty, and nearly the same weights."""
    rng = np.random.default_rng(5)
    features, weights = rng.normal(size=(3, 200, 50)).astype(np.float32), rng.normal(size=50)
    barriers = features @ weights + rng.normal(size=(3, 200)) * [[0.01], [10.0], [10.0]]
    layer = NeighborhoodRidge(species=())
    layer.build(tf.TensorShape([None, 50]))
    layer.fit([(features[0], barriers[0])], np.ones(50))
    before = layer.kernel.numpy()
    assert layer.fit(list(zip(features[1:], barriers[1:], strict=True)), np.ones(50)) == PENALTIES[-1]
    np.testing.assert_allclose(layer.kernel, before, atol=0.1)


def test_a_heavier_penalty_is_chosen_where_barriers_are_noisier():
    """Thirty features that tell of two causes: averaging over all of them pays the more, the noisier the barriers."""
    rng = np.random.default_rng(2)
    causes = rng.normal(size=(2, 100, 2))
    features = (causes @ rng.normal(size=(2, 30)) + 0.5 * rng.normal(size=(2, 100, 30))).astype(np.float32)
    chosen = []
    for noise in (0.0, 10.0):
        layer = NeighborhoodRidge(species=())
        layer.build(tf.TensorShape([None, 30]))
        barriers = causes.sum(axis=-1) + noise * rng.normal(size=(2, 100))
        chosen.append(layer.fit(list(zip(features, barriers, strict=True)), np.ones(30)))
    assert chosen[0] < chosen[1]


def test_a_glass_of_equal_barriers_does_not_change_the_penalty():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(3, 100, 30)).astype(np.float32)
    barriers = [*(rng.normal(size=(2, 100))), np.full(100, 0.1)]
    chosen = []
    for glasses in (2, 3):
        layer = NeighborhoodRidge(species=())
        layer.build(tf.TensorShape([None, 30]))
        chosen.append(layer.fit(list(zip(features[:glasses], barriers[:glasses], strict=True)), np.ones(30)))
    assert chosen[0] == chosen[1] > PENALTIES[0]


def test_the_regression_predicts_the_mean_for_atoms_without_neighbours():
    """Though atoms of two species differ, and so do averages over neighbours of either, however many there are."""
    glasses = read_glasses(SAMPLE)[names.TRAIN]
    graphs = [to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True)) for glass in glasses]
    scaling = label_scaling(glasses)
    model = SpectralRidge(species=SPECIES, cutoff=CUTOFF, label_mean=scaling.mean, label_std=scaling.std)
    model(graphs[0])
    model.prepare(graphs, [glass.barrier for glass in glasses])
    pairs = graphs[0].edge_sets[names.NEIGHBORS]
    gone = pairs.get_features_dict() | {names.PAIR_WEIGHT: tf.zeros(pairs.total_size)}
    found = model(graphs[0].replace_features(edge_sets={names.NEIGHBORS: gone}))
    np.testing.assert_allclose(found, scaling.mean, atol=0.1 * scaling.std)


def test_the_regression_expects_less_of_components_of_less_variance(monkeypatch):
    expectations = []
    monkeypatch.setattr(NeighborhoodRidge, "fit", lambda self, glasses, expected: expectations.append(expected))
    glass = random_glass(6, 80)
    graph = to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True))
    model = SpectralRidge(species=SPECIES, cutoff=CUTOFF, label_mean=1.5, label_std=0.3)
    model(graph)  # creates the weights
    model.prepare([graph], [glass.barrier])
    variance = model.components.relative_variance
    assert 0 < np.count_nonzero(variance) <= 80 / ATOMS_PER_COMPONENT
    np.testing.assert_allclose(expectations[0], variance**0.25)


def test_the_models_stages_are_the_regression():
    """One hop after another, and all at once on the descriptors."""
    glass = random_glass(6, 80)
    graph = to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True))
    model = SpectralRidge(species=SPECIES, cutoff=CUTOFF, label_mean=1.5, label_std=0.3)
    model(graph)  # creates the weights
    model.prepare([graph], [glass.barrier])
    predicted = model(graph).numpy()
    np.testing.assert_allclose(predicted, 1.5 + 0.3 * model.ridge.barrier(*model.descriptors(graph)), atol=1e-5)
    assert np.corrcoef(predicted, glass.barrier)[0, 1] > 0.5
