"""Ridge regression on structural descriptors: what it fits, and the published glasses' figures."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import SPECIES, random_glass
from tf_symgnn import names
from tf_symgnn.compare import ridge
from tf_symgnn.compare.ridge import DescriptorRidge, descriptor_graph
from tf_symgnn.data import read_glasses
from tf_symgnn.graph import GlassGraph
from tf_symgnn.graph.descriptors import structural_descriptors
from tf_symgnn.training import scores_by_glass


def pearson(training: list, scored: list) -> float:
    model = DescriptorRidge(SPECIES).fit(training)
    return scores_by_glass(scored, [model.predict(graph) for graph in scored])["pearson"]


def test_it_learns_a_barrier_that_surroundings_determine():
    graphs = [descriptor_graph(random_glass(k, 300)) for k in range(4)]
    assert pearson(graphs[:3], graphs[3:]) > 0.5


def test_overfits_a_tiny_glass():
    """40 atoms with labels drawn at random: nothing but memory reaches 0.99."""
    graph = descriptor_graph(random_glass(0, 40))
    graph = replace(graph, barrier=np.random.default_rng(0).normal(1.7, 0.3, 40))
    assert pearson([graph], [graph]) > 0.99


def test_turning_and_reflecting_a_glass_changes_no_prediction():
    model = DescriptorRidge(SPECIES).fit([descriptor_graph(random_glass(0, 200))])
    glass, improper = random_glass(1, 60), np.array([[0.36, 0.48, 0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, -0.6]])
    turned = replace(glass, positions=glass.positions @ improper, cell=glass.cell @ improper)
    found, expected = (model.predict(descriptor_graph(seen)) for seen in (turned, glass))
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.std())


def test_each_species_has_a_model_of_its_own():
    """Labels of one species alone are changed: what is predicted of the other stays."""
    graph = descriptor_graph(random_glass(0, 200))
    copper = graph.atomic_numbers == 29
    other = replace(graph, barrier=np.where(copper, graph.barrier[::-1], graph.barrier))
    model, changed = DescriptorRidge(SPECIES).fit([graph]), DescriptorRidge(SPECIES).fit([other])
    same = np.isclose(model.predict(graph), changed.predict(graph))
    assert same[~copper].all() and not same[copper].any()
    assert model.parameters == 2 * 946


@pytest.fixture
def remembered(monkeypatch):
    """Descriptors are computed once a glass, however many fits it is in."""
    known = {}

    def descriptors(graph: GlassGraph, species: tuple[int, ...]) -> np.ndarray:
        if graph.name not in known:
            known[graph.name] = structural_descriptors(graph, species)
        return known[graph.name]

    monkeypatch.setattr(ridge, "structural_descriptors", descriptors)


@pytest.mark.slow
def test_the_number_to_beat_on_the_published_glasses(published_data, remembered):
    """Validation, test, and the mean over training glasses each left out, within 0.01 of what was found before."""
    glasses = read_glasses(published_data)
    graphs = {split: [descriptor_graph(glass) for glass in members] for split, members in glasses.items()}
    training = graphs[names.TRAIN]
    assert pearson(training, graphs[names.VALIDATION]) == pytest.approx(0.683, abs=0.01)
    assert pearson(training, graphs[names.TEST]) == pytest.approx(0.799, abs=0.01)
    left_out = [pearson(training[:k] + training[k + 1 :], [training[k]]) for k in range(len(training))]
    assert np.mean(left_out) == pytest.approx(0.703, abs=0.01)
