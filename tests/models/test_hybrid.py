"""The hybrid model of a network and a baseline."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tests.conftest import SPECIES, random_glass
from tests.models.influence import distances, pairs_used
from tf_symgnn.data import Glass
from tf_symgnn.graph import SubsetStream, build_graph, to_graph_tensor
from tf_symgnn.models.base import create_weights
from tf_symgnn.models.baselines.faenet import FAENet
from tf_symgnn.models.baselines.schnet import SchNet
from tf_symgnn.models.hybrid import INITIAL_BLEND, HybridModel
from tf_symgnn.models.ridge.averages import AVERAGE_DECAY, AVERAGE_EPSILON, AVERAGE_OFFSET, NeighborhoodAverages
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.models.symgnn import SymGNN
from tf_symgnn.nn.pairs import PairView
from tf_symgnn.training.streams import with_cache

CUTOFF = 4.0


def graph_of(glass):
    return build_graph(glass, cutoff=CUTOFF, self_loops=True)


def small_model(*, heads=(2, 1), **changes) -> HybridModel:
    network = SymGNN(
        species=SPECIES, cutoff=CUTOFF, label_mean=1.5, label_std=0.3, width=6, heads=heads, decoder_layers=1
    )
    baseline = RidgeModel(species=SPECIES, cutoff=CUTOFF, label_mean=1.5, label_std=0.3)
    model = HybridModel(network=network, baseline=baseline, cutoff=CUTOFF, **changes)
    return create_weights(model, SPECIES[0])


@pytest.fixture(scope="module")
def prepared():
    """Return a graph, and a model whose baseline is fitted to it and another graph."""
    glasses = [random_glass(seed, 80) for seed in (6, 7)]
    graphs = [graph_of(glass) for glass in glasses]
    model = small_model()
    model.prepare([to_graph_tensor(graph) for graph in graphs], [glass.barrier for glass in glasses])
    return graphs[0], model


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("blend", [INITIAL_BLEND, 0.3])
def test_the_prediction_is_that_of_the_formula(blend, training, prepared):
    """The reference is y = baseline + blend * (d A(1) - A(d)) in NumPy."""
    graph, model = prepared
    model.blend.assign(blend)
    tensor = to_graph_tensor(graph)
    baseline = model.baseline(tensor).numpy()
    assert np.corrcoef(baseline, graph.barrier)[0, 1] > 0.5

    difference = model.network(tensor, training=training).numpy() - baseline
    weight = np.zeros((80, 80))
    distance = np.linalg.norm(graph.displacement, axis=1)
    decay = np.where(distance > 0, np.exp((AVERAGE_OFFSET - distance) / AVERAGE_DECAY), 0)
    np.add.at(weight, (graph.target, graph.source), decay)
    weight /= weight.sum(axis=1, keepdims=True) + AVERAGE_EPSILON
    two_hops = weight @ weight
    correction = blend * (two_hops.sum(axis=1) * difference - two_hops @ difference)
    np.testing.assert_allclose(model(tensor, training=training), baseline + correction, atol=1e-4)
    assert np.abs(correction).max() > 0.01
    if not training:
        terms = model.contributions(tensor)
        np.testing.assert_allclose(terms["baseline"], baseline, atol=1e-5)
        np.testing.assert_allclose(terms["correction"], correction, atol=1e-4)


def test_any_two_models_with_stages_make_a_hybrid():
    graph = to_graph_tensor(graph_of(random_glass(6, 80)))
    network = SchNet(species=SPECIES, cutoff=CUTOFF, width=6, layers=3)
    baseline = SymGNN(species=SPECIES, cutoff=CUTOFF, width=6, heads=(2,))
    model = HybridModel(network=network, baseline=baseline, cutoff=CUTOFF, hops=1, blend=0.0)
    np.testing.assert_allclose(model(graph), baseline(graph), atol=1e-6)
    model.blend.assign(1.0)
    assert np.abs(model(graph) - baseline(graph)).max() > 1e-3
    assert model.trained is network and len(model.stages()) == 4 and model.receptive_field == 4 * CUTOFF
    with pytest.raises(ValueError, match="a model without stages"):
        HybridModel(network=FAENet(species=SPECIES, cutoff=CUTOFF, width=6), baseline=baseline, cutoff=CUTOFF)
    with pytest.raises(ValueError, match="blend: found 1.5, expected a number from 0 to 1"):
        HybridModel(network=network, baseline=baseline, cutoff=CUTOFF, blend=1.5)
    with pytest.raises(ValueError, match="hops: found 0, expected at least 1"):
        HybridModel(network=network, baseline=baseline, cutoff=CUTOFF, hops=0)


def test_a_hybrid_may_be_the_baseline_of_another():
    """The branches of the inner model do not touch those of the outer one."""
    graph = to_graph_tensor(graph_of(random_glass(6, 80)))
    network = SymGNN(species=SPECIES, cutoff=CUTOFF, width=6, heads=(2, 1))
    inner = HybridModel(
        network=SymGNN(species=SPECIES, cutoff=CUTOFF, width=6, heads=(1, 1)),
        baseline=SchNet(species=SPECIES, cutoff=CUTOFF, width=6, layers=2),
        cutoff=CUTOFF,
        hops=1,
    )
    outer = HybridModel(network=network, baseline=inner, cutoff=CUTOFF, hops=1, blend=1.0)
    baseline, correction = outer.calibration_terms(graph)
    np.testing.assert_allclose(baseline, inner(graph), atol=1e-6)
    difference = network(graph) - inner(graph)
    averages = NeighborhoodAverages(PairView.of(graph, tf.float32))
    of_difference, of_ones = (averages.over_all(x[:, tf.newaxis])[:, 0] for x in (difference, tf.ones([80])))
    np.testing.assert_allclose(correction, of_ones * difference - of_difference, atol=1e-5)


def calibrate(model: HybridModel, graph: tfgnn.GraphTensor, labels: np.ndarray) -> None:
    model.calibrate(np.stack(model.calibration_terms(graph), axis=1), labels)


@pytest.mark.parametrize("slope, expected", [(0.7, 0.7), (-2.0, 0.0), (3.0, 1.0)], ids=["inside", "at 0", "at 1"])
def test_the_blend_weight_is_fitted_by_least_squares(slope, expected):
    """The labels are the baseline plus a constant, a multiple of the correction, and uncorrelated noise."""
    glass = random_glass(6, 200)
    model, tensor = small_model(), to_graph_tensor(graph_of(glass))
    model.prepare([tensor], [glass.barrier])
    model.blend.assign(1.0)
    terms = model.contributions(tensor)
    baseline, correction = (terms[name].numpy().astype(float) for name in ("baseline", "correction"))
    noise = np.random.default_rng(0).normal(size=200)
    centered = correction - correction.mean()
    noise -= noise.mean() + (noise @ centered) / correction.var() / 200 * centered
    barrier = baseline + 0.2 + slope * correction + 0.1 * noise
    calibrate(model, tensor, barrier)
    assert float(model.blend) == pytest.approx(expected, abs=1e-3)
    assert model.calibrated_values() == {"blend weight": float(model.blend)}
    model.prepare([tensor], [glass.barrier])
    assert float(model.blend) == INITIAL_BLEND  # reset by `prepare`


def test_the_blend_weight_of_a_zero_correction_is_zero():
    glass = random_glass(6, 80)
    model = small_model()
    readout = model.network.readout
    # The network then predicts the mean, as the baseline does that is not fitted.
    readout.kernel.assign(tf.zeros_like(readout.kernel))
    readout.bias.assign([0.0])
    calibrate(model, to_graph_tensor(graph_of(glass)), glass.barrier)
    assert float(model.blend) == 0


def test_a_constant_network_has_no_correction():
    """This includes an isolated atom."""
    glass = random_glass(6, 80)
    isolated = glass.positions[:1] + 0.5 * glass.cell.sum(axis=0)
    positions = np.concatenate([glass.positions, isolated + np.diag(glass.cell) * 2])
    sparse = replace(
        glass,
        positions=positions,
        cell=5 * glass.cell,
        species=np.append(glass.species, glass.species[0]),
        barrier=None,
    )
    graph = graph_of(sparse)
    assert np.bincount(graph.target, minlength=81)[-1] == 1  # its self-loop
    graph = to_graph_tensor(graph)
    model = small_model()
    readout = model.network.readout
    readout.kernel.assign(tf.zeros_like(readout.kernel))
    readout.bias.assign([10.0])  # 3 eV above the baseline, which is not fitted
    np.testing.assert_allclose(model(graph), model.baseline(graph), atol=1e-4)


def test_the_baseline_of_validation_is_cached():
    """Predictions from cached graphs equal those of the model, and do not compute the baseline again."""
    glasses = [random_glass(seed, atoms) for seed, atoms in ((6, 80), (7, 60))]
    stream = SubsetStream([graph_of(glass) for glass in glasses])
    model = small_model()
    model.prepare([graph for graph, *_ in stream.in_order()], [glass.barrier for glass in glasses])
    cached = with_cache(model, stream.in_order())
    for _ in range(2):
        for batch, with_baseline in zip(stream.in_order(), cached, strict=True):
            np.testing.assert_allclose(model(with_baseline[0]), model(batch[0]), atol=1e-5)
            np.testing.assert_array_equal(with_baseline[1:], batch[1:])
    model.blend.assign(0.0)
    model.baseline.ridge.bias.assign_add(1.0)
    for batch, with_baseline in zip(stream.in_order(), cached, strict=True):
        np.testing.assert_allclose(model(batch[0]) - model(with_baseline[0]), model.baseline.label_std, rtol=1e-4)


def test_batches_of_a_model_without_a_cache_do_not_change():
    batches = SubsetStream([graph_of(random_glass(6, 60))]).in_order()
    assert with_cache(small_model().network, batches) is batches


def test_training_does_not_change_the_baseline():
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
    """Averages of spectra have four hops, the network one per layer, and the difference has two more."""
    # A bar with a lattice constant slightly below the cutoff, so that each hop extends over nearly one cutoff.
    rng, shape = np.random.default_rng(3), (18, 3, 3)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
    positions = 3.8 * points + rng.normal(0, 0.05, points.shape)
    species, barrier = np.where(rng.random(len(points)) < 0.6, "Cu", "Zr"), rng.normal(1.6, 0.3, len(points))
    bar = Glass(positions, 3.8 * np.diag(shape), (True, True, True), species, barrier, "bar.xyz")
    graph = graph_of(bar)
    model = small_model(heads=heads)
    model.prepare([to_graph_tensor(graph)], [graph.barrier])
    receiver = distances(graph)[graph.target][pairs_used(model, graph)].max()
    assert model.receptive_field == CUTOFF * (max(len(heads), 4) + 2)
    assert model.receptive_field - 1.5 * CUTOFF < receiver <= model.receptive_field - CUTOFF
