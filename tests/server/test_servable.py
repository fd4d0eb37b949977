"""A version of an export that is loaded for serving, and folders that cannot be loaded."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import random_glass
from tf_symgnn.data import InputError
from tf_symgnn.server.admission import admit_frame
from tf_symgnn.server.protocol import RequestError
from tf_symgnn.server.servable import Servable


class Inverse(tf.Module):
    """Returns 1 / x of each atom, eV, which is not finite at x = 0."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="positions"),
            tf.TensorSpec([3, 3], tf.float32, name="cell"),
            tf.TensorSpec([3], tf.bool, name="pbc"),
            tf.TensorSpec([None], tf.int32, name="atomic_numbers"),
        ]
    )
    def one(self, positions, cell, pbc, atomic_numbers):
        return {"energy_barrier": 1.0 / positions[:, 0]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A SavedModel without metadata, as version 7."""
    path = tmp_path_factory.mktemp("inverse") / "7"
    module = Inverse()
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.one})
    return path


def with_metadata(path, metadata: dict):
    (path / "assets").mkdir(exist_ok=True)
    (path / "assets" / "metadata.json").write_text(json.dumps(metadata))
    return path


def test_barriers_that_are_not_finite_are_an_error(saved):
    servable = Servable(with_metadata(saved, {"species": {"Cu": 29, "Zr": 40}, "cutoff": 5.0}))
    assert (servable.version, servable.symbols, servable.cutoff) == (7, ["Cu", "Zr"], 5.0)
    inputs = admit_frame(random_glass(95, 6), servable.species, servable.cutoff, "a glass")
    barriers = servable.predict("serving_default", inputs)["energy_barrier"]
    np.testing.assert_allclose(barriers, 1 / inputs["positions"][:, 0], rtol=1e-6)
    inputs["positions"][2, 0] = 0.0
    with pytest.raises(RequestError, match="energy_barrier: 1 values are not finite"):
        servable.predict("serving_default", inputs)


@pytest.mark.parametrize("metadata", [{}, {"species": {"Cu": 29}}, {"species": [29], "cutoff": 5.0}])
def test_incomplete_metadata_is_refused(saved, metadata):
    with pytest.raises(InputError, match="metadata"):
        Servable(with_metadata(saved, metadata))


def test_a_folder_without_a_number_or_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="version: found newest"):
        Servable(tmp_path / "newest")
    (tmp_path / "3").mkdir()
    with pytest.raises(InputError, match="SavedModel: found"):
        Servable(with_metadata(tmp_path / "3", {"species": {"Cu": 29}, "cutoff": 5.0}))
