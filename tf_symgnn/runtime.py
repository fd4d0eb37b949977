"""What holds for the whole process: threads and the allocator."""

from __future__ import annotations

import contextlib
import ctypes

# Of malloc.h: chunks as large as any come from the one heap, which never shrinks.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_MALLOC_OPTIONS = {_M_MMAP_MAX: 0, _M_ARENA_MAX: 1, _M_TRIM_THRESHOLD: 2**31 - 1}


def configure(*, chunked: bool) -> None:
    """Has the cores of this process share the work as suits a model.

    Args:
        chunked: whether the model computes in cache-sized chunks, as `tf_symgnn.models.catalog.is_chunked` returns.
            Without them nothing is changed.
    """
    if chunked:
        keep_freed_memory()
        with contextlib.suppress(RuntimeError):  # a process that has computed goes on as it is, a little slower
            give_cores_to_chunks()


def give_cores_to_chunks() -> None:
    """Computes each operation on one core, so that chunks share the cores: a quarter faster than the other way round.

    Holds for the whole process, and only where TensorFlow has not computed anything yet.

    Raises:
        RuntimeError: TensorFlow has.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)


def keep_freed_memory() -> None:
    """Has the C library keep what chunks free for the next ones, rather than ask the system again.

    Fresh memory costs a page fault every 4 kB. Holds for the whole process, and only with the GNU C library.
    """
    c_library = ctypes.CDLL(None)
    if hasattr(c_library, "mallopt"):
        for option, value in _MALLOC_OPTIONS.items():
            c_library.mallopt(option, value)
