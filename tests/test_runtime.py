"""Settings of the whole process: which calls make them, and that exported graphs store nothing of this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tf_symgnn import runtime
from tf_symgnn.api.predictor import load_model
from tf_symgnn.compare import compare
from tf_symgnn.config import RunConfig
from tf_symgnn.data import InputError
from tf_symgnn.server.servable import Servable
from tf_symgnn.training import train

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def calls(monkeypatch):
    """Arguments of the calls of `configure`, none of which changes this process."""
    calls = []
    monkeypatch.setattr(runtime, "configure", lambda *, chunked: calls.append(chunked))
    return calls


@pytest.mark.parametrize(("model", "chunked"), [("symgnn", True), ("symgnn_spectral", True), ("gcn", False)])
def test_train_configures_the_process_for_its_model(calls, tmp_path, model, chunked):
    with pytest.raises(InputError):
        train(RunConfig(data=str(tmp_path / "missing"), run_dir=str(tmp_path / "run"), model=model))
    assert calls == [chunked]


@pytest.mark.parametrize("models", [["symgnn"], ["symgnn", "gcn"], ["ridge"]])
def test_compare_configures_the_process_alike_whatever_it_compares(calls, tmp_path, models):
    with pytest.raises(InputError):
        compare(str(tmp_path / "missing"), tmp_path / "out", models=models, seeds=[0], budget_minutes=1.0)
    assert calls == [False]


def test_loading_a_run_or_an_export_configures_the_process(calls, finished_run, exported):
    finished_run.load_model()
    load_model(exported)
    assert calls == [True, True]


def test_a_server_configures_the_process_before_it_loads_the_model(calls, exported, monkeypatch):
    load = tf.saved_model.load

    def load_after_configure(path):
        assert calls == [True]
        return load(path)

    monkeypatch.setattr(tf.saved_model, "load", load_after_configure)
    Servable(exported / "1")
    assert calls == [True]


def test_a_server_of_a_model_without_chunks_changes_nothing(calls, tmp_path):
    module = tf.Module()
    loop = tf.function(
        lambda x: tf.while_loop(lambda x: tf.reduce_sum(x) < 9.0, lambda x: (x + 1.0,), (x,))[0],
        input_signature=[tf.TensorSpec([None], tf.float32, name="x")],
    )
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serving_default": loop})
    (tmp_path / "1" / "assets" / "metadata.json").write_text('{"species": {"Cu": 29}, "cutoff": 5.0}')
    Servable(tmp_path / "1")
    assert calls == [False]


def test_the_first_call_decides(monkeypatch):
    made = []
    monkeypatch.setattr(runtime, "_configured", False)
    monkeypatch.setattr(runtime, "_keep_freed_memory", lambda: made.append("allocator"))
    monkeypatch.setattr(runtime, "_run_each_operation_on_one_core", lambda: made.append("threads"))
    runtime.configure(chunked=True)
    runtime.configure(chunked=True)
    assert made == ["allocator", "threads"]
    monkeypatch.setattr(runtime, "_configured", False)
    runtime.configure(chunked=False)
    runtime.configure(chunked=True)
    assert made == ["allocator", "threads"]


def test_configure_sets_the_threads_of_tensorflow():
    code = (
        "import tf_symgnn, tensorflow as tf; from tf_symgnn import runtime; runtime.configure(chunked=True); "
        "tf.constant(1.0) + 1.0; print(tf.config.threading.get_intra_op_parallelism_threads())"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["1"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to a core")
def test_usable_cores_are_those_that_the_process_is_bound_to():
    code = (
        "import os; from tf_symgnn import runtime; "
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(runtime.usable_cores())"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["1"]
    assert 1 <= runtime.usable_cores() <= os.cpu_count()


def test_exported_loops_are_the_same_whatever_cores_the_exporting_machine_has(finished_run, tmp_path, monkeypatch):
    """Loops over chunks store a constant. Other loops keep TensorFlow's default, which a SavedModel does not store."""
    from tf_symgnn.export.saved_model import export

    monkeypatch.setattr(runtime, "usable_cores", lambda: 77)
    file = export(finished_run, tmp_path / "model") / "saved_model.pb"
    (saved,) = SavedModel.FromString(file.read_bytes()).meta_graphs
    nodes = [*saved.graph_def.node, *(node for fn in saved.graph_def.library.function for node in fn.node_def)]
    loops = [node for node in nodes if node.op in ("While", "StatelessWhile")]
    stored = [node.attr["parallel_iterations"].i for node in loops if "parallel_iterations" in node.attr]
    assert set(stored) == {runtime.PARALLEL_CHUNKS_IN_EXPORTS}
    assert runtime.parallel_chunks() == 77


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory in use is read from Linux")
def test_freed_memory_is_returned_within_the_context_and_kept_outside():
    """Ten arrays of 20 MB are freed under a small one, without which the heap would shrink by itself."""
    code = """
import sys
import numpy as np
from tf_symgnn import runtime

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def kept():
    before = resident()
    arrays = [np.ones(20_000_000, np.uint8) for _ in range(10)]
    last = np.ones(1000)
    del arrays
    return resident() - before, last

runtime._keep_freed_memory()
with runtime.returning_freed_memory():
    within, _ = kept()
outside, _ = kept()
print(within < 10_000_000, outside > 190_000_000)
"""
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert finished.stdout.split() == ["True", "True"]
