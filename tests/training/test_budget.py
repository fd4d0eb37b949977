"""A run that time ends: its schedule, its end, and how it continues."""

import itertools
from types import SimpleNamespace

import pytest

from tests.small_runs import small_config
from tf_symgnn.config import OptimizerConfig, RunConfig
from tf_symgnn.runs import RunFolder, read_history
from tf_symgnn.runs.records import read_record, write_record
from tf_symgnn.training import budget, train
from tf_symgnn.training.budget import rate_at
from tf_symgnn.training.monitoring import PICTURES, TensorBoard


def test_the_rate_rises_then_falls_to_zero_over_the_time():
    config = OptimizerConfig(learning_rate=0.1, warmup=0.2)
    rates = [rate_at(config, share) for share in (0.0, 0.1, 0.2, 0.6, 1.0, 1.5)]
    assert rates == pytest.approx([0.001, 0.0505, 0.1, 0.05, 0.0, 0.0])
    assert rate_at(OptimizerConfig(learning_rate=0.1, warmup=0.0), 0.0) == pytest.approx(0.1)


@pytest.mark.slow
def test_time_ends_a_run_and_what_is_spent_stays_spent(data, tmp_path, monkeypatch):
    """A clock that moves by half a second when it is read makes the number of epochs the same on any machine."""
    clock = itertools.count(step=0.5)
    monkeypatch.setattr(budget, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    config = small_config(data, tmp_path / "run", model="mlp", epochs=1, minutes=0.1)
    folder = train(config)
    state = folder.checkpoints.folder / f"state-{folder.state().epochs}.json"
    record = read_record(state)
    assert len(record["history"]) > 1  # time, and not the number of epochs, ended it
    # As if the last epoch had taken all the time there was: a resumed run has none left.
    record["history"][-1]["seconds"] = 6.0
    write_record(state, record)
    assert len(read_history(train(config, resume=True))) == len(record["history"])


def test_pictures_are_spread_over_a_run_whether_epochs_or_time_end_it(tmp_path):
    """Under a clock the number of epochs is no more than a bound."""
    clock = SimpleNamespace(share=0.0)
    folder = RunFolder(tmp_path)
    by_epochs = TensorBoard(folder, RunConfig(epochs=100), [])
    by_time = TensorBoard(folder, RunConfig(epochs=100_000, minutes=1.0), [], clock=clock)
    drawn = []
    for epoch in range(100):
        clock.share = 0.01 * epoch
        drawn.append((by_epochs._picture_is_due(epoch), by_time._picture_is_due(epoch)))
    assert [sum(which) for which in zip(*drawn, strict=True)] == [PICTURES + 1, PICTURES]  # and the last epoch
    assert drawn[0] == (True, True)
