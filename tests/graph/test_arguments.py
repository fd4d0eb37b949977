"""Arguments of the public functions of the graph package: an invalid one is an error in one line."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import random_glass
from tf_symgnn import names
from tf_symgnn.data import InputError
from tf_symgnn.graph import PatchedGlass, SubsetStream, build_graph, neighbor_pairs, write_records, write_splits
from tf_symgnn.graph.descriptors import structural_descriptors
from tf_symgnn.graph.images import with_images
from tf_symgnn.graph.slabs import SlabbedGlass

GLASS = random_glass(0, 20)
GRAPH = build_graph(GLASS, cutoff=3.0, self_loops=True)


def search_in_tensorflow(cutoff: float):
    positions, cell = tf.constant(GLASS.positions), tf.constant(GLASS.cell)
    return neighbor_pairs(positions, cell, tf.constant(GLASS.pbc), cutoff=cutoff, self_loops=True)


INVALID = {
    "negative cutoff": (lambda: build_graph(GLASS, cutoff=-5.0, self_loops=True), "cutoff: found -5.0, expected a num"),
    "no cutoff": (
        lambda: build_graph(GLASS, cutoff=float("nan"), self_loops=True),
        "cutoff: found nan, expected a",
    ),
    "zero cutoff of an export": (lambda: search_in_tensorflow(0.0), "cutoff: found 0.0, expected a number above 0"),
    "no slab": (
        lambda: SlabbedGlass(GLASS, cutoff=3.0, self_loops=True, number=0),
        "number of slabs: found 0, expected a whole number of at least 1",
    ),
    "flat patch": (lambda: PatchedGlass(GRAPH, size=0.0, halo=1.0), "patch size: found 0.0, expected a number above 0"),
    "negative halo": (lambda: PatchedGlass(GRAPH, size=3.0, halo=-1.0), "halo: found -1.0, expected a number of at l"),
    "empty batch": (lambda: SubsetStream([GRAPH], batch_size=0), "batch_size: found 0, expected a whole number of at"),
    "no glass": (lambda: SubsetStream([]), "stream: graphs: found none, expected at least one"),
    "no labels": (
        lambda: SubsetStream([replace(GRAPH, barrier=None)]),
        "energy_barrier: found no labels",
    ),
    "no margin": (
        lambda: with_images(GLASS.positions, GLASS.cell, GLASS.pbc, 0.0),
        "margin: found 0.0, expected",
    ),
    "flat cell": (lambda: with_images(GLASS.positions, np.zeros((3, 3)), GLASS.pbc, 1.0), "cell: found shape"),
    "unknown species": (
        lambda: structural_descriptors(GRAPH, [29]),
        r"species: found \[29\] for a glass of \[29",
    ),
    "unsorted species": (lambda: structural_descriptors(GRAPH, [40, 29]), "expected ascending atomic numbers"),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_arguments_raise_input_error(name):
    call, message = INVALID[name]
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_shards_are_at_least_one(tmp_path):
    with pytest.raises(InputError, match="shards: found 0, expected a whole number of at least 1"):
        write_splits({names.TRAIN: [GLASS]}, tmp_path, lambda glass: GRAPH, shards=0)
    with pytest.raises(InputError, match="labels: found some or no glasses labeled"):
        write_records(tmp_path / "a", [])
