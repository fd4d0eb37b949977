"""Atoms without a label carry no loss, and change no score and no fit."""

from dataclasses import replace

import numpy as np

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.compare.ridge import DescriptorRidge, descriptor_graph
from tf_symgnn.domain.ranges import TrainingDomain
from tf_symgnn.graph import SubsetStream, build_graph, read_records, to_graph_tensor, write_records
from tf_symgnn.models.ridge.model import RidgeModel
from tf_symgnn.models.ridge.regression import NeighborhoodRidge
from tf_symgnn.training.evaluation import scores

LABELED = np.arange(40) % 3 > 0


def partly(graph):
    return replace(graph, barrier=np.where(LABELED, graph.barrier, np.float32(np.nan)))


def graph():
    return build_graph(random_glass(5, 40), cutoff=4.0, self_loops=True)


def test_streams_and_records_give_them_no_weight(tmp_path):
    whole = graph()
    ((_, label, weight),) = SubsetStream([partly(whole)]).in_order()
    np.testing.assert_array_equal(weight, LABELED.astype(np.float32))
    np.testing.assert_array_equal(label, np.where(LABELED, whole.barrier, 0))
    (shard,) = write_records(tmp_path / "train.tfrecord", [partly(whole)])
    (record,) = read_records([shard], labeled=True)
    np.testing.assert_array_equal(record.node_sets[names.ATOMS][names.LOSS_WEIGHT], LABELED.astype(np.float32))


def test_scores_are_of_labeled_atoms():
    labels, predictions = np.array([1.0, np.nan, 3.0, 2.0]), np.array([1.5, 9.0, 2.5, 2.0])
    assert scores(labels, predictions) == scores(labels[[0, 2, 3]], predictions[[0, 2, 3]])
    assert scores(labels, predictions)["n_atoms"] == 3


def test_regressions_are_fitted_to_labeled_atoms(monkeypatch):
    fitted = []
    monkeypatch.setattr(NeighborhoodRidge, "fit", lambda self, glasses, expected: fitted.append(glasses))
    model = RidgeModel(species=(29, 40), cutoff=4.0, label_mean=1.5, label_std=0.5)
    model(to_graph_tensor(graph()))
    for found in (graph(), partly(graph())):
        model.prepare([to_graph_tensor(found)], [found.barrier])
    (((every, labels, _),), ((features, scaled, weight),)) = fitted
    np.testing.assert_allclose(features, every[LABELED], atol=1e-6)
    np.testing.assert_array_equal(scaled, labels[LABELED])
    np.testing.assert_array_equal(weight, np.ones(LABELED.sum()))
    described = descriptor_graph(random_glass(5, 40))
    assert np.isfinite(DescriptorRidge((29, 40)).fit([partly(described)]).predict(described)).all()


def test_the_domain_of_labels_is_of_labeled_atoms():
    found = TrainingDomain.of([{}], [np.array([1.0, np.nan, 2.0])])
    assert found.barrier == (1.0, 2.0) and found.mean_barrier == (1.5, 1.5)
