"""What is fitted to validation glasses: of all of their labeled atoms, and before each validation."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import random_glass
from tests.models.test_hybrid import CUTOFF, graph_of, small_model
from tf_symgnn.graph import SubsetStream, build_graph, to_graph_tensor
from tf_symgnn.training.calibration import Calibration


@pytest.mark.parametrize("patch_size", [None, 7.0])
def test_labels_of_all_glasses_fit_the_blend_weight_and_atoms_without_one_are_left_out(patch_size):
    """The labels are the baseline plus 0.4 times the correction; a third of them is missing."""
    model, glasses = small_model(), [random_glass(seed, 90) for seed in (6, 7)]
    tensors = [to_graph_tensor(graph_of(glass)) for glass in glasses]
    model.prepare(tensors, [glass.barrier for glass in glasses])
    graphs = []
    for glass, tensor in zip(glasses, tensors, strict=True):
        baseline, correction = model.calibration_terms(tensor)
        barrier = (baseline + 0.4 * correction).numpy()
        barrier[::3] = np.nan
        graphs.append(build_graph(replace(glass, barrier=barrier), cutoff=CUTOFF, self_loops=True))
    stream = SubsetStream(graphs, patch_size=patch_size, halo=model.receptive_field)
    Calibration(model, stream.in_order(), tf.distribute.get_strategy()).on_test_begin()
    assert float(model.blend) == pytest.approx(0.4, abs=1e-3)
