"""A whole training run that is killed between any two files that it writes."""

from dataclasses import replace

import numpy as np
import pytest

from tests.runs.test_checkpoints import killed_at
from tests.small_runs import small_config
from tf_symgnn.data import read_glasses
from tf_symgnn.runs import RunFolder, stored_in_run
from tf_symgnn.training import train

KILLS = 8


def result(run: RunFolder) -> tuple:
    """Return the weights, scores and files of a run, without the names of logs, which hold the time."""
    files = {file.relative_to(run.path).as_posix() for file in run.path.rglob("*") if run.logs not in file.parents}
    scores = {name: value for name, value in run.metrics().items() if name != "seconds"}
    return run.load_model().get_weights(), scores, files


@pytest.mark.slow
def test_killed_between_any_two_files_it_ends_as_an_uninterrupted_run(data, tmp_path, monkeypatch):
    """With stored glasses, plots and logs; `tests/runs/test_checkpoints.py` kills a smaller run at every file."""
    glasses = read_glasses(data)

    def go_on(path) -> RunFolder:
        config, stored = stored_in_run(replace(small_config(data, path, model="mlp", epochs=2), data=None), glasses)
        resume = (path / "config.yaml").exists()
        return train(config, glasses=None if resume else stored, resume=resume)

    with killed_at(100_000, monkeypatch) as calls:
        whole = go_on(tmp_path / "whole")
    expected_weights, expected_scores, expected_files = result(whole)
    assert "plots/curves.png" in expected_files and len(calls) > 8 * KILLS
    for step in np.linspace(0, len(calls) - 1, KILLS).astype(int):
        path = tmp_path / f"killed-{step}"
        with killed_at(step, monkeypatch):
            go_on(path)
        weights, scores, files = result(go_on(path))
        assert scores == expected_scores and files == expected_files, calls[step]
        for found, expected in zip(weights, expected_weights, strict=True):
            np.testing.assert_array_equal(found, expected)
