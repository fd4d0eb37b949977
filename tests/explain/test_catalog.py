"""Every model of the catalog can be explained."""

import numpy as np
import pytest

from tests.explain.conftest import CUTOFF
from tests.models.test_baselines import STRUCTURAL, small_model
from tf_symgnn.explain.attention import attention_rollout
from tf_symgnn.explain.gradients import integrated_gradients
from tf_symgnn.explain.masks import MaskSettings, edge_masks
from tf_symgnn.explain.neighborhoods import cut_all
from tf_symgnn.explain.probe import Batch, Probe, choose_reach
from tf_symgnn.graph import to_graph_tensor

CENTERS = [0, 50]


@pytest.mark.slow
@pytest.mark.parametrize("name", STRUCTURAL)
def test_masks_and_gradients_of_every_model(name, graph):
    model = small_model(name)
    probe, barrier = Probe(model), model(to_graph_tensor(graph)).numpy().astype(float)
    reach, change = choose_reach(probe, graph, CENTERS, barrier, CUTOFF)
    neighborhoods = cut_all(graph, CENTERS, reach)
    np.testing.assert_allclose(probe.predict(Batch(neighborhoods)), barrier[CENTERS], atol=0.01 * barrier.std() + 1e-4)
    assert change < 0.01
    masks = edge_masks(probe, neighborhoods, spread=barrier.std(), seed=0, settings=MaskSettings(steps=3))
    gradients = integrated_gradients(probe, neighborhoods)
    for neighborhood, mask, part in zip(neighborhoods, masks.importance, gradients.contribution, strict=True):
        assert mask.shape == part.shape == (neighborhood.n_pairs,)
        assert part.any() == (name != "mlp")  # the MLP uses no pairs
    # The tolerance is relative to the sizes of contributions, whose signs may cancel in the sum.
    sizes = [np.abs(part).sum() for part in gradients.contribution]
    assert gradients.incompleteness < 0.1 * max(sizes) + 1e-3 * barrier.std()
    assert gradients.incompleteness < 0.25 * max(np.abs(gradients.difference).max(), barrier.std())
    flows = attention_rollout(model, neighborhoods)
    assert (flows is not None) == ("symgnn" in name or name == "egat_length")
    assert all(flow.sum() > 0.3 for flow in flows or [])
