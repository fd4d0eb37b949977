"""TFRecord shards and their schemas."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gnn as tfgnn

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.graph import build_graph, graph_spec, read_records, write_records, write_splits
from tf_symgnn.graph.tensors import graph_arrays


def build(glass):
    return build_graph(glass, cutoff=4.0, self_loops=True)


@pytest.fixture(scope="module")
def graphs():
    return [build(random_glass(seed, 20 + seed, name=f"g{seed}")) for seed in range(5)]


def arrays_of(tensor: tfgnn.GraphTensor) -> dict[str, np.ndarray]:
    adjacency = tensor.edge_sets[names.NEIGHBORS].adjacency
    found = {tfgnn.SOURCE_NAME: adjacency.source, tfgnn.TARGET_NAME: adjacency.target}
    for piece in (tensor.node_sets[names.ATOMS], tensor.edge_sets[names.NEIGHBORS]):
        found |= piece.get_features_dict()
    found[names.CELL] = tensor.context[names.CELL][0]
    return {name: value.numpy() for name, value in found.items()}


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_records_are_read_back(graphs, shards, tmp_path):
    paths = write_records(tmp_path / "train.tfrecord", graphs, shards=shards)
    assert [path.name for path in paths] == [f"train.tfrecord-{k:05d}-of-{shards:05d}" for k in range(shards)]
    found = sorted(map(arrays_of, read_records(paths, labeled=True)), key=lambda a: len(a[names.SPECIES]))
    assert len(found) == len(graphs)
    for graph, arrays in zip(graphs, found, strict=True):
        expected = graph_arrays(graph, np.ones(graph.n_atoms, np.float32))
        assert arrays.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(arrays[name], value, err_msg=name)


def test_unlabeled_glasses_have_no_labels_in_records(graphs, tmp_path):
    from dataclasses import replace

    paths = write_records(tmp_path / "a.tfrecord", [replace(graph, barrier=None) for graph in graphs[:2]])
    for arrays in map(arrays_of, read_records(paths, labeled=False)):
        assert names.ENERGY_BARRIER not in arrays


@pytest.mark.parametrize("labeled", [False, True])
def test_schemas_match_the_arrays_of_a_graph(graphs, labeled):
    spec = graph_spec(labeled=labeled)
    readout = {names.ENERGY_BARRIER, names.LOSS_WEIGHT} if labeled else set()
    assert spec.node_sets_spec[names.ATOMS].features_spec.keys() == {names.SPECIES, names.POSITION} | readout
    assert spec.edge_sets_spec[names.NEIGHBORS].features_spec.keys() == {names.DISPLACEMENT}
    assert spec.context_spec.features_spec.keys() == {names.CELL}
    features = {
        **spec.node_sets_spec[names.ATOMS].features_spec,
        **spec.edge_sets_spec[names.NEIGHBORS].features_spec,
        names.CELL: tf.TensorSpec(spec.context_spec.features_spec[names.CELL].shape[1:], tf.float32),
    }
    for name, array in graph_arrays(graphs[0], np.ones(graphs[0].n_atoms, np.float32)).items():
        if name in features:
            assert features[name].is_compatible_with(tf.constant(array)), name


def test_each_split_has_its_shards_and_a_listing_of_names(tmp_path):
    glasses = [random_glass(seed, 20, name=f"g{seed}") for seed in range(3)]
    splits = {names.TRAIN: glasses[:2], names.VALIDATION: glasses[2:], names.TEST: []}
    paths = write_splits(splits, tmp_path, build, shards=2)
    assert [path.name for path in paths] == [
        "train.tfrecord-00000-of-00002",
        "train.tfrecord-00001-of-00002",
        "validation.tfrecord-00000-of-00001",
    ]
    assert json.loads((tmp_path / "shards.json").read_text()) == {"train": ["g0", "g1"], "validation": ["g2"]}
    with pytest.raises(InputError, match="overwrite"):
        write_splits(splits, tmp_path, build)
    (tmp_path / "images.tfrecord-00000-of-00010").write_bytes(b"somebody's")
    write_splits(splits, tmp_path, build, shards=1, overwrite=True)
    assert (tmp_path / "images.tfrecord-00000-of-00010").read_bytes() == b"somebody's"
    assert not (tmp_path / "train.tfrecord-00001-of-00002").exists()


def test_more_shards_than_glasses_are_refused(graphs, tmp_path):
    with pytest.raises(InputError, match="shards: found 9, expected 1 to 5"):
        write_records(tmp_path / "a", graphs, shards=9)
