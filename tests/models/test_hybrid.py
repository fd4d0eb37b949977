"""Power spectra, the ridge regression on them, and SymGNN that corrects it."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import sph_harm_y
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from tests.conftest import SPECIES, fcc_copper, random_glass
from tf_symgnn import names
from tf_symgnn.data import SAMPLE, Glass, label_scaling, read_glasses
from tf_symgnn.graph import SubsetStream, build_graph, to_graph_tensor
from tf_symgnn.models.hybrid import SHARE, SpectralSymGNN
from tf_symgnn.models.ridge.averages import BOND, DECAY, FAINT
from tf_symgnn.models.ridge.components import ATOMS_A_COMPONENT, PrincipalComponents
from tf_symgnn.models.ridge.regression import NeighborhoodRidge
from tf_symgnn.models.ridge.solver import PENALTIES
from tf_symgnn.nn.chunked import partition
from tf_symgnn.nn.pairs import Surroundings
from tf_symgnn.nn.power_spectrum import PowerSpectrum, real_harmonics
from tf_symgnn.training.fit import weigh, with_linear_part

CUTOFF = 4.0
TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])


def around(glass) -> Surroundings:
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=True)
    return Surroundings.of(to_graph_tensor(graph), "float32")


def spectrum(glass, **changes) -> np.ndarray:
    layer = PowerSpectrum(species=SPECIES, cutoff=CUTOFF, **{"shells": 3, "degree": 4} | changes)
    return layer(around(glass))[0].numpy()


def test_harmonics_are_scipys():
    unit = np.random.default_rng(0).normal(size=(20, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    polar, azimuth = np.arccos(unit[:, 2]), np.arctan2(unit[:, 1], unit[:, 0])
    expected = []
    for degree in range(7):
        for order in range(degree + 1):
            # SciPy's has the sign of Condon and Shortley.
            both = (-1) ** order * sph_harm_y(degree, order, polar, azimuth)
            expected += [both.real] if order == 0 else [np.sqrt(2) * both.real, np.sqrt(2) * both.imag]
    np.testing.assert_allclose(real_harmonics(tf.constant(unit), 6), np.stack(expected, axis=1), atol=1e-12)


def test_the_spectrum_is_the_sum_over_pairs_of_neighbours_by_the_addition_theorem():
    """p_l = sqrt(2l+1)/4pi sum_ij g_n(r_i) g_n'(r_j) P_l(cos of the angle between i and j)."""
    glass = random_glass(3, 40)
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=False)
    received = graph.target == 7
    displacement = graph.displacement[received].astype(float)
    of = graph.atomic_numbers[graph.source[received]]
    distance = np.linalg.norm(displacement, axis=1)
    spacing = (CUTOFF - 2.0) / 2
    centres = 2.0 + spacing * np.arange(3)
    shells = np.exp(-0.5 * ((distance[:, None] - centres) / (2 * spacing)) ** 2)
    shells *= 0.5 * (1 + np.cos(np.pi * distance / CUTOFF))[:, None]
    channels = np.concatenate([shells * (of == z)[:, None] for z in SPECIES], axis=1)  # [pairs, 6]
    cosine = displacement @ displacement.T / np.outer(distance, distance)
    upper = np.triu_indices(6)
    expected = []
    for degree in range(5):
        legendre = np.polynomial.legendre.Legendre.basis(degree)(cosine)
        power = np.sqrt(2 * degree + 1) / (4 * np.pi) * channels.T @ legendre @ channels
        expected.append(power[upper])
    expected = np.concatenate(expected)
    np.testing.assert_allclose(spectrum(glass)[7], expected / np.linalg.norm(expected), rtol=1e-3, atol=1e-5)


def test_a_spectrum_does_not_depend_on_the_order_of_pairs():
    graph = build_graph(random_glass(3, 200), cutoff=CUTOFF, self_loops=True)
    order = np.lexsort((np.random.default_rng(0).random(graph.n_edges), graph.target))
    other = replace(
        graph, source=graph.source[order], target=graph.target[order], displacement=graph.displacement[order]
    )
    layer = PowerSpectrum(species=SPECIES, cutoff=CUTOFF)
    one, two = (layer(Surroundings.of(to_graph_tensor(given), "float32"))[0].numpy() for given in (graph, other))
    assert np.mean(one != two) < 1e-3  # not even by rounding, but for what lies between two numbers


def test_spectra_and_their_gradients_in_blocks_of_few_pairs_are_those_of_all_at_once(monkeypatch):
    pairs = around(random_glass(3, 200))
    layer = PowerSpectrum(species=SPECIES, cutoff=CUTOFF)
    seen = []
    for most in (8192, 100):
        monkeypatch.setattr(partition, "MOST_PAIRS", most)
        with tf.GradientTape() as tape:
            tape.watch((pairs.displacement, pairs.weight))
            direction, presence = layer(pairs)
            heard = tf.reduce_sum(direction**3) + tf.reduce_sum(presence**2)
        seen.append((direction, presence, *tape.gradient(heard, (pairs.displacement, pairs.weight))))
    assert tf.size(pairs.target) > 10 * most
    for whole, in_blocks in zip(*seen, strict=True):
        assert np.linalg.norm(in_blocks - whole) < 1e-5 * np.linalg.norm(whole)
        assert np.linalg.norm(whole) > 0


def test_a_spectrum_says_where_neighbours_stand_and_not_how_strongly_they_count():
    pairs = around(random_glass(3, 40))
    layer = PowerSpectrum(species=SPECIES, cutoff=CUTOFF)
    whole, half, none = (layer(pairs._replace(weight=share * pairs.weight)) for share in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(np.linalg.norm(whole[0], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(half[0], whole[0], atol=1e-5)
    # Half the weight is a sixteenth of the squared length.
    odds = [presence / (1 - presence) for _, presence in (whole, half)]
    np.testing.assert_allclose(odds[1], odds[0] / 16, rtol=1e-2)
    assert not none[0].numpy().any() and not none[1].numpy().any()


@pytest.mark.parametrize("element", [TURN, -TURN], ids=["rotation", "reflection"])
def test_the_spectrum_is_exactly_invariant(element):
    glass = random_glass(1, 60)
    turned = replace(glass, positions=glass.positions @ element, cell=glass.cell @ element)
    one, other = spectrum(glass, degree=6), spectrum(turned, degree=6)
    assert np.abs(one - other).max() < 1e-5 * np.abs(one).max()
    assert one.std(axis=0).max() > 0.01


def test_an_fcc_crystal_has_inversion_symmetry_and_no_quadrupole():
    """Odd degrees vanish, and of the even ones l = 2, as for every cubic site."""
    layer = PowerSpectrum(species=(29,), cutoff=3.0, shells=2, degree=6)
    graph = build_graph(fcc_copper(), cutoff=3.0, self_loops=True)
    power = layer(Surroundings.of(to_graph_tensor(graph), "float32"))[0].numpy()
    np.testing.assert_allclose(power, np.tile(power[0], (len(power), 1)), rtol=1e-4, atol=1e-6)
    first = power[0, ::3]  # the first shell with itself, by degree
    assert np.abs(first[[1, 2, 3, 5]]).max() < 1e-5 * first[0]
    # Steinhardt et al. (1983): Q_4 = 0.191 and Q_6 = 0.575, and p_l/p_0 = sqrt(2l+1) Q_l^2.
    np.testing.assert_allclose(first[[4, 6]] / first[0], [3 * 0.19094**2, 13**0.5 * 0.57452**2], rtol=1e-3)


def test_components_are_white_and_rounding_is_left_out():
    """And of each species they are zero on average, however far its descriptors lie from another's."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(SPECIES, [300, 200]).astype(np.int32)
    within = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 9)) * 10.0 ** np.arange(9)
    seen = within + np.where(numbers == SPECIES[0], 3, -5)[:, np.newaxis]
    layer = PrincipalComponents(units=6, species=SPECIES)
    layer(seen[:1].astype(np.float32), numbers[:1])
    layer.adapt([seen[:400], seen[400:]], [numbers[:400], numbers[400:]])
    found = layer(tf.constant(seen, tf.float32), numbers).numpy()
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.diag([1, 1, 1, 1, 0, 0]), atol=1e-3)
    for z in SPECIES:
        np.testing.assert_allclose(found[numbers == z].mean(axis=0), 0, atol=1e-3)
        within[numbers == z] -= within[numbers == z].mean(axis=0)
    np.testing.assert_array_equal(layer(tf.zeros([1, 9]), np.zeros(1, np.int32)), np.zeros((1, 6)))  # padding
    variance = np.linalg.eigvalsh(np.corrcoef(within.T))[::-1]
    np.testing.assert_allclose(layer.relative_variance, [*(variance[:4] / variance[0]), 0, 0], rtol=1e-3)


def test_what_is_stranger_than_anything_seen_says_the_less():
    seen = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    numbers = np.full(500, SPECIES[0], np.int32)
    layer = PrincipalComponents(units=3, species=SPECIES)
    layer(seen[:1], numbers[:1])
    layer.adapt([seen], [numbers])
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
        found.append((around(glass), glass, descriptors))
    return found


def averaged(glass, descriptors) -> np.ndarray:
    """The features by their definition, from distances between all atoms."""
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=False)
    weight = np.zeros((glass.n_atoms, glass.n_atoms))
    distance = np.linalg.norm(graph.displacement, axis=1)
    np.add.at(weight, (graph.target, graph.source), np.exp((BOND - distance) / DECAY))

    def average(of, values):
        share = weight * of
        return share @ values / (share.sum(1, keepdims=True) + FAINT)

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
        layer(tf.constant(descriptors), near)
        seen.append(layer.features(tf.constant(descriptors), near).numpy())
        barriers.append(seen[-1] @ weights + rng.normal(size=300) + 2)
    penalty = layer.adapt(list(zip(seen, barriers, strict=True)), np.array(expected))
    assert penalty <= PENALTIES[1]  # 600 atoms tell of 21 weights
    scaled = StandardScaler().fit_transform(np.concatenate(seen)) * np.tile(expected, 7)
    predicted = Ridge(alpha=penalty).fit(scaled, np.concatenate(barriers)).predict(scaled)
    found = np.concatenate([layer(tf.constant(descriptors), near) for near, _, descriptors in neighborhood])
    np.testing.assert_allclose(found, predicted, atol=1e-3)


def test_solved_again_it_fits_what_was_left(neighborhood):
    layer = NeighborhoodRidge(species=SPECIES)
    seen, barriers = [], []
    for near, _, descriptors in neighborhood:
        layer(tf.constant(descriptors), near)
        seen.append(layer.features(tf.constant(descriptors), near).numpy())
        barriers.append(2 + seen[-1] @ np.linspace(-1, 1, 21))
    glasses = list(zip(seen, barriers, strict=True))
    layer.adapt(glasses[:1], ALIKE)
    first = layer.kernel.numpy().T.ravel(), layer.bias.numpy()
    left = barriers[1] - seen[1] @ first[0] - first[1]
    penalty = layer.adapt(glasses[1:], ALIKE)
    expected = Ridge(alpha=penalty).fit(StandardScaler().fit_transform(seen[1]), left)
    change = layer.kernel.numpy().T.ravel() - first[0]
    np.testing.assert_allclose(change * seen[1].std(axis=0), expected.coef_, atol=1e-4)
    assert np.abs(expected.coef_).max() > 0.01


def test_solved_again_on_next_to_constant_features_it_stays_as_it_was(neighborhood):
    """As those of a crystal at rest are, far from all that was seen before: their rounding says nothing."""
    near, _, descriptors = neighborhood[0]
    layer = NeighborhoodRidge(species=SPECIES)
    layer(tf.constant(descriptors), near)
    seen = layer.features(tf.constant(descriptors), near).numpy()
    rng = np.random.default_rng(4)
    layer.adapt([(seen, seen @ np.linspace(-1, 1, 21))], ALIKE)
    before = layer(tf.constant(descriptors), near)
    crystal = (50 * rng.normal(size=21) * (1 + 1e-7 * rng.normal(size=(300, 21)))).astype(np.float32)
    barrier = crystal @ layer.kernel.numpy().T.ravel() + layer.bias.numpy()
    layer.adapt([(crystal, barrier + 0.1 * rng.normal(size=300) + 1.0)], ALIKE)
    np.testing.assert_allclose(layer(tf.constant(descriptors), near) - before, 1.0, atol=0.05)


def test_what_was_solved_before_is_kept_where_others_are_left_out_better_by_it():
    """New barriers are those that it predicts, but for noise: the heaviest penalty, and nearly the same weights."""
    rng = np.random.default_rng(5)
    features, weights = rng.normal(size=(3, 200, 50)).astype(np.float32), rng.normal(size=50)
    barriers = features @ weights + rng.normal(size=(3, 200)) * [[0.01], [10.0], [10.0]]
    layer = NeighborhoodRidge(species=())
    layer.build(tf.TensorShape([None, 50]))
    layer.adapt([(features[0], barriers[0])], np.ones(50))
    before = layer.kernel.numpy()
    assert layer.adapt(list(zip(features[1:], barriers[1:], strict=True)), np.ones(50)) == PENALTIES[-1]
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
        chosen.append(layer.adapt(list(zip(features, barriers, strict=True)), np.ones(30)))
    assert chosen[0] < chosen[1]


def test_a_glass_of_equal_barriers_has_no_say_in_the_penalty():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(3, 100, 30)).astype(np.float32)
    barriers = [*(rng.normal(size=(2, 100))), np.full(100, 0.1)]
    chosen = []
    for glasses in (2, 3):
        layer = NeighborhoodRidge(species=())
        layer.build(tf.TensorShape([None, 30]))
        chosen.append(layer.adapt(list(zip(features[:glasses], barriers[:glasses], strict=True)), np.ones(30)))
    assert chosen[0] == chosen[1] > PENALTIES[0]


def test_of_atoms_without_neighbours_the_regression_says_the_mean():
    """Though atoms of two species differ, and so do averages over neighbours of either, however many there are."""
    glasses = read_glasses(SAMPLE)[names.TRAIN]
    graphs = [to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True)) for glass in glasses]
    scaling = label_scaling(glasses)
    model = SpectralSymGNN(
        species=(29, 40), width=4, heads=(1,), decoder_layers=0, label_mean=scaling.mean, label_std=scaling.std
    )
    model(graphs[0])
    model.adapt(graphs, [glass.barrier for glass in glasses])
    pairs = graphs[0].edge_sets[names.NEIGHBORS]
    gone = pairs.get_features_dict() | {names.PAIR_WEIGHT: tf.zeros(pairs.total_size)}
    found = model.linear_part(graphs[0].replace_features(edge_sets={names.NEIGHBORS: gone}))
    np.testing.assert_allclose(found, scaling.mean, atol=0.1 * scaling.std)


def test_the_regression_expects_less_of_components_of_less_variance(monkeypatch):
    given = []
    monkeypatch.setattr(NeighborhoodRidge, "adapt", lambda self, glasses, expected: given.append(expected))
    glass, model = random_glass(6, 80), small_model()
    model.adapt([to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True))], [glass.barrier])
    variance = model.components.relative_variance
    assert 0 < np.count_nonzero(variance) <= 80 / ATOMS_A_COMPONENT
    np.testing.assert_allclose(given[0], variance**0.25)


def small_model(**changes) -> SpectralSymGNN:
    own = {"width": 6, "heads": (2, 1), "decoder_layers": 1, "label_mean": 1.5, "label_std": 0.3}
    model = SpectralSymGNN(species=SPECIES, cutoff=CUTOFF, **own | changes)
    model(around(random_glass(8, 10)).graph)  # creates the weights
    return model


@pytest.mark.parametrize("heard", [0.5, 0.3])
def test_the_prediction_is_the_regression_and_a_share_of_what_symgnn_differs_by_locally(heard):
    """Of numbers on the neighbours of each atom, in NumPy: differences less their averages over two hops."""
    glasses = [random_glass(seed, 80) for seed in (6, 7)]
    graphs = [build_graph(glass, cutoff=CUTOFF, self_loops=True) for glass in glasses]
    tensors = [to_graph_tensor(graph) for graph in graphs]
    model = small_model()
    model.adapt(tensors, [glass.barrier for glass in glasses])
    if heard != SHARE:
        model.share.assign(heard)
    linear = model.linear_part(tensors[0]).numpy()
    assert np.corrcoef(linear, glasses[0].barrier)[0, 1] > 0.5

    states, edges, masks = model.encode(tensors[0], training=False)
    for layer in model.layers_:
        states, edges = layer((states, edges), graph=tensors[0], masks=masks)
    difference = model.decode(states, mask=masks[0], training=False).numpy() - linear
    share = np.zeros((80, 80))
    distance = np.linalg.norm(graphs[0].displacement, axis=1)
    np.add.at(share, (graphs[0].target, graphs[0].source), np.where(distance > 0, np.exp((BOND - distance) / DECAY), 0))
    share /= share.sum(axis=1, keepdims=True) + FAINT
    twice = share @ share
    expected = linear + heard * (twice.sum(axis=1) * difference - twice @ difference)
    np.testing.assert_allclose(model(tensors[0]), expected, atol=1e-4)
    assert np.abs(expected - linear).max() > 0.01


@pytest.mark.parametrize(
    "agreement, expected", [(0.7, 0.7), (-2.0, 0.0), (3.0, 1.0)], ids=["as much", "none", "no more than all"]
)
def test_symgnn_is_heard_as_much_as_errs_least(agreement, expected):
    """Barriers that are the regression's, a multiple of what SymGNN adds to it, and what neither has to do with."""
    glass = random_glass(6, 200)
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=True)
    model, tensor = small_model(), to_graph_tensor(graph)
    model.adapt([tensor], [glass.barrier])
    model.share.assign(1.0)
    linear = model.linear_part(tensor).numpy().astype(float)
    added = model(tensor).numpy() - linear
    other = np.random.default_rng(0).normal(size=200)
    other -= other.mean() + (other @ (added - added.mean())) / added.var() / 200 * (added - added.mean())
    labelled = replace(graph, barrier=linear + 0.2 + agreement * added + 0.1 * other)
    weigh(model, [labelled])
    assert float(model.share) == pytest.approx(expected, abs=1e-3)
    model.adapt([tensor], [glass.barrier])
    assert float(model.share) == SHARE  # to be weighed again


def test_symgnn_that_adds_nothing_is_not_heard():
    glass = random_glass(6, 80)
    graph = build_graph(glass, cutoff=CUTOFF, self_loops=True)
    model = small_model()
    model.readout.kernel.assign(tf.zeros_like(model.readout.kernel))  # nor says the regression, not solved, anything
    model.readout.bias.assign([0.0])
    weigh(model, [graph])
    assert float(model.share) == 0


def test_barriers_as_far_off_everywhere_are_not_corrected():
    """SymGNN that predicts one number for all atoms leaves the regression as it is, of a lone atom, too."""
    glass = random_glass(6, 80)
    lone = glass.positions[:1] + 0.5 * glass.cell.sum(axis=0)
    positions = np.concatenate([glass.positions, lone + np.diag(glass.cell) * 2])
    sparse = replace(
        glass,
        positions=positions,
        cell=5 * glass.cell,
        species=np.append(glass.species, glass.species[0]),
        barrier=None,
    )
    graph = build_graph(sparse, cutoff=CUTOFF, self_loops=True)
    assert np.bincount(graph.target, minlength=81)[-1] == 1  # itself
    graph = to_graph_tensor(graph)
    model = small_model()
    model.readout.kernel.assign(tf.zeros_like(model.readout.kernel))
    model.readout.bias.assign([10.0])  # 3 eV above the regression that is not solved yet
    np.testing.assert_allclose(model(graph), model.linear_part(graph), atol=1e-4)


def test_validation_asks_the_regression_once():
    """Every pass predicts as the model does, and what the regression said before the first one is not said again."""
    glasses = [random_glass(seed, atoms) for seed, atoms in ((6, 80), (7, 60))]
    stream = SubsetStream([build_graph(glass, cutoff=CUTOFF, self_loops=True) for glass in glasses])
    model = small_model()
    model.adapt([graph for graph, *_ in stream.in_order()], [glass.barrier for glass in glasses])
    told = with_linear_part(model, stream.in_order())
    for _ in range(2):
        for whole, asked in zip(stream.in_order(), told, strict=True):
            np.testing.assert_allclose(model(asked[0]), model(whole[0]), atol=1e-5)
            np.testing.assert_array_equal(asked[1:], whole[1:])
    model.ridge.bias.assign_add(1.0)
    for whole, asked in zip(stream.in_order(), told, strict=True):
        step = model.linear_part(whole[0]) - model.linear_part(asked[0])
        np.testing.assert_allclose(step, model.label_std, rtol=1e-4)


def test_training_moves_neither_the_components_nor_the_regression():
    glass = random_glass(6, 80)
    graph = to_graph_tensor(build_graph(glass, cutoff=CUTOFF, self_loops=True))
    model = small_model()
    model.adapt([graph], [glass.barrier])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(graph, training=True) - glass.barrier))
    gradients = tape.gradient(loss, model.trainable_variables)
    trained = {variable.name: g for variable, g in zip(model.trainable_variables, gradients, strict=True)}
    assert not any("components" in name or "ridge" in name for name in trained)
    assert trained[model.readout.kernel.name] is not None


@pytest.mark.parametrize("heads", [(1,), (2, 1, 1, 1), (1, 1, 1, 1, 1)])
def test_it_hears_as_far_as_it_says_and_no_further(heads):
    """Spectra are heard of over three hops, and pairs over all layers; then come two hops of differences."""
    # A bar of cells a little shorter than the cutoff, so that each hop gets nearly as far as it can.
    rng, shape = np.random.default_rng(3), (18, 3, 3)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
    positions = 3.8 * points + rng.normal(0, 0.05, points.shape)
    species, barrier = np.where(rng.random(len(points)) < 0.6, "Cu", "Zr"), rng.normal(1.6, 0.3, len(points))
    bar = Glass(positions, 3.8 * np.diag(shape), (True, True, True), species, barrier, "bar.xyz")
    graph = build_graph(bar, cutoff=CUTOFF, self_loops=True)
    model = small_model(heads=heads)
    model.adapt([to_graph_tensor(graph)], [graph.barrier])
    displacement = tf.constant(graph.displacement)
    with tf.GradientTape() as tape:
        tape.watch(displacement)
        features = {names.DISPLACEMENT: displacement}
        tensor = to_graph_tensor(graph).replace_features(edge_sets={names.NEIGHBORS: features})
        predicted = model(tensor)[0]
    felt = np.abs(tape.gradient(predicted, displacement)).sum(axis=1) > 0
    delta = graph.positions - graph.positions[0]
    delta -= np.round(delta / np.diag(graph.cell)) * np.diag(graph.cell)
    receiver = np.linalg.norm(delta, axis=1)[graph.target][felt].max()
    assert model.receptive_field == CUTOFF * (max(len(heads), 4) + 2)
    assert model.receptive_field - 1.5 * CUTOFF < receiver <= model.receptive_field - CUTOFF
