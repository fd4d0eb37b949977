"""Every model in the catalog can be explained."""

import numpy as np
import pytest

from tests.explain.conftest import CUTOFF
from tests.models.test_baselines import small_model
from tf_symgnn.explain.attention import rolled_out
from tf_symgnn.explain.gradients import integrated_gradients
from tf_symgnn.explain.masks import MaskSettings, edge_masks
from tf_symgnn.explain.neighbourhoods import cut_all
from tf_symgnn.explain.probe import Batch, Probe, far_enough
from tf_symgnn.graph import to_graph_tensor
from tf_symgnn.models.catalog import CATALOG

TARGETS = [0, 50]


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOG)
def test_masks_and_gradients_of_every_model(name, graph):
    model = small_model(name)
    probe, barrier = Probe(model), model(to_graph_tensor(graph)).numpy().astype(float)
    reach, change = far_enough(probe, graph, TARGETS, barrier, CUTOFF)
    neighbourhoods = cut_all(graph, TARGETS, reach)
    np.testing.assert_allclose(probe.predict(Batch(neighbourhoods)), barrier[TARGETS], atol=0.01 * barrier.std() + 1e-4)
    assert change < 0.01
    masks = edge_masks(probe, neighbourhoods, spread=barrier.std(), seed=0, settings=MaskSettings(steps=3))
    gradients = integrated_gradients(probe, neighbourhoods)
    for neighbourhood, mask, part in zip(neighbourhoods, masks.importance, gradients.contribution, strict=True):
        assert mask.shape == part.shape == (neighbourhood.n_pairs,)
        assert part.any() == (name != "mlp")  # which uses no pair
    # Contributions of either sign that nearly cancel say no less than others.
    sizes = [np.abs(part).sum() for part in gradients.contribution]
    assert gradients.incompleteness < 0.1 * max(sizes) + 1e-3 * barrier.std()
    assert gradients.incompleteness < 0.25 * max(np.abs(gradients.difference).max(), barrier.std())
    flows = rolled_out(model, neighbourhoods)
    assert (flows is not None) == ("symgnn" in name or name == "egat_length")
    assert all(flow.sum() > 0.3 for flow in flows or [])
