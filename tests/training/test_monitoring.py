"""TensorBoard's record of a run, and plots."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.plugins.hparams import metadata

from tests.small_runs import small_config
from tests.training.run_contents import events
from tf_symgnn.config import NetworkConfig, RunConfig
from tf_symgnn.training import plots, train
from tf_symgnn.training.monitoring import effective_settings


def test_tensorboard_shows_the_run(finished_run, data, tmp_path):
    network = NetworkConfig(width=8, heads=(2, 1), decoder_layers=1, transforms=2, distribution="euler_von_mises")
    folder = train(small_config(data, tmp_path / "run", epochs=2, network=network))
    found = events(folder.logs)
    for split in ("train", "validation"):
        for name in ("loss", "pearson", "mae", "rmse"):
            assert len(found[f"{split}/{name}"]) == 2
    for name in ("learning_rate", "gradient_norm", "atoms_per_second"):
        values = [float(tf.make_ndarray(value.tensor)) for value in found[f"train/{name}"]]
        assert len(values) == 2 and min(values) > 0
    assert any(tag.startswith("train/euler_von_mises/mean/rotations") for tag in found)
    assert any(tag.startswith("train/euler_von_mises/log_concentration/improper") for tag in found)
    for tag in ("train/euler_von_mises/directions", "validation/parity"):
        picture = tf.make_ndarray(found[tag][-1].tensor)[2]
        assert tf.image.decode_png(picture).shape[0] > 200
    assert "train/config" in found
    assert b"learning_rate" in tf.make_ndarray(found["train/config"][0].tensor)[()]
    metrics = folder.metrics()
    for split in ("validation", "test"):
        for name in ("pearson", "mae", "rmse"):
            (value,) = found[f"{split}/best/{name}"]
            assert float(tf.make_ndarray(value.tensor)) == pytest.approx(metrics[split][name], rel=1e-6)
        picture = tf.make_ndarray(found[f"{split}/best/parity"][0].tensor)[2]
        assert tf.image.decode_png(picture).shape[0] > 200
    (experiment,) = found["logs/_hparams_/experiment"]
    shown = metadata.parse_experiment_plugin_data(experiment.metadata.plugin_data.content).metric_infos
    assert [(info.display_name, info.name.group, info.name.tag) for info in shown][:3] == [
        ("validation pearson", "validation", "best/pearson"),
        ("validation mae", "validation", "best/mae"),
        ("test pearson", "test", "best/pearson"),
    ]


def test_hyperparameters_are_those_that_the_model_takes():
    settings = effective_settings(RunConfig())
    assert (settings["network.heads"], settings["network.distribution"]) == ("[2, 2, 1]", "haar")
    assert settings["optimizer.learning_rate"] == 4e-3 and settings["patience"] == 30


def test_a_parity_plot_states_its_pearson():
    labels, predictions = np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 3.0, 2.0, 9.0])
    assert plots.parity(labels, predictions, "validation").axes[0].get_title() == "validation\nPearson 0.500"
    assert "undefined" in plots.parity(labels, np.ones(4), "validation").axes[0].get_title()
