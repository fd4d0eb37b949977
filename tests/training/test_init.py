"""A run that starts from the weights of another one."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import random_glass
from tests.small_runs import small_config, trained_once, write_data
from tests.training.run_contents import weights
from tf_symgnn.config import NetworkConfig, OptimizerConfig
from tf_symgnn.data import InputError, write_glasses
from tf_symgnn.runs import RunFolder
from tf_symgnn.training import train


@pytest.mark.parametrize("model", ["gcn", pytest.param("symgnn_spectral", marks=pytest.mark.slow)])
def test_a_run_starts_from_another_ones_weights(model, data, shared, tmp_path):
    first = trained_once(small_config(data, shared / model, model=model, epochs=1))
    own = write_data(tmp_path / "own", {"train0": 40, "val0": 30})
    # So little is learned that what is found at the end is what was there at the start.
    slow = OptimizerConfig(learning_rate=1e-9)
    tuned = train(small_config(own, tmp_path / "tuned", model=model, init=str(first.path), optimizer=slow, epochs=1))
    # Species and labels are those of the other run's glasses.
    assert tuned.statistics().scaling == first.statistics().scaling
    assert tuned.statistics().species == first.statistics().species
    for before, after in zip(
        first.load_model().trainable_variables, tuned.load_model().trainable_variables, strict=True
    ):
        np.testing.assert_allclose(after, before, atol=1e-6)
    if model == "symgnn_spectral":
        one, other = (run.load_model() for run in (first, tuned))
        np.testing.assert_array_equal(one.baseline.components.components, other.baseline.components.components)
        assert np.abs(one.baseline.ridge.kernel - other.baseline.ridge.kernel).max() > 0


def test_a_run_goes_on_without_the_one_it_started_from(data, shared, tmp_path):
    started = trained_once(small_config(data, shared / "gcn", model="gcn", epochs=1))
    first, statistics = Path(shutil.copytree(started.path, tmp_path / "first")), started.statistics()
    own = write_data(tmp_path / "own", {"train0": 40, "val0": 30})
    config = small_config(own, tmp_path / "tuned", model="gcn", init=str(first))
    whole = weights(train(config))
    cut = train(replace(config, run_dir=str(tmp_path / "cut")))
    shutil.rmtree(first)
    again = train(cut.config(), resume=True)
    assert again.statistics().scaling == statistics.scaling
    for key, value in weights(again).items():
        np.testing.assert_array_equal(value, whole[key], err_msg=key)


def test_a_run_does_not_start_from_what_it_cannot_take(finished_run, data, tmp_path):
    narrow = small_config(data, tmp_path / "run", init=str(finished_run.path), network=NetworkConfig(width=4))
    with pytest.raises(InputError, match="config.yaml: network: found .*'width': 4.* expected .*'width': 8"):
        train(narrow)
    with pytest.raises(InputError, match="nowhere: model: found no folder"):
        train(small_config(data, tmp_path / "run", init="nowhere"))
    with pytest.raises(InputError, match="run folder: found that of the run to start from"):
        train(small_config(data, finished_run.path, init=str(finished_run.path)), overwrite=True)
    untrained = RunFolder.create(small_config(data, tmp_path / "new"), {}, finished_run.statistics(), overwrite=False)
    with pytest.raises(InputError, match="new: run folder: found no finished epoch"):
        train(small_config(data, tmp_path / "run", init=str(untrained.path)))
    foreign = tmp_path / "foreign"
    for stem in ("train0", "val0"):
        write_glasses(foreign / f"{stem}.xyz", [replace(random_glass(0, 20), species=np.full(20, "Al"))])
    with pytest.raises(InputError, match="species: found Al"):
        train(small_config(foreign, tmp_path / "run", init=str(finished_run.path)))
    assert not (tmp_path / "run").exists()
