"""Ridge regression on structural descriptors, and its correlations on the published glasses."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import SPECIES, random_glass
from tf_symgnn import names
from tf_symgnn.compare import ridge
from tf_symgnn.compare.ridge import DescriptorRidge, descriptor_graph
from tf_symgnn.data import InputError, read_glasses
from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.descriptors import structural_descriptors
from tf_symgnn.training import scores_by_glass


def pearson(training: list, scored: list) -> float:
    model = DescriptorRidge(SPECIES).fit(training)
    return scores_by_glass(scored, [model.predict(graph) for graph in scored])["pearson"]


def test_it_learns_barriers_that_depend_on_the_neighborhood():
    graphs = [descriptor_graph(random_glass(k, 300)) for k in range(4)]
    assert pearson(graphs[:3], graphs[3:]) > 0.5


def test_overfits_a_tiny_glass():
    """The labels of 40 atoms are random: only overfitting reaches a correlation of 0.99."""
    graph = descriptor_graph(random_glass(0, 40))
    graph = replace(graph, barrier=np.random.default_rng(0).normal(1.7, 0.3, 40))
    assert pearson([graph], [graph]) > 0.99


def test_predictions_are_invariant_under_rotation_and_reflection():
    model = DescriptorRidge(SPECIES).fit([descriptor_graph(random_glass(0, 200))])
    glass, improper = random_glass(1, 60), np.array([[0.36, 0.48, 0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, -0.6]])
    rotated = replace(glass, positions=glass.positions @ improper, cell=glass.cell @ improper)
    expected = model.predict(descriptor_graph(glass))
    np.testing.assert_allclose(model.predict(descriptor_graph(rotated)), expected, atol=1e-3 * expected.std())


def test_a_species_without_labels_is_refused():
    graph = descriptor_graph(random_glass(0, 40))
    graph = replace(graph, barrier=np.where(graph.atomic_numbers == 40, np.nan, graph.barrier))
    with pytest.raises(InputError, match="labels of the training glasses: found none of Zr"):
        DescriptorRidge(SPECIES).fit([graph])


def test_each_species_has_its_own_regression():
    """Changed labels of copper change no prediction for zirconium."""
    graph = descriptor_graph(random_glass(0, 200))
    copper = graph.atomic_numbers == 29
    other = replace(graph, barrier=np.where(copper, graph.barrier[::-1], graph.barrier))
    model, changed = DescriptorRidge(SPECIES).fit([graph]), DescriptorRidge(SPECIES).fit([other])
    same = np.isclose(model.predict(graph), changed.predict(graph))
    assert same[~copper].all() and not same[copper].any()
    assert model.parameters == 2 * 946


@pytest.fixture
def cached_descriptors(monkeypatch):
    """Compute the descriptors of each glass once, although it is in several fits."""
    cache = {}

    def descriptors(graph: GlassGraph, species: tuple[int, ...]) -> np.ndarray:
        if graph.name not in cache:
            cache[graph.name] = structural_descriptors(graph, species)
        return cache[graph.name]

    monkeypatch.setattr(ridge, "structural_descriptors", descriptors)


@pytest.mark.slow
def test_correlations_on_the_published_glasses(published_data, cached_descriptors):
    """Validation, test, and the mean over training glasses left out in turn: the digits in the notebook."""
    glasses = read_glasses(published_data)
    graphs = {split: [descriptor_graph(glass) for glass in members] for split, members in glasses.items()}
    training = graphs[names.TRAIN]
    assert pearson(training, graphs[names.VALIDATION]) == pytest.approx(0.678, abs=5e-4)
    assert pearson(training, graphs[names.TEST]) == pytest.approx(0.795, abs=5e-4)
    left_out = [pearson(training[:k] + training[k + 1 :], [training[k]]) for k in range(len(training))]
    assert np.mean(left_out) == pytest.approx(0.7035, abs=5e-4)
