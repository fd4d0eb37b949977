"""Settings of the whole process: threads, memory allocator, standard error."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

# Parameters of mallopt(3). With these values all allocations come from one heap, which never shrinks.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8
_KEEP_FREED = {_M_MMAP_MAX: 0, _M_ARENA_MAX: 1, _M_TRIM_THRESHOLD: 2**31 - 1}
# With these, each tensor of 8 MB and more has memory of its own, which it returns to the system.
_RETURN_FREED = {_M_MMAP_THRESHOLD: 8_000_000, _M_MMAP_MAX: 65_536}

_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"  # TensorFlow reads it when it is imported

# The machine that loads an exported graph may have more cores than the machine that wrote it.
PARALLEL_CHUNKS_IN_EXPORTS = 8

_configured = False
_keeps_freed = False
_tracing_export = False


def configure(*, chunked: bool) -> None:
    """Set threads and memory allocator of this process to suit a model.

    Every entry point calls this before TensorFlow computes anything: `train`, `compare`, `RunFolder.load_model`,
    `load_model` and the server. The first call in a process decides; later calls change nothing.

    Args:
        chunked: whether the model computes in cache-sized chunks, as `tf_symgnn.models.catalog.is_chunked` returns.
            If False, all settings stay as they are.
    """
    global _configured
    if _configured:
        return
    _configured = True
    if chunked:
        _keep_freed_memory()
        # TensorFlow refuses the setting after its first operation. The process then runs on, about a quarter slower.
        with contextlib.suppress(RuntimeError):
            _run_each_operation_on_one_core()


def avoid_onednn() -> None:
    """Let TensorFlow compute without oneDNN, unless TensorFlow is already imported.

    oneDNN keeps a compiled operation for every new shape of its inputs. That is 0.3 GB after some hundred slabs, for a
    twentieth less processor time.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault(_ONEDNN, "0")


def uses_onednn() -> bool:
    """Return whether TensorFlow computes with oneDNN, as it does by default on most processors."""
    return os.environ.get(_ONEDNN) != "0"


@contextlib.contextmanager
def returning_freed_memory() -> Iterator[None]:
    """Return the memory of large tensors to the system as soon as they are freed, within a `with` statement.

    The barriers of a million atoms took 1.85 GB in place of 2.15 GB, and up to a tenth more time.
    """
    _set_malloc(_RETURN_FREED)
    try:
        yield
    finally:
        if _keeps_freed:
            _set_malloc(_KEEP_FREED)


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13 and later
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parallel_chunks() -> int:
    """Return how many chunks a loop may compute at the same time.

    Returns:
        The number of usable cores; inside `tracing_export`, a constant.
    """
    return PARALLEL_CHUNKS_IN_EXPORTS if _tracing_export else usable_cores()


@contextlib.contextmanager
def tracing_export() -> Iterator[None]:
    """Trace graphs for another machine inside this context: they store no property of this machine."""
    global _tracing_export
    before, _tracing_export = _tracing_export, True
    try:
        yield
    finally:
        _tracing_export = before


@contextlib.contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Discard what libraries and child processes write to standard error inside this context."""
    sys.stderr.flush()
    standard_error = os.dup(2)
    with open(os.devnull, "w") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)


def _run_each_operation_on_one_core() -> None:
    """Let chunks, not single operations, share the cores: about a quarter faster for chunked models.

    Raises:
        RuntimeError: TensorFlow has computed something already.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)


def _keep_freed_memory() -> None:
    """Let the GNU C library keep the memory that chunks free, and reuse it for the next chunks.

    New memory from the system costs a page fault every 4 kB. Other C libraries are left as they are.
    """
    global _keeps_freed
    _keeps_freed = True
    _set_malloc(_KEEP_FREED)


def _set_malloc(options: dict[int, int]) -> None:
    """Set parameters of mallopt(3) where the C library has it."""
    c_library = ctypes.CDLL(None)
    if hasattr(c_library, "mallopt"):
        for option, value in options.items():
            c_library.mallopt(option, value)
