"""The hybrid model: a network that corrects a baseline by the local part of their difference."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SPECIES, random_glass
from tf_symgnn import names
from tf_symgnn.data import Glass
from tf_symgnn.graph import SubsetStream, build_graph, to_graph_tensor
from tf_symgnn.models.base import create_weights
from tf_symgnn.models.baselines.faenet import FAENet
from tf_symgnn.models.baselines.schnet import SchNet
from tf_symgnn.models.hybrid import INITIAL_BLEND, HybridModel
from tf_symgnn.models.ridge.averages import AVERAGE_DECAY, AVERAGE_EPSILON, AVERAGE_OFFSET
from tf_symgnn.models.ridge.spectral import SpectralRidge
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.training.fit import with_cache

CUTOFF = 4.0


def graph_of(glass):
    return build_graph(glass, cutoff=CUTOFF, self_loops=True)


def small_model(*, heads=(2, 1), **changes) -> HybridModel:
    scaling = {"label_mean": 1.5, "label_std": 0.3}
    network = SymGNN(species=SPECIES, cutoff=CUTOFF, width=6, heads=heads, decoder_layers=1, **scaling)
    baseline = SpectralRidge(species=SPECIES, cutoff=CUTOFF, **scaling)
    model = HybridModel(network=network, baseline=baseline, cutoff=CUTOFF, **changes)
    return create_weights(model, SPECIES[0])


@pytest.fixture(scope="module")
def prepared():
    """A graph, and a model whose baseline is solved on it and another one."""
    glasses = [random_glass(seed, 80) for seed in (6, 7)]
    graphs = [graph_of(glass) for glass in glasses]
    model = small_model()
    model.prepare([to_graph_tensor(graph) for graph in graphs], [glass.barrier for glass in glasses])
    return graphs[0], model


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("blend", [INITIAL_BLEND, 0.3])
def test_the_prediction_is_the_baseline_and_a_part_of_the_local_difference(blend, training, prepared):
    """Of numbers on the neighbours of each atom, in NumPy: differences less their averages over two hops."""
    graph, model = prepared
    model.blend.assign(blend)
    tensor = to_graph_tensor(graph)
    baseline = model.baseline(tensor).numpy()
    assert np.corrcoef(baseline, graph.barrier)[0, 1] > 0.5

    difference = model.network(tensor, training=training).numpy() - baseline
    weight = np.zeros((80, 80))
    distance = np.linalg.norm(graph.displacement, axis=1)
    near = np.where(distance > 0, np.exp((AVERAGE_OFFSET - distance) / AVERAGE_DECAY), 0)
    np.add.at(weight, (graph.target, graph.source), near)
    weight /= weight.sum(axis=1, keepdims=True) + AVERAGE_EPSILON
    twice = weight @ weight
    correction = blend * (twice.sum(axis=1) * difference - twice @ difference)
    np.testing.assert_allclose(model(tensor, training=training), baseline + correction, atol=1e-4)
    assert np.abs(correction).max() > 0.01
    if not training:
        terms = model.contributions(tensor)
        np.testing.assert_allclose(terms["baseline"], baseline, atol=1e-5)
        np.testing.assert_allclose(terms["correction"], correction, atol=1e-4)


def test_any_two_models_with_stages_make_a_hybrid():
    graph = to_graph_tensor(graph_of(random_glass(6, 80)))
    sizes = {"species": SPECIES, "cutoff": CUTOFF, "width": 6}
    network, baseline = SchNet(**sizes, layers=3), SymGNN(**sizes, heads=(2,))
    model = HybridModel(network=network, baseline=baseline, cutoff=CUTOFF, hops=1, blend=0.0)
    np.testing.assert_allclose(model(graph), baseline(graph), atol=1e-6)
    model.blend.assign(1.0)
    assert np.abs(model(graph) - baseline(graph)).max() > 1e-3
    assert model.trained is network and len(model.stages()) == 4 and model.receptive_field == 4 * CUTOFF
    with pytest.raises(ValueError, match="a model without stages"):
        HybridModel(network=FAENet(**sizes), baseline=baseline, cutoff=CUTOFF)


@pytest.mark.parametrize(
    "agreement, expected", [(0.7, 0.7), (-2.0, 0.0), (3.0, 1.0)], ids=["a part", "none", "no more than all"]
)
def test_the_blend_weight_is_fitted_by_least_squares(agreement, expected):
    """To barriers that are the baseline's, a multiple of the correction, and what is uncorrelated with both."""
    glass = random_glass(6, 200)
    model, tensor = small_model(), to_graph_tensor(graph_of(glass))
    model.prepare([tensor], [glass.barrier])
    model.blend.assign(1.0)
    terms = model.contributions(tensor)
    baseline, correction = (terms[name].numpy().astype(float) for name in ("baseline", "correction"))
    other = np.random.default_rng(0).normal(size=200)
    centered = correction - correction.mean()
    other -= other.mean() + (other @ centered) / correction.var() / 200 * centered
    barrier = baseline + 0.2 + agreement * correction + 0.1 * other
    model.calibrate([tensor], [barrier])
    assert float(model.blend) == pytest.approx(expected, abs=1e-3)
    model.prepare([tensor], [glass.barrier])
    assert float(model.blend) == INITIAL_BLEND  # reset by `prepare`


def test_atoms_without_a_label_do_not_count_in_the_blend_weight():
    glass = random_glass(6, 200)
    model, tensor = small_model(), to_graph_tensor(graph_of(glass))
    model.prepare([tensor], [glass.barrier])
    model.blend.assign(1.0)
    terms = model.contributions(tensor)
    barrier = (terms["baseline"] + 0.4 * terms["correction"]).numpy()
    barrier[::3] = np.nan
    model.calibrate([tensor], [barrier])
    assert float(model.blend) == pytest.approx(0.4, abs=1e-3)


def test_a_network_that_adds_nothing_has_no_weight():
    glass = random_glass(6, 80)
    model = small_model()
    readout = model.network.readout
    readout.kernel.assign(tf.zeros_like(readout.kernel))  # the baseline, which is not solved, is the mean as well
    readout.bias.assign([0.0])
    model.calibrate([to_graph_tensor(graph_of(glass))], [glass.barrier])
    assert float(model.blend) == 0


def test_a_network_that_is_constant_does_not_correct():
    """It leaves the baseline as it is, of a lone atom too."""
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
    graph = graph_of(sparse)
    assert np.bincount(graph.target, minlength=81)[-1] == 1  # itself
    graph = to_graph_tensor(graph)
    model = small_model()
    readout = model.network.readout
    readout.kernel.assign(tf.zeros_like(readout.kernel))
    readout.bias.assign([10.0])  # 3 eV above the baseline, which is not solved yet
    np.testing.assert_allclose(model(graph), model.baseline(graph), atol=1e-4)


def test_the_baseline_of_validation_is_computed_once():
    """Every pass predicts as the model does, by what the baseline predicted before the first one."""
    glasses = [random_glass(seed, atoms) for seed, atoms in ((6, 80), (7, 60))]
    stream = SubsetStream([graph_of(glass) for glass in glasses])
    model = small_model()
    model.prepare([graph for graph, *_ in stream.in_order()], [glass.barrier for glass in glasses])
    cached = with_cache(model, stream.in_order())
    for _ in range(2):
        for whole, known in zip(stream.in_order(), cached, strict=True):
            np.testing.assert_allclose(model(known[0]), model(whole[0]), atol=1e-5)
            np.testing.assert_array_equal(known[1:], whole[1:])
    model.blend.assign(0.0)
    model.baseline.ridge.bias.assign_add(1.0)
    for whole, known in zip(stream.in_order(), cached, strict=True):
        np.testing.assert_allclose(model(whole[0]) - model(known[0]), model.baseline.label_std, rtol=1e-4)


def test_batches_of_a_model_that_caches_nothing_stay_as_they_are():
    batches = SubsetStream([graph_of(random_glass(6, 60))]).in_order()
    assert with_cache(small_model().network, batches) is batches


def test_training_moves_neither_the_components_nor_the_regression():
    glass = random_glass(6, 80)
    graph = to_graph_tensor(graph_of(glass))
    model = small_model()
    model.prepare([graph], [glass.barrier])
    assert {id(x) for x in model.trainable_variables} == {id(x) for x in model.trained.trainable_variables}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model.trained(graph, training=True) - glass.barrier))
    assert all(x is not None for x in tape.gradient(loss, model.trainable_variables))


@pytest.mark.parametrize("heads", [(1,), (2, 1, 1, 1), (1, 1, 1, 1, 1)])
def test_the_receptive_field_is_exact(heads):
    """Spectra reach three hops, and pairs all layers; then come two hops of differences."""
    # A bar of cells a little shorter than the cutoff, so that each hop gets nearly as far as it can.
    rng, shape = np.random.default_rng(3), (18, 3, 3)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
    positions = 3.8 * points + rng.normal(0, 0.05, points.shape)
    species, barrier = np.where(rng.random(len(points)) < 0.6, "Cu", "Zr"), rng.normal(1.6, 0.3, len(points))
    bar = Glass(positions, 3.8 * np.diag(shape), (True, True, True), species, barrier, "bar.xyz")
    graph = graph_of(bar)
    model = small_model(heads=heads)
    model.prepare([to_graph_tensor(graph)], [graph.barrier])
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
