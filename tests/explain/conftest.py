"""A graph, a model whose dependence on pairs is known, and a model with attention.

The process that only distributes the tests reads this file, too, so TensorFlow is imported where it is used.
"""

import pytest

from tests.conftest import SPECIES, random_glass

CUTOFF = 4.0


@pytest.fixture(scope="session")
def graph():
    from tf_symgnn.graph import build_graph

    return build_graph(random_glass(3, 200), cutoff=CUTOFF, self_loops=True)


@pytest.fixture(scope="session")
def known():
    from tests.explain.known import KnownModel
    from tf_symgnn.explain.probe import Probe

    return Probe(KnownModel())


@pytest.fixture(scope="session")
def attentive(graph):
    """A model of two layers whose weights and batch statistics differ from their initial values."""
    import tensorflow as tf

    from tf_symgnn.graph import to_graph_tensor
    from tf_symgnn.models.symgnn import SymGNN

    tf.keras.utils.set_random_seed(0)
    model = SymGNN(
        species=SPECIES,
        cutoff=CUTOFF,
        label_mean=1.5,
        label_std=0.3,
        width=8,
        heads=(2, 1),
        decoder_layers=1,
        transforms=2,
        distribution="uniform",
    )
    model(to_graph_tensor(graph), training=True)
    for k, variable in enumerate(model.trainable_variables):
        variable.assign_add(0.3 * tf.random.stateless_normal(variable.shape, (k, 0), dtype=variable.dtype))
    return model
